package flood

import (
	"net/netip"
	"time"
)

// values are what a target got of one kind in the last three scans, the
// latest first, and how much of it was completed or answered.
type values struct {
	at   [3]float32
	done float32
}

func (v *values) last2() float32 { return v.at[0] + v.at[1] }

func (v *values) add(o *values) {
	for i := range v.at {
		v.at[i] += o.at[i]
	}
	v.done += o.done
}

// target is what one device sends to one address, or to one prefix.
type target struct {
	dev            uint32
	dst            netip.Prefix
	kinds          [numKinds]values
	credit         float32 // answers not used up by their own flow
	packets, bytes float32 // last two scans, all kinds
	udp, udpBytes  float32
	lenMin, lenMax uint16 // of UDP
	ports          int    // of UDP
	first          int64
	alive          uint32 // scan of the last sign of life over any protocol
	answers        bool   // the flooded ports themselves answered lately
	known          bool   // a resolver in use for long
	taken          [numKinds]bool
	trips          [numKinds]bool
}

// targetKey is a flow's device and destination without pointers.
type targetKey struct {
	dst [16]byte
	dev uint32
}

// scratch is reused memory of judging.
type scratch struct {
	index   map[targetKey]int32
	targets []target
	groups  groups
	heads   map[uint32]int32
	ports   map[portKey]float32
	opened  int // floods that began in this scan
}

func (s *scratch) init() {
	s.index = make(map[targetKey]int32)
	s.groups.index = make(map[groupKey]int32)
	s.heads = make(map[uint32]int32)
	s.ports = make(map[portKey]float32)
}

// judge looks closely at the devices that send more than nothing suspicious
// and at those that flood already.
func (d *Detector) judge() {
	d.linkFloods()
	d.collect()
	d.lookForLife()
	for i := range d.scratch.targets {
		d.weigh(&d.scratch.targets[i])
	}
	d.judgeSpoofed()
	d.judgeGroups()
	for i := range d.scratch.targets {
		t := &d.scratch.targets[i]
		for k := range kind(numKinds) {
			if t.trips[k] && !t.taken[k] {
				d.start(t, k)
			}
		}
	}
	d.widenFloods()
}

// linkFloods chains the floods of each device and marks devices that flood.
func (d *Detector) linkFloods() {
	clear(d.scratch.heads)
	for i := range d.devices.slots {
		d.devices.slots[i].busy, d.devices.slots[i].head = false, -1
	}
	d.scratch.opened = 0
	for i := range d.floods {
		f := &d.floods[i]
		f.next = -1
		if h, ok := d.scratch.heads[f.dev]; ok {
			f.next = h
		}
		d.scratch.heads[f.dev] = int32(i)
		d.devices.slots[f.dev].busy = true
		f.seenNow, f.bytesNow = values{}, 0
	}
}

// collect sums the suspicious flows of the devices to look at by destination.
func (d *Detector) collect() {
	s := &d.scratch
	clear(s.index)
	s.targets = s.targets[:0]
	for i := range d.flows.slots {
		f := &d.flows.slots[i]
		if !f.used || f.at+2 < d.tick {
			continue
		}
		dev := &d.devices.slots[f.key.dev]
		if !dev.hot && !dev.busy {
			continue
		}
		f.next, dev.head = dev.head, int32(i)
		if !f.suspicious(d.tick) {
			continue
		}
		key := targetKey{f.key.dst, f.key.dev}
		n, ok := s.index[key]
		if !ok {
			n = int32(len(s.targets))
			s.index[key] = n
			a := f.key.addr()
			s.targets = append(s.targets, target{dev: key.dev, dst: netip.PrefixFrom(a, a.BitLen()), first: f.first, lenMin: 0xffff})
		}
		s.targets[n].take(f, d)
	}
}

// suspicious says whether anything of the flow's window is to be judged.
func (f *flow) suspicious(tick uint32) bool {
	for back := range uint32(3) {
		if w := f.window(tick - back); w != nil && (w.bad > 0 || w.syn > 0 || w.http > 0) {
			return true
		}
	}
	return false
}

// lookForLife lets the harmless flows to a UDP target speak for it: data over
// TCP, answers on other ports.
func (d *Detector) lookForLife() {
	s := &d.scratch
	for i := range s.targets {
		t := &s.targets[i]
		if t.kinds[kindUDP].last2() == 0 || d.floodAt(t.dev, kindUDP, t.dst.Addr()) != nil {
			continue
		}
		d.devices.slots[t.dev].udp = true
	}
	for i := range d.flows.slots {
		f := &d.flows.slots[i]
		if !f.used || f.alive == 0 || !d.devices.slots[f.key.dev].udp {
			continue
		}
		if n, ok := s.index[targetKey{f.key.dst, f.key.dev}]; ok {
			s.targets[n].live(f, d.tick)
		}
	}
}

// live notes that the destination takes part: it answered over UDP, or sent
// data over TCP.
func (t *target) live(f *flow, tick uint32) {
	if f.alive == 0 {
		return
	}
	if f.alive+aliveTicks > tick || f.key.proto == 6 && f.alive+4*aliveTicks > tick {
		t.alive = max(t.alive, f.alive)
	}
}

// window gives what the flow did in a scan, nil when that is forgotten.
func (f *flow) window(tick uint32) *window {
	if tick > f.at || tick+2 < f.at {
		return nil
	}
	return &f.ring[tick%3]
}

