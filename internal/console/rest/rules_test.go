package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/model"
)

// leastOf says for every operation who may call it. A new operation belongs
// here and in ruleOf; the tests fail until it is in both.
var leastOf = map[string]model.Access{
	"get-setup": "", "finish-setup": "", "sign-in": "",
	"get-session": model.AccessViewer, "sign-out": model.AccessViewer, "change-password": model.AccessViewer,
	"get-overview": model.AccessViewer, "get-status": model.AccessViewer,
	"list-events": model.AccessViewer, "get-event": model.AccessViewer, "histogram-events": model.AccessViewer,
	"top-events": model.AccessViewer, "live-events": model.AccessViewer,
	"list-incidents": model.AccessViewer, "get-incident": model.AccessViewer, "close-incident": model.AccessOperator,
	"list-actions": model.AccessViewer, "get-action": model.AccessViewer, "create-action": model.AccessOperator,
	"approve-action": model.AccessOperator, "undo-action": model.AccessOperator,
	"list-devices": model.AccessViewer, "get-device": model.AccessViewer, "name-device": model.AccessOperator,
	"list-parts": model.AccessViewer, "revoke-part": model.AccessAdmin,
	"list-enroll-tokens": model.AccessOperator, "create-enroll-token": model.AccessOperator, "delete-enroll-token": model.AccessOperator,
	"get-policy": model.AccessViewer, "set-policy": model.AccessAdmin, "dry-run-policy": model.AccessOperator,
	"list-users": model.AccessAdmin, "create-user": model.AccessAdmin, "delete-user": model.AccessAdmin,
	"list-tokens": model.AccessViewer, "create-token": model.AccessViewer, "delete-token": model.AccessViewer,
	"list-audit":         model.AccessAdmin,
	"reputation-summary": model.AccessViewer, "lookup-reputation": model.AccessViewer, "explain-reputation": model.AccessViewer,
	"lookup-reputations": model.AccessViewer, "reputation-hashes": model.AccessViewer, "batch-reputation": model.AccessViewer,
	"list-feeds": model.AccessViewer, "fetch-feed": model.AccessOperator, "release-feed": model.AccessAdmin,
	"upload-feed": model.AccessAdmin, "remove-feed": model.AccessAdmin,
	"reputation-snapshot": model.AccessViewer, "reputation-snapshot-part": model.AccessViewer,
	"list-reputation-entries": model.AccessViewer, "set-reputation-entry": model.AccessOperator, "remove-reputation-entry": model.AccessOperator,
	"reputation-what-if": model.AccessOperator, "reputation-hits": model.AccessViewer, "list-reputation-reports": model.AccessViewer,
	"report-reputation": model.AccessOperator, "decide-reputation-report": model.AccessOperator,
}

func operations() []*huma.Operation {
	var all []*huma.Operation
	for _, p := range describe().Paths {
		for _, o := range []*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete} {
			if o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

func TestEveryOperationHasARule(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range operations() {
		seen[o.OperationID] = true
		r, ok := ruleOf(o.OperationID)
		want, expected := leastOf[o.OperationID]
		if !ok || !expected {
			t.Errorf("%s %s (%s): rule %t, expectation %t", o.Method, o.Path, o.OperationID, ok, expected)
			continue
		}
		if r.least != want || r.public != (want == "") {
			t.Errorf("%s: rule %+v, want %q", o.OperationID, r, want)
		}
	}
	for id := range leastOf {
		if !seen[id] {
			t.Errorf("%s is expected but no operation", id)
		}
	}
	if _, ok := ruleOf("no-such-operation"); ok {
		t.Error("an unknown operation has a rule")
	}
}

// TestAccess calls every operation as everybody over the real handler.
func TestAccess(t *testing.T) {
	f := newFixture(t)
	callers := map[model.Access]*client{"": {f: f, http: &http.Client{}}}
	for _, a := range []model.Access{model.AccessViewer, model.AccessOperator, model.AccessAdmin} {
		callers[a] = f.program(a)
	}
	path := strings.NewReplacer("{id}", model.NewID(time.Now()).String(), "{name}", "nobody")
	for _, o := range operations() {
		for access, c := range callers {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			req := c.request(ctx, o.Method, strings.TrimPrefix(path.Replace(o.Path), Base), nil)
			res, err := c.http.Do(req)
			f.ok(err)
			status := res.StatusCode
			_ = res.Body.Close() // a live stream has no end
			cancel()
			least := leastOf[o.OperationID]
			want := []int{http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadRequest}
			switch {
			case least == "":
			case access == "":
				want = []int{http.StatusUnauthorized}
			case !access.Allows(least):
				want = []int{http.StatusForbidden}
			}
			if !slices.Contains(want, status) {
				t.Errorf("%s as %q: status %d, want one of %v", o.OperationID, access, status, want)
			}
		}
	}
}
