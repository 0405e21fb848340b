package flood

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// stops says whether a rule with the shape would meet a packet.
func stops(s model.Shape, p packets) bool {
	size := uint16(p.size)
	return (s.Proto == 0 || s.Proto == p.proto) && (s.DstPort == 0 || s.DstPort == p.port) &&
		(!s.Dst.IsValid() || s.Dst.Contains(netip.MustParseAddr(p.dst))) &&
		size >= s.LenMin && (s.LenMax == 0 || size <= s.LenMax) &&
		p.flags&s.TCPMask == s.TCPFlags && (!s.Spoofed || p.spoofed)
}

// guard is a gate in small: the latest shape of each flood is a block, and
// what the blocks meet is told to the detector.
type guard struct {
	*sim
	blocks map[uint32]model.Shape
}

// flood sends p for a tick, scans, and gives how many packets got through.
func (g *guard) flood(p packets, pps float64, at time.Time) int {
	p.n = int(pps * Tick.Seconds())
	if p.back > 0 {
		p.back = p.n
	}
	through := p.n
	hits := make(map[uint32]uint64)
	for id, shape := range g.blocks {
		if stops(shape, p) {
			through, hits[id] = 0, uint64(p.n)
		}
	}
	g.send(dev(1), p, at)
	g.now = g.now.Add(Tick)
	g.d.Begin(g.now)
	for _, f := range g.order {
		g.d.Flow(f)
	}
	for _, c := range g.devs {
		g.d.Device(c)
	}
	for id, n := range hits {
		g.d.Hit(id, n)
	}
	for _, v := range g.d.End() {
		if v.Phase == Ended {
			delete(g.blocks, v.ID)
			continue
		}
		g.blocks[v.ID] = v.Shape
	}
	return through
}

// TestChangedFloodIsStoppedAgain changes what a block knows a flood by once
// the block is in force, and wants the changed packets stopped in 300 ms.
func TestChangedFloodIsStoppedAgain(t *testing.T) {
	changes := map[string]func(p *packets){
		"size":          func(p *packets) { p.size, p.sizeMax = p.size+100, 0 },
		"smaller size":  func(p *packets) { p.size, p.sizeMax = p.size-8, 0 },
		"port":          func(p *packets) { p.port = 4444 },
		"size and port": func(p *packets) { p.size, p.sizeMax, p.port = p.size+100, 0, 4444 },
		"flags":         func(p *packets) { p.flags |= model.TCPPsh | model.TCPUrg },
		"neighbour":     func(p *packets) { p.dst = "203.0.113.11" },
		"to UDP":        func(p *packets) { *p = udp(victim, 27015, 540) },
		"to SYN":        func(p *packets) { *p = syn(victim, 443) },
		"to GRE":        func(p *packets) { *p = packets{dst: victim, proto: 47, size: 540} },
		"to ICMP":       func(p *packets) { *p = packets{dst: victim, proto: 1, size: 84} },
	}
	for vector, row := range floods() {
		for how, change := range changes {
			for _, used := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/used before %v", vector, how, used), func(t *testing.T) {
					stopChanged(t, row.p, change, used)
				})
			}
		}
	}
}

func stopChanged(t *testing.T, p packets, change func(*packets), used bool) {
	g := &guard{newSim(t), make(map[uint32]model.Shape)}
	normal := map[Device]traffic{dev(1): ordinary()}
	if used { // a trickle to the same place, so that its flow is an old one
		q := p
		q.spoofed, q.sizeMax = false, 0
		normal = map[Device]traffic{dev(1): mix(ordinary(), rate(2, q))}
	}
	g.run(120, normal)
	const pps = 5000
	for range 15 {
		g.flood(p, pps, g.now.Add(Tick/2))
	}
	if len(g.blocks) == 0 {
		t.Fatal("the flood was not told")
	}
	change(&p)
	through := 0
	for i := range 20 {
		n := g.flood(p, pps, g.now.Add(Tick/2))
		if n > 0 && i > 3 {
			t.Fatalf("packets of %+v still pass %v after the change, blocks %v", p, time.Duration(i)*Tick, g.blocks)
		}
		through += n
	}
	if through > 3*pps/10+pps/10 {
		t.Errorf("%d packets passed after the change", through)
	}
}

// TestPulsesAreFloods sends in pulses that are shorter than a scan, to one
// target or to several in turn, so that no two scans in a row show the flood.
func TestPulsesAreFloods(t *testing.T) {
	for vector, row := range floods() {
		if row.v == model.VectorHTTP {
			continue // a page with many pictures is a pulse too
		}
		for _, targets := range []int{1, 3} {
			for _, every := range []int{2, 3, 6} {
				t.Run(fmt.Sprintf("%s/%d targets/every %d", vector, targets, every), func(t *testing.T) {
					s := newSim(t)
					s.run(100, map[Device]traffic{dev(1): ordinary()})
					pulse := func(s *sim, d Device, tick int, at time.Time) {
						if tick%every != 0 && targets == 1 {
							return
						}
						p := row.p
						p.dst = fmt.Sprintf("203.0.%d.10", tick%targets)
						back := p.back
						p.n, p.back = 2000, 0
						if back > 0 {
							p.back = 2000
						}
						s.send(d, p, at)
					}
					s.run(40, map[Device]traffic{dev(1): mix(ordinary(), pulse)})
					if len(s.started()) == 0 {
						t.Error("4 seconds of pulses were not told")
					}
				})
			}
		}
	}
}

// TestMadeUpDevicesHideNobody fills the device table with made-up senders and
// floods from one more.
func TestMadeUpDevicesHideNobody(t *testing.T) {
	s := newSim(t)
	s.d = New(Config{MaxDevices: 64})
	s.run(20, map[Device]traffic{dev(1): ordinary()})
	made := func(i int) Device { return Device{MAC: [6]byte{6, 6, 6, 6, byte(i >> 8), byte(i)}} }
	for i := range 500 {
		s.send(made(i), udp("198.51.100.9", 7, 60), s.now.Add(Tick/2))
		if p := udp("198.51.100.9", 7, 60); i%2 == 0 {
			p.n = 1
			s.send(made(i), p, s.now.Add(Tick/2))
		}
	}
	s.scan()
	s.wantNone("made-up senders")
	begin := s.now
	s.run(10, map[Device]traffic{
		dev(1): ordinary(), dev(2): rate(5000, udp(victim, 9, 540)),
		made(3): rate(10, udp("198.51.100.9", 7, 60)),
	})
	v := s.started()
	if len(v) != 1 || v[0].Device != dev(2) {
		t.Fatalf("got %+v, want the flood of the new device", v)
	}
	if late := v[0].Detected.Sub(begin); late > 400*time.Millisecond {
		t.Errorf("detected after %v", late)
	}
}