func (t *target) take(f *flow, d *Detector) {
	k := f.kind()
	for back := range uint32(3) {
		w := f.window(d.tick - back)
		if w == nil {
			continue
		}
		if back < 2 {
			t.packets += w.packets
			t.bytes += w.bytes
			if k == kindUDP {
				t.udp += w.packets
				t.udpBytes += w.bytes
			}
		}
		t.takeWindow(k, w, back)
	}
	t.first = min(t.first, f.first)
	t.live(f, d.tick)
	switch k {
	case kindUDP:
		t.answers = t.answers || f.alive != 0 && f.alive+aliveTicks > d.tick
		t.credit += f.credit
		t.lenMin, t.lenMax = min(t.lenMin, f.lenMin), max(t.lenMax, f.lenMax)
		t.ports++
	case kindDNS:
		if !f.hostile && d.now.UnixNano()-f.first > int64(knownAfter) {
			t.known = true
		}
	}
}

// aliveTicks is how long an answer over UDP shows that a destination takes
// part; data over TCP counts four times as long.
const aliveTicks = 150

// knownAfter is how long a resolver is in use until it is a known one.
const knownAfter = 30 * time.Second

func (t *target) takeWindow(k kind, w *window, back uint32) {
	switch k {
	case kindACK:
		t.kinds[kindACK].at[back] += w.bad
		t.kinds[kindHTTP].at[back] += w.http
		t.kinds[kindSYN].at[back] += w.syn
		t.kinds[kindSYN].done += w.done
	case kindDNS:
		t.kinds[kindDNS].at[back] += w.syn
		t.kinds[kindDNS].done += w.done
	default:
		t.kinds[k].at[back] += w.bad
	}
}

// weigh decides for each kind whether a single destination is flooded, adds
// what belongs to a live flood to it, and drops what is excused.
func (d *Detector) weigh(t *target) {
	dev := &d.devices.slots[t.dev]
	for k := range kind(numKinds) {
		v := &t.kinds[k]
		if v.last2() == 0 {
			continue
		}
		if f := d.floodAt(t.dev, k, t.dst.Addr()); f != nil {
			f.seenNow.add(v)
			f.bytesNow += t.bytes
			t.taken[k] = true
			continue
		}
		factor := d.joined(k, t, &dev.limits)
		if k == kindUDP && !d.weighUDP(t, dev, &factor) {
			*v = values{}
			continue
		}
		t.trips[k] = d.trips(dev, k, v, factor, t.known || dev.age(d.now) < knownAfter)
	}
}

// joined gives the factor for a target that is flooded already.
func (d *Detector) joined(k kind, t *target, l *limits) float32 {
	if t.kinds[k].last2() < l.kinds[k].floor*joinFactor*perTwo {
		return 1
	}
	for i := range d.floods {
		if f := &d.floods[i]; f.kind == k && f.target.IsValid() && f.target.Contains(t.dst.Addr()) {
			return joinFactor
		}
	}
	return 1
}

// perTwo turns a rate a second into a count of two scans.
const perTwo = 2 / float32(ticksPerSecond)

// weighUDP takes off answers on sibling ports and knows media streams. It is
// false when what remains is excused.
func (d *Detector) weighUDP(t *target, dev *device, factor *float32) bool {
	v := &t.kinds[kindUDP]
	for i := range v.at {
		used := min(v.at[i], t.credit)
		v.at[i] -= used
		t.credit -= used
	}
	if v.last2() >= dev.limits.kinds[kindUDP].ceiling*perTwo || d.isHostile(t.dst.Addr()) {
		return true
	}
	if t.answers || t.alive != 0 && t.media() {
		*factor *= mediaFactor
		return v.last2() >= dev.limits.kinds[kindUDP].floor*perTwo**factor
	}
	if !t.media() {
		return true
	}
	if dev.ticks < warmTicks {
		*factor *= mediaFactor
		return v.last2() >= dev.limits.kinds[kindUDP].floor*perTwo**factor
	}
	return d.now.UnixNano()-t.first >= int64(time.Second)
}

// media says whether UDP packets look like audio and video: large, of varied
// sizes, to one or two ports.
func (t *target) media() bool {
	return t.udp > 0 && t.udpBytes/t.udp >= 900 && t.lenMax >= t.lenMin+200 && t.ports <= 2
}

// trips compares a quantity with the limits. known is about DNS: the resolver
// is one in use, or too little was seen to say.
func (d *Detector) trips(dev *device, k kind, v *values, factor float32, known bool) bool {
	l := dev.limits.kinds[k]
	need := l.floor * factor * perTwo
	pulses := min(v.at[0], v.at[1]) < need/4
	if pulses {
		if dev.pulse[k] < pulsing {
			return false // a burst, not a flood
		}
		need *= 2
		if k == kindSYN || k == kindDNS {
			need *= 2 // the answers to an honest burst may still be under way
		}
	}
	three := v.at[0] + v.at[1] + v.at[2]
	sustained := pulses || v.at[2] >= need/4
	got := v.last2()
	switch k {
	case kindSYN:
		if sustained && three >= l.ceiling*connectFactor*perTwo*1.5 {
			return true
		}
		got = v.at[1] + v.at[2] - v.done // those of this scan may still be answered
	case kindDNS:
		if sustained && three >= l.ceiling*dnsFactor*perTwo*1.5 || !known && got >= l.floor*newResolver*perTwo*factor {
			return true
		}
		got = v.at[1] + v.at[2] - v.done
	}
	if got >= l.ceiling*min(factor, 1)*perTwo {
		return true
	}
	return got >= need && got > 2*dev.ordinary(k)
}
