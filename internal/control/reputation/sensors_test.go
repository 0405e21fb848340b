package reputation

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// crew is a fleet of gates that were enrolled long ago.
type crew struct {
	owners  []string
	devices []netip.Addr
	since   time.Time
	now     func() time.Time
}

func (c *crew) part(i int) model.PartID { return model.PartID(fmt.Sprintf("gate-%d", i)) }

func (c *crew) Sensors(context.Context) (list []Sensor, _ []netip.Addr, _ error) {
	for i, o := range c.owners {
		list = append(list, Sensor{Part: c.part(i), Owner: o, Since: c.since, Heard: c.now()})
	}
	return list, c.devices, nil
}

// stand is a service with a crew, whose clock the test moves.
type stand struct {
	*Service
	t    *testing.T
	crew *crew
	at   time.Time
}

func newStand(t *testing.T, dir string, owners ...string) *stand {
	x := &stand{t: t, at: time.Unix(1_800_000_000, 0)}
	now := func() time.Time { return x.at }
	x.crew = &crew{owners: owners, since: x.at.AddDate(0, -3, 0), now: now, devices: []netip.Addr{netip.MustParseAddr("203.0.113.90"), netip.MustParseAddr("2001:db8:1::90")}}
	c := Default()
	c.Own = []string{"198.51.100.0/24"}
	c.Allow = []string{"203.0.113.91"}
	var err error
	if x.Service, err = Open(c, dir, slog.New(slog.DiscardHandler), now); err != nil {
		t.Fatal(err)
	}
	x.Watch(x.crew)
	x.sensors.restore()
	x.sensors.enroll(t.Context())
	return x
}

// hear takes events in as Run does.
func (x *stand) hear(events ...*model.Event) {
	x.Events(events)
	for len(x.sensors.queue) > 0 {
		x.sensors.take(x.t.Context(), <-x.sensors.queue)
	}
}

// settle lists what the sensors agree on two minutes later.
func (x *stand) settle() {
	x.at = x.at.Add(2 * time.Minute)
	x.sensors.enroll(x.t.Context())
	x.sensors.list()
	if err := x.rebuild(); err != nil {
		x.t.Fatal(err)
	}
}

func alert(part model.PartID, src, dst, class, proto string, more ...model.Observable) *model.Event {
	return &model.Event{Reporter: part, Kind: model.KindIntrusion, Count: 1, Observables: append([]model.Observable{
		{Type: model.ObservableIP, Value: src}, {Type: model.ObservableIP, Value: dst},
		{Type: model.ObservableProto, Value: proto}, {Type: model.ObservableClass, Value: class}}, more...)}
}

const (
	home = "192.168.1.2"
	web  = "web-application-attack"
)

