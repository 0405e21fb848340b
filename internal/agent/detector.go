package agent

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/host/traffic"
	"github.com/masugata/masugata/internal/model"
)

// DefaultLimits are the ceilings where neither configuration nor policy sets
// one: packets, queries or requests per second to one destination.
func DefaultLimits() model.FloodLimits {
	return model.FloodLimits{UDP: 1000, SYN: 100, ACK: 500, ICMP: 100, DNS: 100, HTTP: 100, Spoofed: 20}
}

// over fills the zero fields of l from below.
func over(l, below model.FloodLimits) model.FloodLimits {
	pick := func(a, b uint32) uint32 {
		if a != 0 {
			return a
		}
		return b
	}
	return model.FloodLimits{UDP: pick(l.UDP, below.UDP), SYN: pick(l.SYN, below.SYN), ACK: pick(l.ACK, below.ACK),
		ICMP: pick(l.ICMP, below.ICMP), DNS: pick(l.DNS, below.DNS), HTTP: pick(l.HTTP, below.HTTP),
		Spoofed: pick(l.Spoofed, below.Spoofed)}
}

// How the detector decides.
const (
	maxSuspects = 64
	// A destination may be sent this long a time's worth of its ceiling in one
	// burst; a flood of four times the ceiling is past that in 170 ms.
	burst = 500 * time.Millisecond
	// The least number of packets that is called a flood.
	leastBurst = 50
	// A flood has ended when it stayed below half of its ceiling for so long.
	quiet = 2 * time.Second
	// While it lasts, it is reported again so often.
	repeatEvery = 5 * time.Second
	// Ceilings are this much higher for UDP to whom the device talks over TCP
	// too (RTP beside RTSP), for UDP that is answered, for groups, and for all
	// destinations of one vector together.
	slackSession, slackAnswered, slackGroup, slackAll = 6, 20, 10, 4

	// How long a session is taken to last before it is looked for again.
	trustFor = 10 * time.Second
	// What is normal for the device (see Detector.normal) may raise a ceiling
	// so far and no further: a slow start must not teach it a flood.
	normalFactor, normalMost = 3, 4
)

// Phase is where in its life a flood is.
type Phase uint8

// The phases.
const (
	PhaseBegan Phase = iota
	PhaseLasts
	PhaseEnded
)

// Finding is what the detector says of one flood.
type Finding struct {
	Phase    Phase
	Evidence model.FloodEvidence // without Process
	First    time.Time           // first packet
	Last     time.Time
	SrcPorts []uint16 // some source ports of the device
	Source   [16]byte // source address of the last packet
	key      floodKey // names the flood while it lasts
}

type floodKey struct {
	dst    [16]byte // zero: many destinations
	vector model.Vector
}

// Detector finds floods in what the device sends. Every destination has a
// leaky bucket per vector that its ceiling drains; a bucket that runs over is
// a flood. It is pure: time comes in, and Connected is the only question it
// asks. Not safe for concurrent use.
type Detector struct {
	// Connected says whether the device has a TCP session with the address.
	// It is asked only when UDP without answers is about to be called a flood.
	Connected func(netip.Addr) bool

	limits   model.FloodLimits
	suspects [maxSuspects]suspect
	normal   [numVectors]float64 // slow mean of the busiest destination's rate
	top      [numVectors]float64 // this tick
	rest     [numVectors]traffic.Flow
	span     float64 // seconds of this tick
	out      []Finding
}

// suspect is a destination whose bucket is not empty.
type suspect struct {
	used     bool
	active   bool // reported as a flood
	slack    float64
	key      floodKey
	level    float64
	rate     float64 // of this tick
	calm     time.Time
	reported time.Time
	trusted  time.Time    // until then the TCP session beside it is taken to be there
	flow     traffic.Flow // shape so far
	total    float64      // packets since it began
	packets  float64      // since the last report
	bytes    float64
	first    int64 // of the first packet since the last report
	last     int64
	ports    [8]uint16
	portNext int
}

// NewDetector makes a detector with the given ceilings; zero fields take
// DefaultLimits.
func NewDetector(limits model.FloodLimits) *Detector {
	return &Detector{limits: over(limits, DefaultLimits())}
}

// SetLimits replaces the ceilings from the next tick on.
func (d *Detector) SetLimits(limits model.FloodLimits) { d.limits = over(limits, DefaultLimits()) }

// vector numbers.
const (
	vUDP = iota
	vSYN
	vACK
	vICMP
	vDNS
	vHTTP
	vSpoofed
	numVectors
)

func vectorName(v int) model.Vector {
	return [numVectors]model.Vector{model.VectorUDP, model.VectorSYN, model.VectorACK, model.VectorICMP,
		model.VectorDNS, model.VectorHTTP, model.VectorSpoofed}[v]
}

