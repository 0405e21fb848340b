package flood

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// ordinary is what a camera does all day beside its video.
func ordinary() traffic {
	return mix(
		rate(4, packets{dst: "192.0.2.53", proto: 17, port: 53, size: 60, sizeMax: 80, n: 1, back: 1, backSize: 120}),
		rate(0.2, packets{dst: "192.0.2.123", proto: 17, port: 123, size: 76, n: 1, back: 1, backSize: 76}),
		rate(30, packets{dst: "198.51.100.20", proto: 6, port: 1883, size: 60, sizeMax: 200, flags: 0x18, n: 2, back: 1, backSize: 52}),
		rate(350, packets{dst: "198.51.100.30", proto: 17, port: 5004, size: 200, sizeMax: 1400}),
	)
}

// TestFloodsDetectedInTime starts each flood at each phase of the tick and
// wants it told, with its shape, at most 300 ms after its first packet.
func TestFloodsDetectedInTime(t *testing.T) {
	for name, row := range floods() {
		for _, pps := range []float64{1000, 3000, 20000} {
			for phase := 0; phase < 100; phase += 10 {
				t.Run(fmt.Sprintf("%s/%.0f/%d", name, pps, phase), func(t *testing.T) {
					s := newSim(t)
					s.run(400, map[Device]traffic{dev(1): ordinary()})
					s.wantNone("before")
					begin := s.now.Add(time.Duration(phase) * time.Millisecond)
					attack(s, row.p, pps, phase, 5)
					v := s.started()
					if len(v) != 1 {
						t.Fatalf("%d floods told, want 1: %+v", len(v), v)
					}
					if late := v[0].Detected.Sub(begin); late > 290*time.Millisecond {
						t.Errorf("detected after %v", late)
					}
					if v[0].Vector != row.v || v[0].Shape != row.shape {
						t.Errorf("got %s %+v\nwant %s %+v", v[0].Vector, v[0].Shape, row.v, row.shape)
					}
					if v[0].LimitPPS != 0 || v[0].Others != 0 {
						t.Errorf("limited to %d, %d others; want a drop", v[0].LimitPPS, v[0].Others)
					}
				})
			}
		}
	}
}

// attack adds a flood that begins phase ms into the next tick to ordinary
// traffic, for some ticks.
func attack(s *sim, p packets, pps float64, phase, ticks int) {
	normal := ordinary()
	share := float64(p.back) / max(1, float64(p.n))
	for i := range ticks {
		at := s.now.Add(Tick / 2)
		normal(s, dev(1), i, at)
		part := 1.0
		if i == 0 {
			part = float64(100-phase) / 100
			at = s.now.Add(time.Duration(phase) * time.Millisecond)
		}
		q := p
		q.n = int(pps * 0.1 * part)
		q.back = int(float64(q.n) * share)
		s.send(dev(1), q, at)
		s.scan()
	}
}

func TestCarpetBombing(t *testing.T) {
	for _, tc := range []struct {
		name string
		dst  func(i int) string
		want string
	}{
		{"24", func(i int) string { return fmt.Sprintf("203.0.113.%d", i%256) }, "203.0.113.0/24"},
		{"16", func(i int) string { return fmt.Sprintf("198.18.%d.%d", i%200, i/200%256) }, "198.18.0.0/16"},
		{"v6 64", func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i%500) }, "2001:db8:1:2::/64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSim(t)
			s.run(100, map[Device]traffic{dev(1): ordinary()})
			n := 0
			normal := ordinary()
			begin := s.now
			for i := range 6 {
				normal(s, dev(1), i, s.now.Add(Tick/2))
				for range 200 {
					s.send(dev(1), packets{dst: tc.dst(n), proto: 17, port: 9000, n: 1, size: 540}, s.now.Add(Tick/2))
					n++
				}
				s.scan()
			}
			v := s.started()
			if len(v) != 1 || v[0].Shape.Dst.String() != tc.want {
				t.Fatalf("got %+v, want one flood against %s", v, tc.want)
			}
			if v[0].Shape.DstPort != 9000 || v[0].Detected.Sub(begin) > 300*time.Millisecond {
				t.Errorf("shape %+v after %v", v[0].Shape, v[0].Detected.Sub(begin))
			}
		})
	}
}