func TestSensorsList(t *testing.T) {
	owners := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	x := newStand(t, t.TempDir(), owners...)
	hash := strings.Repeat("ab", 32)
	for i := range 6 {
		p := x.crew.part(i)
		flood := func(path, sha string) *model.Event {
			return &model.Event{Reporter: p, Kind: model.KindFloodOutbound, Subject: "203.0.113.99", Count: 1,
				Observables: []model.Observable{{Type: model.ObservableIP, Value: "203.0.113.99"}},
				Flood:       &model.FloodEvidence{Process: &model.ProcessEvidence{Path: path, SHA256: sha}}}
		}
		x.hear(
			alert(p, "203.0.113.1", home, web, "http"),
			alert(p, "2001:db8:7::1", "fd00::2", web, "tls"),
			alert(p, "2001:db8:8::1", "2001:db8:1::90", web, "tls"), // to a device's public address
			alert(p, "2001:db8:1::90", "2001:db8:9::1", web, "tls"), // from one: a victim
			alert(p, "2001:db8:a::1", "2001:db8:b::1", web, "tls"),  // neither is known
			alert(p, home, "203.0.113.2", "command-and-control", "tls", model.Observable{Type: model.ObservableDomain, Value: "c2.example.com"}),
			alert(p, home, "203.0.113.3", web, "http"),
			alert(p, "203.0.113.90", home, web, "http"),
			alert(p, "203.0.113.91", home, web, "http"),
			alert(p, "198.51.100.7", home, web, "http"),
			alert(p, "203.0.113.5", home, "network-scan", "udp"),
			alert(p, "10.1.1.1", home, web, "http"),
			alert(p, "169.254.1.1", home, web, "http"),
			alert(p, "224.0.0.251", home, web, "http"),
			alert(p, "fe80::1%eth0", "fd00::2", web, "http"),
			alert(p, "nonsense", home, web, "http"),
			flood("/tmp/.x", hash), flood("/bin/busybox", strings.Repeat("cd", 32)), flood("/tmp/.y", "short"),
		)
	}
	for range 100 {
		x.hear(alert(x.crew.part(7), "203.0.113.4", home, web, "http"), alert("gate-stranger", "203.0.113.6", home, web, "http"))
	}
	x.settle()
	want := map[string]intel.Kind{"203.0.113.1": intel.KindExploit, "203.0.113.2": intel.KindC2, "c2.example.com": intel.KindC2, hash: intel.KindMalware,
		"2001:db8:7::1": intel.KindExploit, "2001:db8:8::1": intel.KindExploit}
	for object, kind := range want {
		a, err := x.Lookup(object)
		if err != nil || a.Kind != kind || a.Score == 0 {
			t.Errorf("%s: %+v %v, want %v", object, a, err, kind)
		}
	}
	for _, object := range []string{"203.0.113.3", "203.0.113.90", "203.0.113.91", "198.51.100.7", "203.0.113.5", "10.1.1.1", "169.254.1.1",
		"224.0.0.251", "2001:db8:1::90", "2001:db8:9::1", "2001:db8:a::1", "2001:db8:b::1", "203.0.113.4", "203.0.113.6", "203.0.113.99", strings.Repeat("cd", 32)} {
		if got := x.score(t, object); got != 0 {
			t.Errorf("%s has %d, want 0", object, got)
		}
	}
	v, err := x.Explain("203.0.113.1")
	if err != nil || len(v.Reasons) != 1 || v.Reasons[0].Source != "local-sensors" || !strings.Contains(v.Reasons[0].Note, "4 or more") {
		t.Errorf("%+v %v", v, err)
	}
}

// TestSensorsOneOwner: a hundred parts of one owner list nothing.
func TestSensorsOneOwner(t *testing.T) {
	owners := []string{"a", "b", "c", "d", "e"}
	for range 100 {
		owners = append(owners, "hostile")
	}
	x := newStand(t, t.TempDir(), owners...)
	for i := 5; i < len(owners); i++ {
		x.hear(alert(x.crew.part(i), "203.0.113.1", home, web, "http"))
	}
	x.settle()
	if got := x.score(t, "203.0.113.1"); got != 0 {
		t.Errorf("one owner listed an address: %d", got)
	}
}

// TestSensorsRestart: what was listed stays until its time, and no longer.
func TestSensorsRestart(t *testing.T) {
	dir := t.TempDir()
	owners := []string{"a", "b", "c", "d", "e", "f"}
	x := newStand(t, dir, owners...)
	for i := range owners {
		x.hear(alert(x.crew.part(i), "203.0.113.1", home, web, "http"))
	}
	x.settle()
	if x.score(t, "203.0.113.1") == 0 {
		t.Fatal("not listed")
	}
	y := newStand(t, dir, owners...)
	y.settle()
	if y.score(t, "203.0.113.1") == 0 {
		t.Error("not listed after the restart")
	}
	y.at = y.at.Add(25 * time.Hour)
	y.settle()
	if y.score(t, "203.0.113.1") != 0 || len(y.sensors.listed) != 0 {
		t.Error("still listed after its time")
	}
}

