package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/model"
)

func hitOf(device byte, value string, n uint32, at time.Time) *inline.Hit {
	return &inline.Hit{HitKey: inline.HitKey{Device: datapath.DeviceKey{MAC: [6]byte{2, 5: device}}, Kind: engine.SubjectName, Value: value, Blocked: true}, Count: n, First: at, Last: at}
}

// TestHitsAreJoined: what is met again and again is told at once and then once
// a minute, with all its repeats.
func TestHitsAreJoined(t *testing.T) {
	var h heldHits
	now := time.Now()
	told := func(after time.Duration) (n uint32) {
		h.due(now.Add(after), &tellings{}, func(x *inline.Hit) { n += x.Count })
		return n
	}
	for i, c := range []struct {
		after time.Duration
		met   uint32
		want  uint32
	}{{0, 3, 3}, {time.Second, 4, 0}, {2 * time.Second, 5, 0}, {repeatTold, 1, 10}, {2*repeatTold - 1, 7, 0}, {2 * repeatTold, 0, 7}, {2*repeatTold + 1, 1, 0}, {3 * repeatTold, 0, 1}} {
		if c.met > 0 {
			h.add(hitOf(1, "evil.example", c.met, now))
		}
		if n := told(c.after); n != c.want {
			t.Errorf("%d: told %d, want %d", i, n, c.want)
		}
	}
	if told(4 * repeatTold); len(h.list) != 0 {
		t.Error("a quiet one is kept")
	}
	h.add(hitOf(1, "evil.example", 2, now))
	rest := uint32(0)
	if h.all(func(x *inline.Hit) { rest += x.Count }); rest != 2 {
		t.Errorf("at the end: %d", rest)
	}
}

// TestFloodOfHitsIsBounded: a device that meets new things without end is told
// of by some and a count, and does not keep another from being told of.
func TestFloodOfHitsIsBounded(t *testing.T) {
	var h heldHits
	var may tellings
	now := time.Now()
	may.turn(now, func(tellingKey, uint64) { t.Error("told at the start") })
	told := map[datapath.DeviceKey]int{}
	for s := range 30 {
		for i := range 1000 {
			h.add(hitOf(1, fmt.Sprintf("%d-%d.evil.example", s, i), 1, now))
		}
		if s == 29 {
			h.add(hitOf(2, "other.example", 1, now))
		}
		h.due(now.Add(time.Duration(s)*time.Second), &may, func(x *inline.Hit) { told[x.Device]++ })
	}
	one, two := hitOf(1, "", 0, now).Device, hitOf(2, "", 0, now).Device
	if told[one] != mostTold || told[two] != 1 || len(h.list) > mostTold+1 || h.lost != 0 {
		t.Errorf("told %v, %d kept, %d lost", told, len(h.list), h.lost)
	}
	n := 0
	may.turn(now.Add(repeatTold), func(k tellingKey, more uint64) {
		n++
		e := moreEvent(k, more, now)
		if e.Count != 30_000-mostTold || e.Device != deviceName(one) || e.Kind != model.KindListedSeen || len(e.Observables) > 0 {
			t.Errorf("%+v", e)
		}
	})
	if n != 1 || !may.may(tellingKey{device: one}, 1) {
		t.Errorf("%d counts; or nothing is told in the next minute", n)
	}
	for i := range mostTellings + 9 {
		may.may(tellingKey{device: datapath.DeviceKey{VLAN: uint16(i), MAC: [6]byte{byte(i >> 12)}}}, 1)
	}
	if len(may.of) > mostTellings+1 {
		t.Errorf("%d devices", len(may.of))
	}
}

// TestInwardRefusalsLeaveRoom: whoever sends from many listed addresses does not
// hide what devices send to some.
func TestInwardRefusalsLeaveRoom(t *testing.T) {
	var r refusals
	now := time.Now()
	for i := range 2 * maxRefusals {
		r.add(&datapath.Refusal{Outside: netip.AddrFrom4([4]byte{1, 2, byte(i >> 8), byte(i)}), Inward: true, Packets: 1, Last: now})
	}
	r.add(&datapath.Refusal{Outside: netip.MustParseAddr("203.0.113.9"), Packets: 1, Last: now})
	var may tellings
	told := map[bool]int{}
	r.due(now, &may, func(k refusalKey, _ *refused) { told[k.inward]++ })
	if told[false] != 1 || told[true] != mostTold || r.inward != mostTold || len(r.list) != mostTold+1 {
		t.Errorf("told %v, %d kept", told, len(r.list))
	}
}
