package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

// known is a ledger whose serial a test sets; 0 is not ready.
type known struct {
	ledger *ledger.Ledger
	serial uint32
	at     time.Time
}

func (k *known) Serial() (uint32, bool)      { return k.serial, k.serial > 0 }
func (k *known) Read(f func(*ledger.Ledger)) { f(k.ledger) }
func (k *known) now() time.Time              { return k.at }

// learn makes a source list so many addresses.
func (k *known) learn(t *testing.T, source string, n int) {
	t.Helper()
	id := k.ledger.Source(intel.Source{Name: source, Owner: source, Trust: 90, Kind: intel.KindC2})
	imp, err := k.ledger.Import(id, uint32(k.at.Unix()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
		c := intel.Claim{Object: intel.Object{Type: intel.TypePrefix, Prefix: p}, Source: id, Kind: intel.KindC2, Confidence: 90}
		if err := imp.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	imp.Commit()
	k.serial++
	k.at = k.at.Add(MadeEvery)
}

// publish makes a publisher and a server of it.
func publish(t *testing.T, k *known) (*Publisher, *httptest.Server) {
	t.Helper()
	signer, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPublisher(k, t.TempDir(), signer, slog.New(slog.DiscardHandler), k.now)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/parts/") {
			f, err := p.Parts().Open(path.Base(r.URL.Path))
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			defer f.Close()
			_, _ = io.Copy(w, f)
			return
		}
		m, err := p.Current(r.Context())
		if err != nil {
			http.Error(w, `{"detail":"`+err.Error()+`"}`, http.StatusConflict)
			return
		}
		_ = json.NewEncoder(w).Encode(rest.ReputationSnapshot{Version: m.Version, Key: p.Key(), Manifest: string(m.Payload), Minisig: m.Minisig})
	}))
	t.Cleanup(web.Close)
	return p, web
}

// sum counts the claims of a snapshot, by source.
func sum(parts Parts, m *snapshot.Manifest) (map[string]int, error) {
	all := map[string]int{}
	for i := range m.Sources {
		p, err := parts.Read(&m.Sources[i])
		if err != nil {
			return nil, err
		}
		defer p.Close()
		var c intel.Claim
		for err = p.Next(&c); err == nil; err = p.Next(&c) {
			all[m.Sources[i].Name]++
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err := p.Whole(&m.Sources[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A node has what was published in force, also after a restart; what cannot be
// applied or had leaves the one before.
func TestNodeFollowsPublisher(t *testing.T) {
	k := &known{ledger: ledger.New(ledger.Config{MaxObjects: 10_000}), at: time.Unix(1_800_000_000, 0)}
	p, web := publish(t, k)
	cfg := Default()
	cfg.From, cfg.Key = web.URL, p.Key()
	dir := t.TempDir()
	var force map[string]int
	var refuse error
	open := func() *Node {
		t.Helper()
		var n *Node
		n, err := Open(cfg, 10_000, dir, slog.New(slog.DiscardHandler), k.now, prometheus.NewRegistry(), func(_ context.Context, m *snapshot.Manifest) error {
			got, err := sum(n.Parts(), m)
			if err = errors.Join(err, refuse); err == nil {
				force = got
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		force = nil
		n.Start(t.Context())
		return n
	}
	n := open()
	if n.Ask(t.Context()); n.Status().Version != 0 || n.Status().Failures != 1 || !strings.Contains(n.Status().Problem, "just started") || n.Healthy() == nil {
		t.Errorf("%+v", n.Status())
	}
	k.learn(t, "a", 500)
	k.learn(t, "b", 3)
	if n.Ask(t.Context()); force["a"] != 500 || force["b"] != 3 || n.Healthy() != nil {
		t.Fatal(force, n.Status(), n.Healthy())
	}
	first := n.Status().Version
	k.learn(t, "b", 4)
	refuse = errors.New("not now")
	if n.Ask(t.Context()); force["b"] != 3 || n.Status().Version != first || !strings.Contains(n.Status().Problem, "not now") {
		t.Error(force, n.Status())
	}
	refuse = nil
	if n.Ask(t.Context()); force["b"] != 4 || n.Status().Version <= first {
		t.Error(force, n.Status())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"+partEnding))
	if len(files) != 2 {
		t.Errorf("parts of the one before stay: %v", files)
	}
	web.Close()
	if n = open(); force["a"] != 500 || force["b"] != 4 {
		t.Error("after a restart:", force)
	}
	if err := os.Truncate(files[0], 10); err != nil {
		t.Fatal(err)
	}
	if n = open(); force != nil || n.Status().Version != 0 || n.Status().Problem == "" {
		t.Error("a damaged copy is in force:", force)
	}
}

// What the folder takes is what is named, whole.
func TestParts(t *testing.T) {
	d, err := OpenParts(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.WriteString(strings.Repeat("x", 5000)); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	one, err := d.pack(raw)
	if err != nil || one.Size != 5000 || !d.Has(one.SHA256, one.Packed) || d.Has(one.SHA256, one.Packed+1) {
		t.Fatalf("%+v %v", one, err)
	}
	b, err := os.ReadFile(d.Path(one.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Drop(); err != nil || d.Has(one.SHA256, one.Packed) {
		t.Error("what nobody names stays", err)
	}
	for want, bad := range map[string]string{"bytes or more": string(b[1:]), "changed on its way": string(b[:len(b)-1]) + "!"} {
		if err := d.Take(one.SHA256, one.Packed, strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := d.Take(one.SHA256, one.Packed, strings.NewReader(string(b))); err != nil || !d.Has(one.SHA256, one.Packed) {
		t.Error(err)
	}
	for name, want := range map[string]error{"../x": model.ErrInvalid, strings.Repeat("A", 64): model.ErrInvalid, fmt.Sprintf("%064x", 7): model.ErrNotFound} {
		if _, err := d.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
