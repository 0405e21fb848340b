package flood

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// live is a flood that goes on.
type live struct {
	id       uint32
	dev      uint32
	next     int32 // next flood of the same device
	kind     kind
	spoofed  bool
	target   netip.Prefix // zero: anywhere
	shape    model.Shape
	limit    uint32
	others   int
	first    time.Time
	detected time.Time
	last     time.Time
	told     time.Time
	packets  float64
	hits     uint64
	met      float32 // of hits, those of this scan
	missed   uint8   // scans in a row in which the block met too little of it
	seenNow  values  // this scan
	bytesNow float32
	pps, bps float32
	fresh    bool // not told yet
	widened  bool
}

// floodAt gives the device's live flood of a kind that covers an address.
func (d *Detector) floodAt(dev uint32, k kind, a netip.Addr) *live {
	h, ok := d.scratch.heads[dev]
	for ok && h >= 0 {
		f := &d.floods[h]
		if !f.spoofed && f.kind == k && (!f.target.IsValid() || f.target.Contains(a)) {
			return f
		}
		h = f.next
	}
	return nil
}

// spoofedFlood gives the device's live flood of forged packets that covers an
// address.
func (d *Detector) spoofedFlood(dev uint32, a netip.Addr) *live {
	h, ok := d.scratch.heads[dev]
	for ok && h >= 0 {
		if f := &d.floods[h]; f.spoofed && (!f.target.IsValid() || f.target.Contains(a)) {
			return f
		}
		h = d.floods[h].next
	}
	return nil
}

func (d *Detector) spoofedFloods(dev uint32) (n int) {
	h, ok := d.scratch.heads[dev]
	for ok && h >= 0 {
		if d.floods[h].spoofed {
			n++
		}
		h = d.floods[h].next
	}
	return n
}

// maxFloods bounds the floods followed at once.
const maxFloods = 8192

func (d *Detector) start(t *target, k kind) {
	if len(d.floods) >= maxFloods {
		return
	}
	f := live{kind: k, dev: t.dev, target: t.dst, seenNow: t.kinds[k], bytesNow: t.bytes}
	d.open(&f)
}

func (d *Detector) startSpoofed(t *target, now, before float32) {
	if len(d.floods) >= maxFloods {
		return
	}
	f := live{spoofed: true, dev: t.dev, target: t.dst, bytesNow: t.bytes}
	f.seenNow.at[0], f.seenNow.at[1] = now, before
	d.open(&f)
}

func (d *Detector) open(f *live) {
	d.nextID++
	f.id, f.next = d.nextID, -1
	f.fresh = true
	f.detected, f.last = d.now, d.now
	f.packets = float64(f.seenNow.at[1] + f.seenNow.at[2]) // this scan's are added by turnFloods
	d.learnShape(f)
	d.devices.slots[f.dev].busy = true
	d.markHostile(f.target)
	d.floods = append(d.floods, *f)
}

// vector names the flood.
func (f *live) vector() model.Vector {
	if f.spoofed {
		return model.VectorSpoofed
	}
	return vectors[f.kind]
}

// turnFloods moves every flood on by this scan and gives the verdicts.
func (d *Detector) turnFloods() {
	keep := d.floods[:0]
	for i := range d.floods {
		f := d.floods[i]
		d.turn(&f)
		if d.now.Sub(f.last) >= d.cfg.EndAfter {
			d.tell(&f, Ended)
			d.devices.slots[f.dev].busy = false
			continue
		}
		switch {
		case f.fresh:
			d.tell(&f, Started)
		case f.widened:
			d.tell(&f, Widened)
		case d.now.Sub(f.told) >= d.cfg.Repeat && d.now.Sub(f.last) < d.cfg.Repeat/2:
			d.tell(&f, Going)
		}
		f.fresh, f.widened = false, false
		keep = append(keep, f)
	}
	d.floods = keep
	for i := range keep { // another flood of a device may have ended
		d.devices.slots[keep[i].dev].busy = true
	}
}

// turn adds this scan's packets to a flood.
func (d *Detector) turn(f *live) {
	now := f.seenNow.at[0]
	f.packets += float64(now)
	if now >= d.floor(f)/float32(ticksPerSecond)/10 {
		f.last = d.now
		d.markHostile(f.target)
		f.pps = f.seenNow.last2() / perTwo
		f.bps = f.bytesNow * 8 / perTwo
	}
	f.seenNow, f.bytesNow, f.met = values{}, 0, 0
}

func (d *Detector) floor(f *live) float32 {
	l := &d.devices.slots[f.dev].limits
	if f.spoofed {
		return l.spoofed.floor
	}
	return l.kinds[f.kind].floor
}

func (d *Detector) tell(f *live, p Phase) {
	f.told = d.now
	s := &d.devices.slots[f.dev]
	class := ClassSpoofed
	if !f.spoofed {
		class = classOf[f.kind]
	}
	v := Verdict{
		ID: f.id, Phase: p, Device: s.id, Vector: f.vector(), Shape: f.shape, LimitPPS: f.limit,
		Devices: d.devicesAt(f), Others: f.others,
		PPS: float64(f.pps), BPS: float64(f.bps), BaselinePPS: float64(s.rate[class]) * ticksPerSecond,
		Packets: max(uint64(f.packets), f.hits), Sources: 1,
		First: f.first, Detected: f.detected, Last: f.last,
	}
	if f.spoofed {
		v.Sources = max(1, s.nsrc)
	}
	d.verdicts = append(d.verdicts, v)
}

// devicesAt counts the devices that flood the same target in the same way.
func (d *Detector) devicesAt(f *live) int {
	n := 0
	for i := range d.floods {
		o := &d.floods[i]
		if o.id == f.id || o.vector() == f.vector() && o.dev != f.dev && o.shape.SameTraffic(f.shape) {
			n++
		}
	}
	return max(n, 1)
}
