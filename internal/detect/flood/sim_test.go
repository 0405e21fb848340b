package flood

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// sim makes the counters that a data path would show of packets.
type sim struct {
	t     testing.TB
	d     *Detector
	rnd   *rand.Rand
	start time.Time
	now   time.Time
	flows map[simKey]*Flow
	order []*Flow
	devs  map[Device]*Counts
	got   []Verdict
}

type simKey struct {
	dev   Device
	dst   netip.Addr
	proto uint8
	port  uint16
}

func newSim(t testing.TB) *sim {
	start := time.Unix(1_800_000_000, 0)
	return &sim{t: t, d: New(Config{}), rnd: rand.New(rand.NewPCG(1, 2)), start: start, now: start,
		flows: make(map[simKey]*Flow), devs: make(map[Device]*Counts)}
}

func dev(n byte) Device { return Device{MAC: [6]byte{2, 0, 0, 0, 10, n}} }

// packets are outward packets of one kind and their answers.
type packets struct {
	dst            string
	proto          uint8
	port           uint16
	n              int
	size, sizeMax  int // sizeMax 0: uniform
	flags          uint8
	http, bare     bool
	back, backSize int
	spoofed        bool
	srcRandom      bool
}

func (s *sim) flow(d Device, dst string, proto uint8, port uint16, at time.Time) *Flow {
	k := simKey{d, netip.MustParseAddr(dst), proto, port}
	f := s.flows[k]
	if f == nil {
		f = &Flow{Device: d, Dst: k.dst, Proto: proto, DstPort: port, First: at, LenMin: 0xffff, SrcPortMin: 0xffff, TCPFlagsAnd: 0xff}
		s.flows[k] = f
		s.order = append(s.order, f)
	}
	return f
}

// send puts packets into the counters at a time within the coming tick.
func (s *sim) send(d Device, p packets, at time.Time) {
	f := s.flow(d, p.dst, p.proto, p.port, at)
	c := s.devs[d]
	if c == nil {
		c = &Counts{Device: d, First: at}
		s.devs[d] = c
	}
	for range p.n {
		size := p.size
		if p.sizeMax > p.size {
			size += s.rnd.IntN(p.sizeMax - p.size)
		}
		s.one(f, c, &p, uint16(size))
	}
	f.BackPackets += uint64(p.back)
	f.BackBytes += uint64(p.back * p.backSize)
	if p.n > 0 {
		f.Last, c.Last = at, at
	}
}

func (s *sim) one(f *Flow, c *Counts, p *packets, size uint16) {
	f.Packets++
	f.Bytes += uint64(size)
	f.LenMin, f.LenMax = min(f.LenMin, size), max(f.LenMax, size)
	src := uint16(40000)
	if p.srcRandom {
		src = uint16(1024 + s.rnd.IntN(60000))
	}
	f.SrcPortMin, f.SrcPortMax = min(f.SrcPortMin, src), max(f.SrcPortMax, src)
	f.TCPFlagsOr, f.TCPFlagsAnd = f.TCPFlagsOr|p.flags, f.TCPFlagsAnd&p.flags
	class := ClassOther
	switch {
	case p.spoofed:
		class = ClassSpoofed
		c.LastSpoofed = netip.AddrFrom4([4]byte{byte(s.rnd.IntN(100)), byte(s.rnd.IntN(256)), 1, 1})
	case p.proto == 6 && p.flags&0x12 == 2:
		class = ClassSYN
	case p.proto == 6 && p.bare:
		class = ClassACK
	case p.proto == 6:
		class = ClassTCP
	case p.proto == 17 && p.port == 53:
		class = ClassDNS
	case p.proto == 17:
		class = ClassUDP
	case p.proto == 1:
		class = ClassICMP
	}
	c.Packets[class]++
	if p.proto == 6 && p.flags&0x12 == 2 {
		f.Syn++
	}
	if p.bare {
		f.BareAck++
	}
	if p.http {
		f.HTTPRequests++
	}
}

// scan ends the tick: it moves time on and lets the detector look.
func (s *sim) scan() []Verdict {
	s.now = s.now.Add(Tick)
	s.d.Begin(s.now)
	for _, f := range s.order {
		s.d.Flow(f)
	}
	for _, c := range s.devs {
		s.d.Device(c)
	}
	v := s.d.End()
	s.got = append(s.got, v...)
	return v
}

// traffic makes one device's packets of one tick; at is a time in it.
type traffic func(s *sim, d Device, tick int, at time.Time)

// run lets devices send for some ticks.
func (s *sim) run(ticks int, by map[Device]traffic) {
	for i := range ticks {
		at := s.now.Add(Tick / 2)
		for d, t := range by {
			t(s, d, i, at)
		}
		s.scan()
	}
}

// mix puts several kinds of traffic together.
func mix(all ...traffic) traffic {
	return func(s *sim, d Device, tick int, at time.Time) {
		for _, t := range all {
			t(s, d, tick, at)
		}
	}
}

