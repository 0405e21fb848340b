package flood

import (
	"net/netip"
	"time"
)

const (
	warmTicks   = 600   // a minute of scans until a device is known
	forgetTicks = 36000 // an hour without a counter until it is forgotten
	slow        = 1.0 / 600
)

// device is what is known of one device. No pointers: there may be many.
type device struct {
	id      Device
	limits  limits
	prev    [NumClasses]uint64
	sum     [3][numKinds]float32  // suspicious packets by kind, this scan's at tick%3
	spoof   [3]float32            // forged packets, likewise
	pulse   [numKinds + 1]float32 // scans of late with a flood's packets in them, by kind; the last: forged
	sources [8][16]byte           // forged sources seen lately
	nsrc    uint32
	mean    [numKinds]float32 // ordinary suspicious packets a tick …
	dev     [numKinds]float32 // … and their mean deviation
	rate    [NumClasses]float32
	cur     [NumClasses]float32
	ticks   uint32 // scans in which it was counted
	seen    uint32
	first   int64
	head    int32 // first active flow, while judging
	hot     bool
	udp     bool // sends UDP that is to be judged, while judging
	busy    bool // floods now: nothing is learned
	primed  bool
}

type deviceTable struct {
	index map[Device]uint32
	slots []device
	free  []uint32
	max   int
	at    uint32 // this scan modulo 3
	last  uint32 // the device asked for last
	hand  uint32 // where evict looked last
	tick  uint32
}

func (t *deviceTable) init(n int) {
	t.index = make(map[Device]uint32)
	t.max = n
}

func (t *deviceTable) begin() {
	t.tick++
	t.at = t.tick % 3
	for i := range t.slots {
		s := &t.slots[i]
		s.sum[t.at] = [numKinds]float32{}
		s.spoof[t.at] = 0
		s.hot, s.udp = false, false
	}
}

const (
	// admit is how many packets a device must have sent to take the place of a
	// quiet one in a full table: a sender that makes up addresses must neither
	// keep others out nor cost much.
	admit = 32
	// maxProbes bounds the search for a quiet one.
	maxProbes = 64
)

// evict frees the place of a quiet device. Flows that are left of it are
// swept like those whose counter is gone.
func (t *deviceTable) evict() (uint32, bool) {
	for range min(maxProbes, len(t.slots)) {
		t.hand = (t.hand + 1) % uint32(len(t.slots))
		if s := &t.slots[t.hand]; s.quiet() {
			delete(t.index, s.id)
			return t.hand, true
		}
	}
	return 0, false
}

// quiet says whether the device sent nothing in the last scan and is not
// judged.
func (s *device) quiet() bool {
	return !s.busy && s.primed && s.sum == [3][numKinds]float32{} && s.cur == [NumClasses]float32{}
}

// slot gives the device's number, making one when there is room or packets,
// of its counter, are many.
func (t *deviceTable) slot(d Device, l *limitTable, first int64, packets uint64) (uint32, bool) {
	if t.last < uint32(len(t.slots)) && t.slots[t.last].id == d && t.slots[t.last].seen != 0 {
		return t.last, true
	}
	if i, ok := t.index[d]; ok {
		t.last = i
		return i, true
	}
	i := uint32(len(t.slots))
	if len(t.index) >= t.max {
		if packets < admit {
			return 0, false
		}
		var ok bool
		if i, ok = t.evict(); !ok {
			return 0, false
		}
	} else if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.slots = append(t.slots, device{})
	}
	t.slots[i] = device{id: d, limits: l.of(d), first: first, seen: t.tick}
	t.index[d] = i
	return i, true
}