// TestHonestTrafficNeverTrips runs heavy honest use, each from the first
// second of a device's life and again after an hour of ordinary traffic.
func TestHonestTrafficNeverTrips(t *testing.T) {
	tcp := func(dst string, size, back, backSize int) packets {
		return packets{dst: dst, proto: 6, port: 443, size: size, flags: 0x18, n: 1, back: back, backSize: backSize}
	}
	cases := map[string]traffic{
		"upload at 1 Gbit/s, an ACK for 45 segments": mix(
			bursts(100, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 16, size: 60, flags: 2, back: 16, backSize: 60}),
			rate(83000, packets{dst: "192.0.2.1", proto: 6, port: 443, size: 1500, flags: 0x10, n: 45, back: 1, backSize: 52})),
		"upload without timestamps, an ACK for 2 segments": mix(
			bursts(100, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 16, size: 52, flags: 2, back: 16, backSize: 52}),
			rate(40000, packets{dst: "192.0.2.1", proto: 6, port: 443, size: 1500, flags: 0x10, n: 2, back: 1, backSize: 40})),
		"small segments without timestamps, each acknowledged": mix(
			bursts(100, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 1, size: 52, flags: 2, back: 1, backSize: 52}),
			rate(1500, packets{dst: "192.0.2.1", proto: 6, port: 443, size: 90, flags: 0x18, n: 1, back: 1, backSize: 40})),
		"download at 1 Gbit/s, an ACK for 2 segments": mix(
			bursts(100, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 16, size: 60, flags: 2, back: 16, backSize: 60}),
			rate(41000, packets{dst: "192.0.2.1", proto: 6, port: 443, size: 52, flags: 0x10, bare: true, n: 1, back: 2, backSize: 1500})),
		"128 connections at once, RTT 300 ms": func(s *sim, d Device, tick int, at time.Time) {
			switch tick % 50 {
			case 0:
				s.send(d, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 128, size: 60, flags: 2}, at)
			case 3:
				s.send(d, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 128, size: 52, flags: 0x10, bare: true, back: 128, backSize: 60}, at)
			case 4, 5, 6, 7, 8, 9:
				s.send(d, tcp("192.0.2.1", 1500, 0, 0), at)
				s.send(d, packets{dst: "192.0.2.1", proto: 6, port: 443, n: 300, size: 1500, flags: 0x10, back: 150, backSize: 52}, at)
			}
		},
		"QUIC upload at 1 Gbit/s, an ACK for 10":    rate(83000, packets{dst: "192.0.2.1", proto: 17, port: 443, size: 1200, sizeMax: 1400, n: 10, back: 1, backSize: 60}),
		"QUIC download":                             rate(20000, packets{dst: "192.0.2.1", proto: 17, port: 443, size: 60, n: 1, back: 4, backSize: 1300}),
		"one-sided RTP 300 pps":                     rate(300, packets{dst: "192.0.2.9", proto: 17, port: 5004, size: 200, sizeMax: 1400}),
		"one-sided RTP 1,000 pps":                   rate(1000, packets{dst: "192.0.2.9", proto: 17, port: 5004, size: 700, sizeMax: 1400}),
		"RTP 1,700 pps, report each 5 s":            mix(rate(1700, packets{dst: "192.0.2.9", proto: 17, port: 5004, size: 700, sizeMax: 1400}), bursts(50, packets{dst: "192.0.2.9", proto: 17, port: 5005, n: 1, size: 80, back: 1, backSize: 80})),
		"key frames of 400 packets every 2 s, RTCP": mix(bursts(20, packets{dst: "192.0.2.9", proto: 17, port: 5004, n: 400, size: 1200, sizeMax: 1400}), rate(300, packets{dst: "192.0.2.9", proto: 17, port: 5004, size: 600, sizeMax: 1400, n: 300, back: 1, backSize: 80})),
		"video conference":                          mix(rate(600, packets{dst: "192.0.2.7", proto: 17, port: 3478, size: 300, sizeMax: 1250, n: 6, back: 5, backSize: 900})),
		"browser start": func(s *sim, d Device, tick int, at time.Time) {
			if tick%100 < 10 { // a session of 100 tabs: names and connections for one second
				s.send(d, packets{dst: "192.0.2.53", proto: 17, port: 53, n: 90, size: 60, sizeMax: 80, back: 88, backSize: 150}, at)
				for i := range 12 {
					s.send(d, packets{dst: fmt.Sprintf("198.51.%d.%d", tick%10, i), proto: 6, port: 443, n: 6, size: 60, flags: 2, back: 6, backSize: 60}, at)
					s.send(d, packets{dst: fmt.Sprintf("198.51.%d.%d", tick%10, i), proto: 6, port: 443, n: 6, size: 52, flags: 0x10, bare: true, back: 10, backSize: 1400}, at)
				}
			}
		},
		"resolver down":    rate(80, packets{dst: "192.0.2.53", proto: 17, port: 53, size: 60, sizeMax: 80}),
		"mDNS and SSDP":    mix(rate(200, udp("224.0.0.251", 5353, 300)), rate(2000, udp("239.255.255.250", 1900, 300))),
		"firmware update":  rate(4000, packets{dst: "192.0.2.2", proto: 6, port: 80, size: 52, flags: 0x10, bare: true, n: 1, back: 2, backSize: 1500}),
		"backup":           rate(9000, packets{dst: "192.0.2.3", proto: 6, port: 22, size: 1500, flags: 0x18, n: 3, back: 1, backSize: 52}),
		"package manager":  rate(190, packets{dst: "192.0.2.4", proto: 6, port: 80, size: 200, flags: 0x18, http: true, n: 1, back: 8, backSize: 1500}),
		"ping of 50 hosts": rate(50, packets{dst: "192.0.2.5", proto: 1, size: 84, n: 1, back: 1, backSize: 84}),
		"torrent": func(s *sim, d Device, tick int, at time.Time) {
			for i := range 40 { // 400 silent peers a second over the whole Internet, and some that answer
				dst := fmt.Sprintf("%d.%d.%d.9", 11+(tick*7+i*5)%180, (tick*13+i)%250, i)
				s.send(d, packets{dst: dst, proto: 17, port: 6881, n: 1, size: 120}, at)
				if i < 8 {
					s.send(d, packets{dst: dst, proto: 6, port: 6881, n: 1, size: 60, flags: 2}, at)
				}
			}
		},
		"VPN upload": rate(20000, packets{dst: "192.0.2.6", proto: 17, port: 51820, size: 1452, n: 30, back: 1, backSize: 128}),
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.run(300, map[Device]traffic{dev(1): mix(ordinary(), c)})
			s.wantNone("from the first second")
			s = newSim(t)
			s.run(900, map[Device]traffic{dev(1): ordinary()})
			s.run(300, map[Device]traffic{dev(1): mix(ordinary(), c)})
			if name == "one-sided RTP 1,000 pps" {
				return // silent to a new place from a known device: told after a second, see TestSilentStream
			}
			s.wantNone("after ordinary traffic")
		})
	}
}

