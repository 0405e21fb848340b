package rest

import (
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// TestStrangersDoNotFillTheTrail makes very many calls without signing in.
func TestStrangersDoNotFillTheTrail(t *testing.T) {
	f := newFixture(t)
	for range strangersPerMinute + 40 {
		f.browser().call("POST", "/actions", object{}).want(t, 401)
	}
	f.program(model.AccessAdmin).call("DELETE", "/session", nil)
	list, _, err := f.store.Audit(t.Context(), model.Page{Limit: 1000})
	f.ok(err)
	nobody, somebody := 0, 0
	for _, e := range list {
		switch {
		case e.Actor == "nobody":
			nobody++
		case strings.HasPrefix(e.Operation, "console."):
			somebody++
		}
	}
	if nobody != strangersPerMinute || somebody != 1 {
		t.Errorf("%d lines of strangers and %d of a signed-in program, want %d and 1", nobody, somebody, strangersPerMinute)
	}
	f.clock.pass(time.Minute)
	f.browser().call("POST", "/actions", object{}).want(t, 401)
	list, _, err = f.store.Audit(t.Context(), model.Page{Limit: 1})
	f.ok(err)
	if !strings.Contains(list[0].Detail, "40 more calls of nobody") {
		t.Errorf("the next line says %q", list[0].Detail)
	}
}

func TestNeighbourhood(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":                "192.0.2.1",
		"::ffff:192.0.2.1":         "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":     "2001:db8:1:2::/64",
		"2001:db8:1:3::1":          "2001:db8:1:3::/64",
		"fe80::1%eth0":             "fe80::/64",
		"not an address, as @pipe": "not an address, as @pipe",
	} {
		if got := neighbourhood(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	th := newThrottle()
	now := time.Unix(1e9, 0)
	var waited bool
	for n := range 100 {
		a := "2001:db8::" + string(rune('a'+n%6)) + ":" + strings.Repeat("1", 1+n%4)
		waited = waited || th.take("ada", a, now) > 0
	}
	if !waited {
		t.Error("a name is guessed at freely from one network")
	}
}

// TestMachineTokenSeesItsOwn: a token without a user is not the token of all.
func TestMachineTokenSeesItsOwn(t *testing.T) {
	f := newFixture(t)
	text, own, err := f.store.CreateAPIToken(t.Context(), model.APIToken{Name: "probe", Access: model.AccessViewer})
	f.ok(err)
	_, err = f.store.CreateUser(t.Context(), "ada", model.AccessAdmin, password)
	f.ok(err)
	_, hers, err := f.store.CreateAPIToken(t.Context(), model.APIToken{Name: "hers", User: "ada", Access: model.AccessAdmin})
	f.ok(err)
	probe := f.browser()
	probe.token = text
	if r := probe.call("GET", "/tokens", nil).want(t, 200, "probe"); strings.Contains(r.body, "hers") {
		t.Errorf("it lists the tokens of people: %s", r.body)
	}
	probe.call("DELETE", "/tokens/"+hers.ID.String(), nil).want(t, 404)
	probe.call("DELETE", "/tokens/"+own.ID.String(), nil).want(t, 204)
}
