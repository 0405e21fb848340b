package gate

import (
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/model"
)

const (
	// mostTold is how many different things of bad reputation are told of a
	// device in repeatTold, for each of the two ways; the others are counted.
	mostTold = 100
	// repeatTold is for how long what is told is not told again, but counted.
	repeatTold = time.Minute
	// mostTellings bounds the devices that are told apart in repeatTold.
	mostTellings = 16384
)

// ruleReputationMore is the rule of events that count what is not told one by
// one.
const ruleReputationMore = "reputation.more"

// tellings bounds what is told of each device, so that one that meets new
// things without end drowns neither what it met first nor other devices.
type tellings struct {
	began time.Time
	of    map[tellingKey]*telling
}

type tellingKey struct {
	device datapath.DeviceKey
	inward bool // what others sent it
}

type telling struct {
	told int
	more uint64
}

// may says whether one more thing is told of a device; otherwise it is counted
// as count more.
func (t *tellings) may(k tellingKey, count uint64) bool {
	x := t.of[k]
	if x == nil {
		if len(t.of) >= mostTellings {
			k = tellingKey{} // whoever makes up that many devices is told of as one
			x = t.of[k]
		}
		if x == nil {
			x = &telling{}
			if t.of == nil {
				t.of = make(map[tellingKey]*telling)
			}
			t.of[k] = x
		}
	}
	if x.told >= mostTold {
		x.more += count
		return false
	}
	x.told++
	return true
}

// turn begins anew after repeatTold, and calls yield with what was counted
// only.
func (t *tellings) turn(now time.Time, yield func(k tellingKey, more uint64)) {
	if now.Sub(t.began) < repeatTold {
		return
	}
	t.began = now
	for k, x := range t.of {
		if x.more > 0 {
			yield(k, x.more)
		}
	}
	clear(t.of)
}

// moreEvent tells that there was more than is told one by one. It names no
// object.
func moreEvent(k tellingKey, more uint64, now time.Time) *model.Event {
	what := "met"
	if k.inward {
		what = "was sent or asked for"
	}
	return &model.Event{
		ID: model.NewID(now), Time: now, Last: now, Device: deviceName(k.device), Layer: model.LayerNetwork, Kind: model.KindListedSeen,
		Severity: model.SeverityLow, Subject: "more of bad reputation", Rule: ruleReputationMore, Count: uint32(min(more, 1<<32-1)),
		Explanation: fmt.Sprintf("The device %s more things of bad reputation than the %d that are told one by one in %v. They were dealt with as the others.", what, mostTold, repeatTold),
		Advice:      "Look at what was told of the device in the same minute.",
	}
}

// maxHeldHits bounds the things that are kept to be told once in repeatTold.
const maxHeldHits = 16384

// heldHits joins what the inspection met, so that it is told at once and then
// every repeatTold.
type heldHits struct {
	list map[inline.HitKey]*heldHit
	lost uint64 // that found the list full
}

type heldHit struct {
	hit  *inline.Hit // its count is what is not told yet
	told time.Time
}

func (h *heldHits) add(x *inline.Hit) {
	held := h.list[x.HitKey]
	switch {
	case held == nil && len(h.list) >= maxHeldHits:
		h.lost += uint64(x.Count)
	case held == nil:
		if h.list == nil {
			h.list = make(map[inline.HitKey]*heldHit)
		}
		h.list[x.HitKey] = &heldHit{hit: x}
	case held.hit.Count == 0:
		held.hit = x
	default:
		held.hit.Join(x)
	}
}

// due calls yield with what is to be told now, and forgets what is quiet or may
// not be told.
func (h *heldHits) due(now time.Time, may *tellings, yield func(*inline.Hit)) {
	for k, x := range h.list {
		switch {
		case now.Sub(x.told) < repeatTold:
		case x.hit.Count == 0:
			delete(h.list, k)
		case !may.may(tellingKey{k.Device, k.Inward}, uint64(x.hit.Count)):
			delete(h.list, k)
		default:
			told := *x.hit
			yield(&told)
			x.told, x.hit.Count = now, 0
		}
	}
}

// all calls yield with what is not told yet, when the gate stops.
func (h *heldHits) all(yield func(*inline.Hit)) {
	for _, x := range h.list {
		if x.hit.Count > 0 {
			yield(x.hit)
		}
	}
	h.list = nil
}