func (d *Detector) limit(v int) float64 {
	l := [numVectors]uint32{d.limits.UDP, d.limits.SYN, d.limits.ACK, d.limits.ICMP, d.limits.DNS, d.limits.HTTP, d.limits.Spoofed}[v]
	limit := float64(l)
	return max(limit, min(normalFactor*d.normal[v], normalMost*limit))
}

// Begin starts a tick that covers the given time.
func (d *Detector) Begin(span time.Duration) {
	d.span = max(span.Seconds(), 0.001)
	d.out = d.out[:0]
	d.top = [numVectors]float64{}
	for v := range d.rest {
		d.rest[v] = traffic.Flow{}
	}
	for i := range d.suspects {
		d.suspects[i].rate = 0
	}
}

// Add takes one flow of the tick. It keeps no reference to f.
func (d *Detector) Add(f *traffic.Flow) {
	v, count, slack := judge(f)
	if v < 0 || count == 0 {
		return
	}
	if slack == 1 {
		d.top[v] = max(d.top[v], count/d.span)
	}
	s := d.find(floodKey{f.Dst, vectorName(v)})
	if s == nil {
		if count < d.limit(v)*slack*d.span {
			if slack == 1 {
				merge(&d.rest[v], f, count)
			}
			return
		}
		s = d.take(floodKey{f.Dst, vectorName(v)}, f.First)
	}
	if s.slack < slackSession || slack > s.slack {
		s.slack = slack
	}
	s.add(f, count, d.span)
}

// judge says which vector a flow would be, how much of it counts, and by how
// much its ceiling is raised; -1 for what is never a flood.
func judge(f *traffic.Flow) (v int, count, slack float64) {
	slack = 1
	if a := f.Address(); a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		slack = slackGroup
	}
	switch f.Class {
	case traffic.ClassSpoofed:
		return vSpoofed, f.Packets, slack
	case traffic.ClassSYN:
		return vSYN, f.Packets, slack
	case traffic.ClassICMP:
		return vICMP, f.Packets, slack
	case traffic.ClassDNS:
		return vDNS, f.Packets, slack
	case traffic.ClassACK, traffic.ClassTCP:
		if f.HTTP > 0 && f.HTTP*4 >= f.Packets {
			return vHTTP, f.HTTP, slack
		}
		if answered(f) {
			return -1, 0, 0
		}
		return vACK, f.Packets, slack
	}
	if f.Back*32 >= f.Frames {
		slack = slackAnswered
	}
	return vUDP, f.Packets, slack
}

// answered says whether TCP is part of a connection: data is acknowledged
// every few packets, and acknowledgements follow data. Resets do not count.
func answered(f *traffic.Flow) bool {
	if f.Class == traffic.ClassACK {
		return f.Back*16 >= f.Frames
	}
	return f.Back*128 >= f.Frames
}

// merge adds a flow below its own ceiling to what went to all destinations.
func merge(to, f *traffic.Flow, count float64) {
	first := to.First
	if first == 0 {
		*to = *f
		to.Dst = [16]byte{}
		to.Packets = count
		return
	}
	to.First = min(first, f.First)
	to.Last = max(to.Last, f.Last)
	to.Packets += count
	to.Bytes += f.Bytes
	to.Sampled += f.Sampled
	to.LenMin, to.LenMax = min(to.LenMin, f.LenMin), max(to.LenMax, f.LenMax)
	to.FlagsAnd &= f.FlagsAnd
	to.FlagsOr |= f.FlagsOr
	if to.Port == f.Port {
		to.PortShare += f.PortShare
	}
	if to.Len == f.Len {
		to.LenShare += f.LenShare
	}
	to.SrcPorts[f.Sampled&3] = f.SrcPorts[f.Sampled&3]
}

// End closes the tick and gives what began, lasts or ended; the slice is
// valid until the next Begin.
func (d *Detector) End(now time.Time) []Finding {
	for v := range d.rest {
		if f := &d.rest[v]; f.Packets > 0 {
			d.addRest(v, f)
		}
		if d.top[v] <= d.limit(v) {
			d.normal[v] += (d.top[v] - d.normal[v]) * min(1, d.span/60)
		}
	}
	for i := range d.suspects {
		if s := &d.suspects[i]; s.used {
			d.settle(s, now)
		}
	}
	return d.out
}

func (d *Detector) addRest(v int, f *traffic.Flow) {
	key := floodKey{vector: vectorName(v)}
	s := d.find(key)
	if s == nil {
		if f.Packets < d.limit(v)*slackAll*d.span {
			return
		}
		s = d.take(key, f.First)
	}
	s.slack = slackAll
	s.add(f, f.Packets, d.span)
}

