package sharing

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// shelves opens what a fleet shares; www.our.example.net is its own.
func shelves(t *testing.T, dir string, c Config, now func() time.Time) *Shelves {
	t.Helper()
	d, err := keep.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ours := func(o *intel.Object) bool { return o.Text == "www.our.example.net" }
	s, err := Open(c, d, ours, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func claimOf(text string, kind intel.Kind, at uint32) intel.Claim {
	o, _ := canon.Guess(text)
	return intel.Claim{Object: o, Kind: kind, Confidence: 60, First: at - 600, Last: at, Until: at + 86400}
}

// Versions rise, what is no longer said is revoked and stays so, what comes
// again is another object, and a restart keeps all of it.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_800_000_000, 0)
	start := func() *Shelves {
		t.Helper()
		return shelves(t, dir, Config{Enabled: true, Name: "Fleet A", Sensors: true}, func() time.Time { return at })
	}
	s := start()
	read := func() (out []string, ids map[string]string) {
		b, _, err := s.Envelope(Sensors, taxii.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Objects []struct {
				Type, ID, Pattern, Created, Modified string
				Revoked                              bool
			}
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		ids = map[string]string{}
		for _, o := range e.Objects {
			if o.Type == "indicator" {
				mark := map[bool]string{true: " revoked"}[o.Revoked]
				out = append(out, strings.Trim(o.Pattern[strings.Index(o.Pattern, "'"):], "']")+mark)
				ids[o.ID] = o.Created + o.Modified
			}
		}
		return out, ids
	}
	seconds := func() uint32 { return uint32(at.Unix()) }
	s.Set(Sensors, []intel.Claim{claimOf("203.0.113.1", intel.KindBot, seconds()), claimOf("203.0.113.2", intel.KindBot, seconds())})
	_, first := read()
	if s.Set(Sensors, []intel.Claim{claimOf("203.0.113.1", intel.KindBot, seconds()+600), claimOf("203.0.113.2", intel.KindBot, seconds())}); len(first) != 2 {
		t.Fatal(first)
	}
	if _, again := read(); !sameMap(first, again) {
		t.Errorf("ten minutes more are a new version: %v", again)
	}
	at = at.Add(time.Hour)
	s.Set(Sensors, []intel.Claim{claimOf("203.0.113.1", intel.KindC2, seconds())})
	list, second := read()
	if strings.Join(list, ",") != "203.0.113.1,203.0.113.2 revoked" || len(second) != 2 || sameMap(first, second) {
		t.Errorf("%v %v", list, second)
	}
	for id := range first {
		if second[id] <= first[id] || second[id][:24] != first[id][:24] {
			t.Errorf("%s: %s after %s", id, second[id], first[id])
		}
	}
	s = start() // the restart
	if kept, ids := read(); strings.Join(kept, ",") != strings.Join(list, ",") || !sameMap(ids, second) {
		t.Errorf("after the restart %v", kept)
	}
	at = at.Add(time.Minute)
	s.Set(Sensors, []intel.Claim{claimOf("203.0.113.1", intel.KindC2, seconds()-60), claimOf("203.0.113.2", intel.KindBot, seconds())})
	list, third := read()
	if strings.Join(list, ",") != "203.0.113.1,203.0.113.2" {
		t.Errorf("%v", list)
	}
	fresh := 0
	for id := range third {
		if _, old := second[id]; !old {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("what was revoked came back under its old name: %v then %v", second, third)
	}
	at = at.AddDate(0, 2, 0)
	if s.Set(Sensors, nil); len(s.shelves[Sensors].Records) != 1 {
		t.Errorf("what is long over is kept: %+v", s.shelves[Sensors].Records)
	}
	if err := os.WriteFile(filepath.Join(dir, sharingFile(Sensors)), []byte("masugata sharing 1 3 00\nabc"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = start() // a damaged file is begun anew
	if list, _ := read(); len(list) != 0 {
		t.Errorf("%v", list)
	}
}

func sameMap(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// Who cannot be told of, by whatever way: nothing of the operator's own, nothing
// that means something only inside, nobody's mail address. What is not shared
// stays so.
func TestKeepsInside(t *testing.T) {
	s := shelves(t, t.TempDir(), Config{Enabled: true, Name: "Fleet A", Deny: true, TLP: "amber"}, time.Now)
	at := uint32(time.Now().Unix())
	var claims []intel.Claim
	for _, text := range []string{"192.168.1.7", "10.0.0.0/8", "fe80::1", "fd00::/8", "100.64.1.1", "printer.local", "nas.home.arpa", "http://camera.lan/x",
		"http://192.168.1.9/x", "a.person@example.org", "www.our.example.net", "http://192.168.1.9:8080/x", "http://[fd00::9]:81/x", "http://www.our.example.net/x",
		"192.168.1.9:443", "[fd00::9]:443", "www.our.example.net:8443", "203.0.113.200", "203.0.113.201:4444", "http://203.0.113.202/x"} {
		claims = append(claims, claimOf(text, intel.KindC2, at))
	}
	s.Set(Deny, claims)
	s.Set(Sensors, claims)
	b, page, err := s.Envelope(Deny, taxii.Filter{})
	if err != nil || page.Count != 4 || strings.Contains(string(b), "192.168") || strings.Contains(string(b), "our.example") {
		t.Errorf("%d objects, %v: %s", page.Count, err, b)
	}
	if _, _, err := s.Envelope(Sensors, taxii.Filter{}); err == nil {
		t.Error("a collection that is not shared is read")
	}
	var list []taxii.Collection
	if list = s.Collections(); len(list) != 1 || list[0].Alias != Deny || s.SharedBy() != "Fleet A" {
		t.Errorf("%+v", list)
	}
	_, manifest, _ := s.Manifest(list[0].ID, taxii.Filter{})
	if _, versions, err := s.Versions(list[0].ID, taxii.Filter{}); err != nil || manifest.Count != 4 || versions.Count != 4 {
		t.Errorf("%+v %+v %v", manifest, versions, err)
	}
	if has, err := s.Shares(Deny, "indicator--none"); has || err != nil {
		t.Error(has, err)
	}
	var none *Shelves
	none.Set(Deny, claims) // nothing is shared
}

// What could not be written is written with the next look, though nothing has
// changed; a word for the next page that is beyond all gives an empty one.
func TestWrittenLater(t *testing.T) {
	dir := t.TempDir()
	at := time.Unix(1_800_000_000, 0)
	now := func() time.Time { return at }
	c := Config{Enabled: true, Name: "Fleet A", Deny: true}
	s := shelves(t, dir, c, now)
	claims := []intel.Claim{claimOf("203.0.113.7", intel.KindC2, uint32(at.Unix()))}
	file := filepath.Join(dir, sharingFile(Deny))
	if err := os.Mkdir(file, 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	s.Set(Deny, claims)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.Set(Deny, claims)
	b, page, err := shelves(t, dir, c, now).Envelope(Deny, taxii.Filter{})
	if err != nil || page.Count != 2 || !strings.Contains(string(b), "203.0.113.7") {
		t.Errorf("after a restart: %s %v", b, err)
	}
	for _, next := range []string{"1y2p0ij32e8e8", "3w5e11264sgse", "2"} { // 2^63 and about, 2^64-2, the last one
		if _, page, err := s.Envelope(Deny, taxii.Filter{Next: next}); err != nil || page.Count != 0 {
			t.Errorf("%s: %d objects, %v", next, page.Count, err)
		}
	}
}
