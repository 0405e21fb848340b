package reputation

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

func TestReplicaFromFileAndNothingCanBeChanged(t *testing.T) {
	o := published(t)
	c := o.config(t)
	c.Replica.From = filepath.Join(t.TempDir(), "all.tar")
	write := func() []byte {
		got, err := o.Snapshot(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		m, err := snapshot.Parse([]byte(got.Manifest), snapshot.Limits{Entries: 1e6, Packed: 1e9, Size: 1e9})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = snapshot.WriteArchive(&out, m, []byte(got.Manifest), got.Minisig, func(src *snapshot.Source, w io.Writer) error {
			r, _, err := o.SnapshotPart(t.Context(), src.SHA256)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(w, r)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	whole := write()
	node := o.node(t, c, t.TempDir())
	for n := 0; n < len(whole)/2; n += 100 { // parts that are whole are kept
		if err := os.WriteFile(c.Replica.From, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if node.replica.Ask(t.Context()); node.replica.Status().Problem == "" {
			t.Fatalf("a file cut at %d of %d was taken", n, len(whole))
		}
	}
	if err := os.WriteFile(c.Replica.From, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if node.replica.Ask(t.Context()); node.replica.Status().Problem != "" {
		t.Fatal(node.replica.Status().Problem)
	}
	if a, _ := node.Lookup("c2.example.org"); a.Score < intel.DefaultBlock {
		t.Errorf("%+v", a)
	}
	h := handler(t, node)
	for _, one := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/reputation/entries", `{"object":"192.0.2.1","list":"deny"}`, http.StatusConflict},
		{"PUT", "/reputation/feeds/x", "192.0.2.1\n", http.StatusConflict},
		{"POST", "/reputation/feeds/bots/fetch", "", http.StatusConflict},
		{"POST", "/reputation/lookup", `{"objects":["192.0.2.1"]}`, http.StatusOK},
		{"GET", "/reputation/snapshot", "", http.StatusOK},
	} {
		req := httptest.NewRequest(one.method, rest.Base+one.path, strings.NewReader(one.body))
		req.Header.Set("Authorization", "Bearer secret")
		if strings.HasPrefix(one.body, "{") {
			req.Header.Set("Content-Type", "application/json")
		}
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, req); rec.Code != one.want {
			t.Errorf("%s %s: %d %s", one.method, one.path, rec.Code, rec.Body)
		}
	}
}