// TestSilentStream: a known device that begins to send a thousand large
// packets a second to a place that never answers is told, but only when it
// lasts; one that always did so is left alone.
func TestSilentStream(t *testing.T) {
	stream := rate(1000, packets{dst: "192.0.2.9", proto: 17, port: 5004, size: 700, sizeMax: 1400})
	s := newSim(t)
	s.run(900, map[Device]traffic{dev(1): ordinary()})
	s.run(9, map[Device]traffic{dev(1): mix(ordinary(), stream)})
	s.wantNone("within a second")
	s.run(5, map[Device]traffic{dev(1): mix(ordinary(), stream)})
	if len(s.started()) != 1 {
		t.Error("never told")
	}
}

func TestLifeOfAFlood(t *testing.T) {
	s := newSim(t)
	s.run(50, map[Device]traffic{dev(1): ordinary()})
	f := udp(victim, 27015, 540)
	s.run(120, map[Device]traffic{dev(1): mix(ordinary(), rate(2000, f))})
	s.run(110, map[Device]traffic{dev(1): ordinary()})
	var phases []Phase
	for _, v := range s.got {
		phases = append(phases, v.Phase)
	}
	if fmt.Sprint(phases) != fmt.Sprint([]Phase{Started, Going, Going, Ended}) {
		t.Fatalf("phases %v, want start, two repeats, end", phases)
	}
	end := s.got[len(s.got)-1]
	if end.Packets < 23900 || end.Packets > 24100 {
		t.Errorf("counted %d packets of 24000", end.Packets)
	}
	if d := end.Last.Sub(end.First); d < 11*time.Second || d > 13*time.Second {
		t.Errorf("lasted %v, want 12 s", d)
	}
}

// TestHitsKeepAFloodGoing: what a block stops keeps the flood alive even when
// the flow counters no longer show it.
func TestHitsKeepAFloodGoing(t *testing.T) {
	s := newSim(t)
	s.run(30, map[Device]traffic{dev(1): rate(2000, udp(victim, 1, 540))})
	id := s.started()[0].ID
	for range 150 {
		s.now = s.now.Add(Tick)
		s.d.Begin(s.now)
		s.d.Hit(id, 200)
		s.d.End()
	}
	if s.d.Live() != 1 {
		t.Error("ended while its block was hit")
	}
}