// settle drains a bucket and says what has become of its destination.
func (d *Detector) settle(s *suspect, now time.Time) {
	limit := d.limit(vectorNumber(s.key.vector)) * s.slack
	s.level = max(0, s.level-limit*d.span)
	if !s.active {
		switch {
		case s.level == 0 && !now.Before(s.trusted):
			s.used = false
		case s.level >= max(limit*burst.Seconds(), leastBurst):
			d.overflow(s, now)
		}
		return
	}
	s.level = min(s.level, limit) // so that it can end soon
	if s.rate >= limit/2 {
		s.calm = now
	}
	switch {
	case now.Sub(s.calm) >= quiet:
		d.report(s, PhaseEnded, now)
		s.used = false
	case now.Sub(s.reported) >= repeatEvery && s.rate >= limit/2:
		s.reported = now
		d.report(s, PhaseLasts, now)
	}
}

func (d *Detector) overflow(s *suspect, now time.Time) {
	many := s.key.dst == [16]byte{}
	if s.key.vector == model.VectorUDP && s.slack == 1 && !many && d.Connected != nil &&
		d.Connected(netip.AddrFrom16(s.key.dst).Unmap()) {
		s.slack, s.level, s.trusted = slackSession, 0, now.Add(trustFor)
		return
	}
	s.active, s.calm, s.reported = true, now, now
	d.report(s, PhaseBegan, now)
}

func vectorNumber(name model.Vector) int {
	for v := range numVectors {
		if vectorName(v) == name {
			return v
		}
	}
	return vUDP
}

func (d *Detector) find(key floodKey) *suspect {
	for i := range d.suspects {
		if s := &d.suspects[i]; s.used && s.key == key {
			return s
		}
	}
	return nil
}

// take gives a free place, or that of the least suspicious.
func (d *Detector) take(key floodKey, first int64) *suspect {
	victim := &d.suspects[0]
	for i := range d.suspects {
		s := &d.suspects[i]
		if !s.used {
			victim = s
			break
		}
		if victim.active && !s.active || victim.active == s.active && s.level < victim.level {
			victim = s
		}
	}
	*victim = suspect{used: true, slack: 1, key: key, first: first}
	return victim
}

func (s *suspect) add(f *traffic.Flow, count, span float64) {
	s.level += count
	s.rate += count / span
	s.total += count
	s.packets += count
	s.bytes += f.Bytes
	s.last = f.Last
	s.flow = *f
	for _, p := range f.SrcPorts {
		if p != 0 {
			s.ports[s.portNext%len(s.ports)] = p
			s.portNext++
		}
	}
}

func (d *Detector) report(s *suspect, phase Phase, now time.Time) {
	v := vectorNumber(s.key.vector)
	// While it goes on, its time runs until now: under a flood the last packets
	// of a tick are not looked at.
	end := now.UnixNano()
	if phase == PhaseEnded {
		end = s.last
	}
	seconds := max(float64(end-s.first)/1e9, 0.01)
	d.out = append(d.out, Finding{
		Phase: phase,
		Evidence: model.FloodEvidence{
			Vector: s.key.vector, Shape: s.shape(),
			PPS: s.packets / seconds, BPS: s.bytes * 8 / seconds, BaselinePPS: d.normal[v],
			Packets: uint64(s.total), Sources: max(1, s.flow.Sources()),
		},
		First: time.Unix(0, s.first), Last: time.Unix(0, s.last),
		SrcPorts: s.sourcePorts(), Source: s.flow.Src, key: s.key,
	})
	if phase == PhaseLasts { // the next report tells of the time since this one
		s.first, s.packets, s.bytes = end, 0, 0
	}
}

func (s *suspect) sourcePorts() []uint16 {
	var out []uint16
	for _, p := range s.ports {
		if p != 0 {
			out = append(out, p)
		}
	}
	return out
}

// shape describes the last tick's packets so that a gate can match them.
func (s *suspect) shape() model.Shape {
	f := &s.flow
	sh := model.Shape{Proto: f.Proto, Spoofed: s.key.vector == model.VectorSpoofed}
	if s.key.dst != [16]byte{} {
		a := f.Address()
		sh.Dst = netip.PrefixFrom(a, a.BitLen())
	}
	most := f.Sampled - f.Sampled/20
	if f.PortShare >= most {
		sh.DstPort = f.Port
	}
	if s.key.vector == model.VectorHTTP {
		return sh // requests vary, and so do the segments around them
	}
	sh.LenMin, sh.LenMax = f.LenMin, f.LenMax
	if f.LenShare >= most {
		sh.LenMin, sh.LenMax = f.Len, f.Len
	}
	switch s.key.vector {
	case model.VectorSYN:
		sh.TCPFlags, sh.TCPMask = model.TCPSyn, model.TCPSyn|model.TCPAck
	case model.VectorACK:
		sh.TCPMask = 0x3f &^ (f.FlagsOr ^ f.FlagsAnd)
		sh.TCPFlags = f.FlagsAnd & sh.TCPMask
	}
	return sh
}
