package snapshot

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
)

var limits = Limits{Entries: 1000, Packed: 1 << 20, Size: 8 << 20}

func manifest() *Manifest {
	one := ManifestSource(reputation.Source{Name: "bots", Owner: "someone", Trust: 90, Kind: reputation.KindBot, Licence: "CC0"}, 1_790_000_000)
	one.Entries, one.SHA256, one.Packed, one.Size = 10, strings.Repeat("ab", 32), 100, 200
	two := ManifestSource(reputation.Source{Name: "local-allow", Owner: "operator", Trust: 100, Local: reputation.LocalAllow}, 1_790_000_000)
	two.SHA256, two.Packed, two.Size = strings.Repeat("cd", 32), 20, 6
	return &Manifest{Format: Format, Sources: []Source{one, two}}
}

func TestManifest(t *testing.T) {
	want := manifest()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b, limits)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Fatalf("%v %s", err, cmp.Diff(want, got))
	}
	if got.Sources[1].Reputation().Local != reputation.LocalAllow || got.Sources[0].Reputation().Kind != reputation.KindBot {
		t.Errorf("%+v", got.Sources)
	}
}

func TestBadManifests(t *testing.T) {
	for name, spoil := range map[string]func(m *Manifest){
		"format": func(m *Manifest) { m.Format = 2 }, "name": func(m *Manifest) { m.Sources[0].Name = "" },
		"order": func(m *Manifest) { m.Sources[0].Name = "z" }, "twice": func(m *Manifest) { m.Sources[1].Name = "bots" },
		"owner": func(m *Manifest) { m.Sources[0].Owner = "" }, "trust": func(m *Manifest) { m.Sources[0].Trust = 101 },
		"list": func(m *Manifest) { m.Sources[0].List = "both" }, "entries": func(m *Manifest) { m.Sources[0].Entries = 1001 },
		"total": func(m *Manifest) { m.Sources[0].Entries, m.Sources[1].Entries = 600, 600 }, "negative": func(m *Manifest) { m.Sources[0].Entries = -1 },
		"packed": func(m *Manifest) { m.Sources[0].Packed = 2 << 20 }, "no bytes": func(m *Manifest) { m.Sources[0].Size = 0 },
		"digest": func(m *Manifest) { m.Sources[0].SHA256 = strings.Repeat("AB", 32) }, "path": func(m *Manifest) { m.Sources[0].SHA256 = "../../etc/passwd" },
	} {
		m := manifest()
		spoil(m)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b, limits); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "{", "[]", `{"format":1,"sources":[]}{}`, `{"format":1,"sources":[{"name":1}]}`, strings.Repeat(" ", MaxManifest+1)} {
		if _, err := Parse([]byte(text), limits); !errors.Is(err, ErrManifest) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := json.Marshal(manifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"sources":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b, limits)
		if err != nil {
			return
		}
		if entries, packed, size := m.Totals(); entries > limits.Entries || packed > limits.Packed || size > limits.Size || entries < 0 || packed < 0 || size < 0 {
			t.Fatalf("%d %d %d", entries, packed, size)
		}
	})
}