func TestShapeWidensWhenTheFloodMoves(t *testing.T) {
	s := newSim(t)
	s.run(50, map[Device]traffic{dev(1): ordinary()})
	s.run(20, map[Device]traffic{dev(1): mix(ordinary(), rate(2000, udp(victim, 27015, 540)))})
	s.run(20, map[Device]traffic{dev(1): mix(ordinary(), rate(2000, udp(victim, 999, 700)))})
	last := s.got[len(s.got)-1]
	if last.Phase != Widened || last.Shape != (model.Shape{Proto: 17, Dst: netip.MustParsePrefix(victim + "/32")}) {
		t.Errorf("got %v %+v, want the shape widened to all UDP to the victim", last.Phase, last.Shape)
	}
	if len(s.started()) != 1 {
		t.Errorf("%d floods told, want 1", len(s.started()))
	}
}

// TestSecondDeviceJoins: a flood too slow to be told alone is told when
// another device floods the same target, and both say so.
func TestSecondDeviceJoins(t *testing.T) {
	s := newSim(t)
	f := udp(victim, 27015, 540)
	s.run(50, map[Device]traffic{dev(1): ordinary(), dev(2): ordinary()})
	s.run(10, map[Device]traffic{dev(1): ordinary(), dev(2): mix(ordinary(), rate(300, f))})
	s.wantNone("slow alone")
	s.run(10, map[Device]traffic{dev(1): mix(ordinary(), rate(2000, f)), dev(2): mix(ordinary(), rate(300, f))})
	v := s.started()
	if len(v) != 2 || v[1].Device != dev(2) || v[1].Devices != 2 || v[1].Shape != v[0].Shape {
		t.Fatalf("got %+v, want both devices with one shape", v)
	}
}

// TestOrdinaryUseOfTheTarget: where the flooding device or others use the
// target in an ordinary way, the verdict says so.
func TestOrdinaryUseOfTheTarget(t *testing.T) {
	use := rate(20, packets{dst: victim, proto: 6, port: 80, size: 140, flags: 0x18, http: true, n: 1, back: 2, backSize: 700})
	flood := rate(2000, packets{dst: victim, proto: 6, port: 80, size: 140, flags: 0x18, http: true, n: 1, back: 1, backSize: 700})
	s := newSim(t)
	s.run(150, map[Device]traffic{dev(1): ordinary(), dev(2): use})
	s.run(10, map[Device]traffic{dev(1): mix(ordinary(), flood), dev(2): use})
	if v := s.started(); len(v) != 1 || v[0].Others != 1 || v[0].LimitPPS != 0 {
		t.Errorf("use by another device: got %+v", v)
	}
	s = newSim(t)
	s.run(200, map[Device]traffic{dev(1): mix(ordinary(), use)})
	s.run(10, map[Device]traffic{dev(1): mix(ordinary(), use, flood)})
	if v := s.started(); len(v) != 1 || v[0].LimitPPS < 40 || v[0].LimitPPS > 120 {
		t.Errorf("use by the device itself: got %+v, want a limit near three times 20", v)
	}
}

func TestLimitsOfPolicy(t *testing.T) {
	send := rate(500, udp(victim, 9, 540))
	s := newSim(t)
	s.run(20, map[Device]traffic{dev(1): send})
	s.wantNone("below the default")
	s = newSim(t)
	s.d.SetLimits(model.FloodLimits{UDP: 200}, map[Device]model.FloodLimits{dev(2): {UDP: 50000}})
	s.run(20, map[Device]traffic{dev(1): send, dev(2): rate(3000, udp(victim, 9, 540))})
	if v := s.started(); len(v) != 1 || v[0].Device != dev(1) {
		t.Errorf("got %+v, want device 1 only", v)
	}
}

// TestRestartLearnsFromHistory: counters that ran before the detector did are
// history; a steady stream is ordinary, a target under attack is not.
func TestRestartLearnsFromHistory(t *testing.T) {
	stream := rate(1500, udp("192.0.2.9", 5004, 540))
	s := newSim(t)
	for range 100 {
		stream(s, dev(1), 0, s.now.Add(Tick/2))
		s.now = s.now.Add(Tick)
	}
	s.run(50, map[Device]traffic{dev(1): stream})
	s.wantNone("steady stream")
	s = newSim(t)
	for range 100 {
		stream(s, dev(1), 0, s.now.Add(Tick/2))
		s.now = s.now.Add(Tick)
	}
	s.d.Adopt(netip.MustParsePrefix("192.0.2.9/32"), s.now)
	s.run(5, map[Device]traffic{dev(1): stream})
	if len(s.started()) != 1 {
		t.Error("a target under attack was taken as ordinary")
	}
}