// rate sends p at a rate per second with answers in proportion.
func rate(pps float64, p packets) traffic {
	owed, backOwed := 0.0, 0.0
	backEach := float64(p.back) / max(1, float64(p.n))
	return func(s *sim, d Device, _ int, at time.Time) {
		owed += pps * Tick.Seconds()
		q := p
		q.n = int(owed)
		owed -= float64(q.n)
		backOwed += float64(q.n) * backEach
		q.back = int(backOwed)
		backOwed -= float64(q.back)
		s.send(d, q, at)
	}
}

// bursts sends p.n packets every so many ticks.
func bursts(every int, p packets) traffic {
	return func(s *sim, d Device, tick int, at time.Time) {
		if tick%every == 0 {
			s.send(d, p, at)
		}
	}
}

// started gives the verdicts of floods that began.
func (s *sim) started() (v []Verdict) {
	for _, x := range s.got {
		if x.Phase == Started {
			v = append(v, x)
		}
	}
	return v
}

func (s *sim) wantNone(name string) {
	s.t.Helper()
	for _, v := range s.started() {
		s.t.Errorf("%s: false alarm: %s %v after %v", name, v.Vector, v.Shape, v.Detected.Sub(s.start))
	}
}

const victim = "203.0.113.10"

func syn(dst string, port uint16) packets {
	return packets{dst: dst, proto: 6, port: port, size: 40, flags: 2, srcRandom: true}
}

func udp(dst string, port uint16, size int) packets {
	return packets{dst: dst, proto: 17, port: port, size: size}
}

// floods are the vectors with what the shape must be.
func floods() map[string]struct {
	p     packets
	v     model.Vector
	shape model.Shape
} {
	dst := netip.MustParsePrefix(victim + "/32")
	type row = struct {
		p     packets
		v     model.Vector
		shape model.Shape
	}
	reset := packets{n: 1, back: 1, backSize: 40}
	with := func(p packets, a packets) packets { p.n, p.back, p.backSize = a.n, a.back, a.backSize; return p }
	exact := func(p model.Shape, n uint16) model.Shape { p.LenMin, p.LenMax = n, n; return p }
	return map[string]row{
		"udp": {udp(victim, 27015, 540), model.VectorUDP, exact(model.Shape{Proto: 17, Dst: dst, DstPort: 27015}, 540)},
		"udp random sizes": {packets{dst: victim, proto: 17, port: 80, size: 30, sizeMax: 1400}, model.VectorUDP,
			model.Shape{Proto: 17, Dst: dst, DstPort: 80}},
		"gre": {packets{dst: victim, proto: 47, size: 540}, model.VectorUDP, exact(model.Shape{Proto: 47, Dst: dst}, 540)},
		"syn answered": {with(syn(victim, 443), packets{n: 1, back: 1, backSize: 60}), model.VectorSYN,
			exact(model.Shape{Proto: 6, Dst: dst, DstPort: 443, TCPFlags: 2, TCPMask: 0x12}, 40)},
		"syn silent": {syn(victim, 443), model.VectorSYN, exact(model.Shape{Proto: 6, Dst: dst, DstPort: 443, TCPFlags: 2, TCPMask: 0x12}, 40)},
		"ack reset": {with(packets{dst: victim, proto: 6, port: 443, size: 40, flags: 0x10, bare: true}, reset), model.VectorACK,
			exact(model.Shape{Proto: 6, Dst: dst, DstPort: 443, TCPFlags: 0x10, TCPMask: 0x3f}, 40)},
		"ack with payload reset": {with(packets{dst: victim, proto: 6, port: 80, size: 552, flags: 0x18}, reset), model.VectorACK,
			exact(model.Shape{Proto: 6, Dst: dst, DstPort: 80, TCPFlags: 0x18, TCPMask: 0x3f}, 552)},
		"icmp echoed": {packets{dst: victim, proto: 1, size: 84, n: 1, back: 1, backSize: 84}, model.VectorICMP,
			exact(model.Shape{Proto: 1, Dst: dst}, 84)},
		"dns silent": {packets{dst: victim, proto: 17, port: 53, size: 62}, model.VectorDNS, exact(model.Shape{Proto: 17, Dst: dst, DstPort: 53}, 62)},
		"dns answered": {packets{dst: victim, proto: 17, port: 53, size: 60, sizeMax: 70, n: 1, back: 1, backSize: 120}, model.VectorDNS,
			model.Shape{Proto: 17, Dst: dst, DstPort: 53, LenMin: 44, LenMax: 85}},
		"http answered": {packets{dst: victim, proto: 6, port: 80, size: 140, flags: 0x18, http: true, n: 1, back: 2, backSize: 500}, model.VectorHTTP,
			model.Shape{Proto: 6, Dst: dst, DstPort: 80}},
		"spoofed": {packets{dst: victim, proto: 17, port: 5678, size: 156, spoofed: true}, model.VectorSpoofed,
			exact(model.Shape{Proto: 17, Dst: dst, DstPort: 5678, Spoofed: true}, 156)},
		"spoofed syn": {packets{dst: victim, proto: 6, port: 443, size: 40, flags: 2, spoofed: true}, model.VectorSpoofed,
			exact(model.Shape{Proto: 6, Dst: dst, DstPort: 443, TCPFlags: 2, TCPMask: 0x12, Spoofed: true}, 40)},
	}
}
