package flood

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/model"
)

type portKey struct {
	port  uint16
	proto uint8
}

const (
	flagFIN  = 0x01
	flagRST  = 0x04
	flagACK  = 0x10
	allFlags = 0x3f
	// jitter is how far packet lengths of a flood may lie apart and still say
	// something of it.
	jitter = 32
)

// share is what one flow sends of a flood in the last scans, at most two.
func (d *Detector) share(f *live, fl *flow, scans uint32) float32 {
	if fl.at+1 < d.tick {
		return 0
	}
	if f.target.IsValid() && !f.target.Contains(fl.key.addr()) {
		return 0
	}
	if !f.spoofed && fl.kind() != f.kind && !(fl.key.proto == 6 && (f.kind == kindSYN || f.kind == kindHTTP)) {
		return 0
	}
	sum := float32(0)
	for back := range scans {
		w := fl.window(d.tick - back)
		if w == nil {
			continue
		}
		switch {
		case f.spoofed:
			sum += w.packets
		case f.kind == kindSYN || f.kind == kindDNS:
			sum += w.syn
		case f.kind == kindHTTP:
			sum += w.http
		default:
			sum += w.bad
		}
	}
	return sum
}

// learnShape describes a new flood by what its flows have in common, and
// looks for ordinary traffic that the shape would hit.
func (d *Detector) learnShape(f *live) {
	s := &d.scratch
	clear(s.ports)
	var l learned
	l.reset()
	first := f.onset(d.now).UnixNano()
	fresh := d.now.UnixNano()
	recent := d.now.Add(-5 * time.Second).UnixNano()
	for i := d.devices.slots[f.dev].head; i >= 0; i = d.flows.slots[i].next {
		fl := &d.flows.slots[i]
		w := d.share(f, fl, 2)
		if w <= 0 {
			continue
		}
		s.ports[portKey{fl.key.port, fl.key.proto}] += w
		l.take(fl, w, recent)
		if fl.first > recent {
			fresh = min(fresh, fl.first)
		}
	}
	if l.fresh == l.total && l.total > 0 {
		first = fresh
	}
	f.first = time.Unix(0, first)
	f.shape = model.Shape{Dst: f.target, Spoofed: f.spoofed}
	l.write(&f.shape, s.ports)
	f.narrow(&l)
	d.neighbours(f, recent)
	for i := d.devices.slots[f.dev].head; i >= 0; i = d.flows.slots[i].next {
		if fl := &d.flows.slots[i]; d.share(f, fl, 2) > 0 {
			fl.hostile, fl.norm = true, 0
		}
	}
}

// onset estimates when a flood began from how much of its first scan it
// filled, for flows whose counters are older than the flood.
func (f *live) onset(now time.Time) time.Time {
	old, next := f.seenNow.at[1], f.seenNow.at[0]
	end := now.Add(-Tick)
	if f.seenNow.at[2] > 0 {
		old, next = f.seenNow.at[2], f.seenNow.at[1]
		end = end.Add(-Tick)
	}
	return end.Add(-time.Duration(float64(min(1, old/max(1, next))) * float64(Tick)))
}

// learned is what the flows of a flood have in common.
type learned struct {
	total, fresh   float32
	lenMin, lenMax uint16
	or, and        uint8
}

func (l *learned) reset() { *l = learned{lenMin: 0xffff, and: 0xff} }

func (l *learned) take(f *flow, w float32, recent int64) {
	l.total += w
	if f.first > recent {
		l.fresh += w
		l.lenMin, l.lenMax = min(l.lenMin, f.lenMin), max(l.lenMax, f.lenMax)
		l.or, l.and = l.or|f.flagsOr, l.and&f.flagsAnd
	}
}

// write sets protocol, port and length as far as nearly all packets agree.
func (l *learned) write(s *model.Shape, ports map[portKey]float32) {
	protos := [256]float32{}
	for k, w := range ports {
		protos[k.proto] += w
		if w >= 0.9*l.total {
			s.Proto, s.DstPort = k.proto, k.port
		}
	}
	for p, w := range protos {
		if w >= 0.9*l.total {
			s.Proto = uint8(p)
		}
	}
	if l.fresh < 0.95*l.total || l.lenMax < l.lenMin {
		return
	}
	switch width := l.lenMax - l.lenMin; {
	case width == 0:
		s.LenMin, s.LenMax = l.lenMin, l.lenMax
	case width <= jitter:
		s.LenMin, s.LenMax = l.lenMin-min(l.lenMin, jitter/2), l.lenMax+jitter/2
	}
}

// narrow adds the TCP flags that the kind of flood implies.
func (f *live) narrow(l *learned) {
	s := &f.shape
	switch {
	case s.Proto != 6:
	case f.spoofed:
		if l.fresh == l.total && l.or&flagSYN != 0 && l.and&flagSYN != 0 && l.or&flagACK == 0 {
			s.TCPFlags, s.TCPMask = flagSYN, flagSYN|flagACK
		}
	case f.kind == kindSYN:
		s.TCPFlags, s.TCPMask = flagSYN, flagSYN|flagACK
	case f.kind == kindACK && l.fresh == l.total: // the flags that never changed
		s.TCPMask = allFlags &^ (l.or ^ l.and)
		s.TCPFlags = l.and & s.TCPMask
	case f.kind == kindACK:
		s.TCPFlags, s.TCPMask = flagACK, flagSYN|flagACK|flagRST|flagFIN
	case f.kind == kindHTTP:
		s.LenMin, s.LenMax = 0, 0 // requests, and the connections under them
	}
}