// Device takes one device counter of a scan.
func (d *Detector) Device(c *Counts) {
	packets := uint64(0)
	for _, n := range c.Packets {
		packets += n
	}
	i, ok := d.devices.slot(c.Device, &d.limits, c.First.UnixNano(), packets)
	if !ok {
		return
	}
	s := &d.devices.slots[i]
	s.seen = d.tick
	s.ticks++
	fresh := !s.primed && d.now.Sub(c.First) > 5*Tick // counted before we looked
	for k := range c.Packets {
		n := c.Packets[k]
		delta := n - s.prev[k]
		if n < s.prev[k] {
			delta = n
		}
		s.prev[k] = n
		if fresh {
			delta = 0
		}
		s.cur[k] = float32(float64(delta) * d.scale)
	}
	s.primed = true
	s.spoof[d.devices.at] = s.cur[ClassSpoofed]
	if s.cur[ClassSpoofed] > 0 {
		s.noteSource(c.LastSpoofed)
	}
}

// noteSource remembers forged sources; each scan shows one of them.
func (s *device) noteSource(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	b := a.As16()
	for i := range min(s.nsrc, uint32(len(s.sources))) {
		if s.sources[i] == b {
			return
		}
	}
	s.sources[s.nsrc%uint32(len(s.sources))] = b
	s.nsrc++
}

// last2 gives this scan's and the last scan's value.
func last2(ring *[3]float32, at uint32) (now, before float32) { return ring[at], ring[(at+2)%3] }

const (
	pulseDecay = 0.95
	// pulsing is how many scans of late must have held a flood's packets for
	// their sender to be one that pulses: one scan in nine, or two close ones
	// and a third. Key frames come more seldom.
	pulsing = 2.5
)

// notePulses remembers in which scans a device sent what would be a flood if
// it went on, so that pausing every other scan does not hide one.
func (s *device) notePulses(at uint32) {
	for k := range s.pulse {
		n, floor := s.spoof[at], s.limits.spoofed.floor
		if k < numKinds {
			n, floor = s.sum[at][k], s.limits.kinds[k].floor
		}
		s.pulse[k] *= pulseDecay
		if n >= floor*perTwo {
			s.pulse[k]++
		}
	}
}

// judgeHot marks the devices that need a closer look.
func (t *deviceTable) judgeHot(floods bool) (any bool) {
	factor := float32(1)
	if floods {
		factor = joinFactor
	}
	before := (t.at + 2) % 3
	for i := range t.slots {
		s := &t.slots[i]
		if s.seen+3 < t.tick {
			continue
		}
		s.notePulses(t.at)
		for k := range s.sum[t.at] {
			need := s.limits.kinds[k].floor * factor / float32(ticksPerSecond)
			if s.sum[t.at][k]+s.sum[before][k] >= need {
				s.hot = true
			}
		}
		now, past := last2(&s.spoof, t.at)
		if now+past >= s.limits.spoofed.floor/float32(ticksPerSecond) {
			s.hot = true
		}
		any = any || s.hot
	}
	return any
}

// learn updates the baselines of devices that do not flood, and forgets
// devices that are gone.
func (t *deviceTable) learn(tick uint32) {
	for i := range t.slots {
		s := &t.slots[i]
		if s.id == (Device{}) && !s.primed && s.seen == 0 {
			continue
		}
		if s.seen+forgetTicks < tick {
			delete(t.index, s.id)
			*s = device{}
			t.free = append(t.free, uint32(i))
			continue
		}
		if s.busy || s.seen != tick {
			continue
		}
		a := float32(slow)
		if s.ticks < warmTicks {
			a = 1 / float32(s.ticks+10)
		}
		for k := range s.sum[t.at] {
			diff := s.sum[t.at][k] - s.mean[k]
			s.mean[k] += a * diff
			s.dev[k] += a * (abs(diff) - s.dev[k])
		}
		for c := range s.cur {
			s.rate[c] += a * (s.cur[c] - s.rate[c])
		}
	}
}

func abs(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}

// ordinary is the number of suspicious packets a tick that would still be
// ordinary for the device.
func (s *device) ordinary(k kind) float32 {
	if s.ticks < warmTicks {
		return 0
	}
	return s.mean[k] + 4*s.dev[k]
}

func (s *device) age(now time.Time) time.Duration { return time.Duration(now.UnixNano() - s.first) }