// TestSightingsOutliveRestart: what too few saw before a restart counts after
// it, together with what others see then; nothing is counted twice.
func TestSightingsOutliveRestart(t *testing.T) {
	dir := t.TempDir()
	owners := []string{"a", "b", "c", "d", "e", "f", "g"}
	x := newStand(t, dir, owners...)
	for i := range 3 {
		x.hear(alert(x.crew.part(i), "203.0.113.1", home, web, "http"))
	}
	x.settle()
	x.sensors.remember()
	y := newStand(t, dir, owners...)
	for range 20 {
		y.hear(alert(y.crew.part(0), "203.0.113.1", home, web, "http"))
	}
	y.settle()
	if y.score(t, "203.0.113.1") != 0 {
		t.Fatal("three owners are listed as five")
	}
	for i := 3; i < 6; i++ {
		y.hear(alert(y.crew.part(i), "203.0.113.1", home, web, "http"))
	}
	y.settle()
	if y.score(t, "203.0.113.1") == 0 {
		t.Error("six owners saw it, three of them before the restart, and it is not listed")
	}
}

// TestSightingsRefused: a file that is cut, changed, of another version or not
// ours is put aside with the reason, and the sensors work.
func TestSightingsRefused(t *testing.T) {
	dir := t.TempDir()
	owners := []string{"a", "b", "c", "d", "e", "f"}
	x := newStand(t, dir, owners...)
	for i := range owners {
		x.hear(alert(x.crew.part(i), "203.0.113.1", home, web, "http"))
	}
	x.settle()
	path := filepath.Join(dir, sightingsFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(good)
	changed[len(changed)-3] ^= 1
	for name, b := range map[string][]byte{"cut": good[:len(good)-9], "changed": changed, "empty": nil, "foreign": []byte("hello\n"),
		"version": bytes.Replace(good, []byte("sightings 1 "), []byte("sightings 7 "), 1), "other": bytes.Replace(good, []byte("sightings"), []byte("something"), 1)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		y := newStand(t, dir, owners...)
		if y.sensors.consensus.Stats().Objects != 0 {
			t.Errorf("%s: taken", name)
		}
		if _, err := os.Stat(path + ".refused"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		y.settle() // what was listed stays by its own list
		if y.score(t, "203.0.113.1") == 0 {
			t.Errorf("%s: what was listed is forgotten", name)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add(appendNames(nil, map[string]uint32{"part gate-1": 1, "owner a": 2}))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		names, rest, err := readNames(b)
		if err != nil {
			return
		}
		again, _, err := readNames(append(appendNames(nil, names), rest...))
		if err != nil || len(again) != len(names) {
			t.Fatal(err)
		}
	})
}

// TestSensorsNeverWait: more than can be weighed is dropped.
func TestSensorsNeverWait(t *testing.T) {
	x := newStand(t, t.TempDir(), "a")
	e := []*model.Event{alert("gate-0", "203.0.113.1", home, web, "http")}
	for range queued + 10 {
		x.Events(e)
	}
	if got := x.sensors.lost.Load(); got != 10 {
		t.Errorf("%d dropped, want 10", got)
	}
}

// TestNearIsWhatTheFleetSaw: of two things of one kind that which a gate saw is
// nearer, also before it is listed, and what is called goes before what calls.
func TestNearIsWhatTheFleetSaw(t *testing.T) {
	x := newStand(t, t.TempDir(), "a", "b", "c", "d", "e", "f")
	x.hear(alert(x.crew.part(0), "203.0.113.9", "192.168.1.7", "attempted-recon", "tls"))
	x.sensors.show()
	seen, other := address(netip.MustParseAddr("203.0.113.9")), address(netip.MustParseAddr("203.0.113.10"))
	near := func(o intel.Object, k intel.Kind) uint8 { return x.Near(o, intel.Brief{Kind: k}) }
	if a, b := near(seen, intel.KindScanner), near(other, intel.KindC2); a <= b {
		t.Errorf("seen %d, not seen %d", a, b)
	}
	if a, b, c := near(other, intel.KindC2), near(other, intel.KindSuspicious), near(other, intel.KindScanner); a <= b || b <= c {
		t.Errorf("called %d, unknown %d, calling %d", a, b, c)
	}
	if n := testing.AllocsPerRun(100, func() { near(seen, intel.KindC2) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