// covers says whether the shape holds all that the flow sent. What an old
// flow sent before the flood says nothing of its lengths and flags.
func covers(s *model.Shape, f *flow, old bool) bool {
	if s.Proto != 0 && s.Proto != f.key.proto || s.DstPort != 0 && s.DstPort != f.key.port {
		return false
	}
	return old || (s.LenMin == 0 || f.lenMin >= s.LenMin) && (s.LenMax == 0 || f.lenMax <= s.LenMax) &&
		(s.TCPMask == 0 || s.TCPMask&(f.flagsOr^f.flagsAnd) == 0 && f.flagsAnd&s.TCPMask == s.TCPFlags)
}

// touches says whether the shape could hit packets of the flow.
func touches(s *model.Shape, f *flow, a netip.Addr) bool {
	return (s.Proto == 0 || s.Proto == f.key.proto) &&
		(s.DstPort == 0 || s.DstPort == f.key.port) &&
		(!s.Dst.IsValid() || s.Dst.Contains(a)) &&
		(s.LenMax == 0 || f.lenMin <= s.LenMax) && f.lenMax >= s.LenMin
}

// ordinaryAfter is how long a flow with answers must have been there before a
// flood to be ordinary use of its target.
const ordinaryAfter = 3 * time.Second

// maxLook bounds the looks over the whole table in one scan.
const maxLook = 32

// neighbours looks for ordinary traffic in the shape: of the same device, so
// that it is limited instead of stopped, and of others.
func (d *Detector) neighbours(f *live, recent int64) {
	f.others = 0
	if d.scratch.opened++; d.scratch.opened > maxLook {
		return // many at once: the control plane sees them all anyway
	}
	rate := float32(0)
	last := uint32(0xffffffff)
	for i := range d.flows.slots {
		fl := &d.flows.slots[i]
		if !fl.used || fl.hostile || fl.prev[5] == 0 || fl.alive == 0 || d.now.UnixNano()-fl.first < int64(ordinaryAfter) {
			continue
		}
		if !touches(&f.shape, fl, fl.key.addr()) {
			continue
		}
		switch {
		case fl.key.dev == f.dev:
			if fl.first < recent {
				rate += max(fl.rate, 0.2)
			}
		case fl.key.dev != last && !d.devices.slots[fl.key.dev].busy:
			f.others++
			last = fl.key.dev
		}
	}
	if rate > 0 && !f.spoofed {
		f.limit = max(20, uint32(rate*3*float32(ticksPerSecond)))
	}
}

// widenFloods lets the shapes of lasting floods grow over flows of theirs
// that they do not cover, and joins the shapes of floods alike.
func (d *Detector) widenFloods() {
	for i := range d.floods {
		f := &d.floods[i]
		if f.fresh || f.seenNow.at[0] == 0 {
			continue
		}
		d.widen(f)
	}
}

func (d *Detector) widen(f *live) {
	missed, claimed := float32(0), float32(0)
	shape := f.shape
	for i := d.devices.slots[f.dev].head; i >= 0; i = d.flows.slots[i].next {
		fl := &d.flows.slots[i]
		w := d.share(f, fl, 2)
		if w <= 0 {
			continue
		}
		if !fl.hostile {
			fl.hostile, fl.norm = d.now.UnixNano()-fl.first < int64(5*time.Second), 0
		}
		old := fl.first < f.first.UnixNano() || f.kind == kindSYN && !f.spoofed
		if covers(&f.shape, fl, old) {
			claimed += d.share(f, fl, 1)
			continue
		}
		missed += w
		grow(&shape, fl, old)
	}
	if f.escapes(claimed, d.floor(f)) {
		shape.LenMin, shape.LenMax = 0, 0
		if f.kind != kindSYN || f.spoofed {
			shape.TCPFlags, shape.TCPMask = 0, 0
		}
		missed = f.seenNow.last2()
	}
	if missed >= d.floor(f)*perTwo/10 && shape != f.shape {
		f.shape, f.widened = shape, true
		d.neighbours(f, f.first.UnixNano())
	}
}

// escapes says whether a block that did meet the flood meets less than its
// shape claims to cover, in two scans in a row: then the packets changed in a
// way that the counters of a flow do not show, such as the length in one whose
// lengths were mixed before.
func (f *live) escapes(claimed, floor float32) bool {
	if f.hits == 0 || claimed < floor/float32(ticksPerSecond)/10 || f.met >= 0.8*claimed {
		f.missed = 0
		return false
	}
	f.missed++
	return f.missed >= 2
}

// grow makes a shape cover a flow.
func grow(s *model.Shape, f *flow, old bool) {
	if s.Proto != f.key.proto {
		s.Proto, s.TCPMask, s.TCPFlags = 0, 0, 0
	}
	if s.DstPort != f.key.port {
		s.DstPort = 0
	}
	if old {
		return
	}
	if s.LenMin != 0 && f.lenMin < s.LenMin || s.LenMax != 0 && f.lenMax > s.LenMax {
		lo, hi := min(s.LenMin, f.lenMin), max(s.LenMax, f.lenMax)
		s.LenMin, s.LenMax = lo, hi
		if hi-lo > 2*jitter {
			s.LenMin, s.LenMax = 0, 0
		}
	}
	if s.TCPMask != 0 {
		s.TCPMask &^= f.flagsOr ^ f.flagsAnd
		s.TCPMask &^= f.flagsAnd ^ s.TCPFlags
		s.TCPFlags &= s.TCPMask
	}
}
