package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/host/traffic"
	"github.com/masugata/masugata/internal/model"
)

// sim feeds a Detector with ticks of made-up traffic.
type sim struct {
	d   *Detector
	now time.Time
}

func newSim() *sim {
	return &sim{NewDetector(model.FloodLimits{}), time.Unix(1_800_000_000, 0)}
}

// line is steady traffic to one address.
type line struct {
	dst   string
	class traffic.Class
	pps   float64
	back  float64 // answers for each packet
	http  float64 // requests for each packet
	port  uint16
}

func (l line) flow(now time.Time) traffic.Flow {
	n := l.pps * tick.Seconds()
	proto := uint8(6)
	switch l.class {
	case traffic.ClassUDP, traffic.ClassDNS:
		proto = 17
	case traffic.ClassICMP:
		proto = 1
	}
	return traffic.Flow{Dst: netip.MustParseAddr(l.dst).As16(), Class: l.class, Proto: proto, Packets: n, Frames: n, Bytes: n * 100,
		HTTP: n * l.http, Back: n * l.back, Sampled: uint32(n), Port: l.port, PortShare: uint32(n), Len: 100, LenShare: uint32(n),
		LenMin: 100, LenMax: 100, First: now.Add(-tick).UnixNano(), Last: now.UnixNano()}
}

// run gives what the detector said and how long after the start it first did.
func (s *sim) run(span time.Duration, lines ...line) (found []Finding, after time.Duration) {
	start := s.now
	for end := s.now.Add(span); s.now.Before(end); {
		s.now = s.now.Add(tick)
		s.d.Begin(tick)
		for _, l := range lines {
			f := l.flow(s.now)
			s.d.Add(&f)
		}
		out := s.d.End(s.now)
		if len(out) > 0 && len(found) == 0 {
			after = s.now.Sub(start)
		}
		found = append(found, out...)
	}
	return found, after
}

func TestDetectorByTable(t *testing.T) {
	const victim = "192.0.2.2"
	for _, c := range []struct {
		name  string
		line  line
		want  model.Vector // empty: no flood
		limit time.Duration
	}{
		{"udp flood", line{victim, traffic.ClassUDP, 10_000, 0, 0, 9}, model.VectorUDP, 100 * time.Millisecond},
		{"syn flood", line{victim, traffic.ClassSYN, 2_000, 0, 0, 80}, model.VectorSYN, 100 * time.Millisecond},
		{"syn flood that is answered", line{victim, traffic.ClassSYN, 2_000, 1, 0, 80}, model.VectorSYN, 100 * time.Millisecond},
		{"slow syn flood", line{victim, traffic.ClassSYN, 400, 0, 0, 80}, model.VectorSYN, 200 * time.Millisecond},
		{"ack flood", line{victim, traffic.ClassACK, 5_000, 0, 0, 80}, model.VectorACK, 100 * time.Millisecond},
		{"data without a connection", line{victim, traffic.ClassTCP, 5_000, 0, 0, 80}, model.VectorACK, 100 * time.Millisecond},
		{"icmp flood", line{victim, traffic.ClassICMP, 1_000, 1, 0, 0}, model.VectorICMP, 100 * time.Millisecond},
		{"dns flood", line{victim, traffic.ClassDNS, 1_000, 1, 0, 53}, model.VectorDNS, 100 * time.Millisecond},
		{"http flood", line{victim, traffic.ClassTCP, 1_000, 1, 1, 80}, model.VectorHTTP, 100 * time.Millisecond},
		{"forged sources", line{victim, traffic.ClassSpoofed, 600, 0, 0, 80}, model.VectorSpoofed, 100 * time.Millisecond},
		{"upload", line{victim, traffic.ClassTCP, 80_000, 0.5, 0, 443}, "", 0},
		{"upload with few acknowledgements", line{victim, traffic.ClassTCP, 80_000, 0.02, 0, 443}, "", 0},
		{"acknowledging a download", line{victim, traffic.ClassACK, 20_000, 2, 0, 443}, "", 0},
		{"video over QUIC", line{victim, traffic.ClassUDP, 6_000, 0.1, 0, 443}, "", 0},
		{"video over RTP", line{victim, traffic.ClassUDP, 900, 0, 0, 5004}, "", 0},
		{"video to a group", line{"239.1.2.3", traffic.ClassUDP, 3_000, 0, 0, 5004}, "", 0},
		{"name look-ups", line{victim, traffic.ClassDNS, 40, 1, 0, 53}, "", 0},
	} {
		found, after := newSim().run(3*time.Second, c.line)
		if c.want == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", c.name, found[0].Evidence)
			}
			continue
		}
		if len(found) != 1 || found[0].Evidence.Vector != c.want || found[0].Phase != PhaseBegan || after > c.limit {
			t.Errorf("%s: %d findings, after %v", c.name, len(found), after)
			continue
		}
		sh := found[0].Evidence.Shape
		if sh.Dst.String() != victim+"/32" || sh.DstPort != c.line.port {
			t.Errorf("%s: shape %v", c.name, sh)
		}
	}
}

func TestFloodIsToldAgainAndEnds(t *testing.T) {
	s := newSim()
	flood := line{"192.0.2.2", traffic.ClassUDP, 10_000, 0, 0, 9}
	found, _ := s.run(12*time.Second, flood)
	if len(found) != 3 || found[1].Phase != PhaseLasts || found[2].Phase != PhaseLasts {
		t.Fatalf("%d findings", len(found))
	}
	if pps := found[2].Evidence.PPS; pps < 9_500 || pps > 10_500 {
		t.Errorf("rate %v", pps)
	}
	if n := found[2].Evidence.Packets; n < 95_000 || n > 110_000 {
		t.Errorf("%d packets since it began", n)
	}
	found, after := s.run(5 * time.Second)
	if len(found) != 1 || found[0].Phase != PhaseEnded || after > quiet+2*tick {
		t.Errorf("%d findings after %v", len(found), after)
	}
	if found, _ := s.run(time.Second, flood); len(found) != 1 || found[0].Phase != PhaseBegan {
		t.Error("the next flood is not told")
	}
}

func TestVideoBesideASessionIsNoFlood(t *testing.T) {
	s := newSim()
	asked := 0
	s.d.Connected = func(netip.Addr) bool { asked++; return true }
	video := line{"192.0.2.2", traffic.ClassUDP, 3_000, 0, 0, 5004}
	if found, _ := s.run(10*time.Second, video); len(found) != 0 {
		t.Errorf("%+v", found[0].Evidence)
	}
	if asked == 0 || asked > 3 {
		t.Errorf("the sockets were looked through %d times", asked)
	}
	video.pps = 20_000
	if found, _ := s.run(time.Second, video); len(found) != 1 {
		t.Error("a session hides a flood")
	}
}

func TestManyDestinationsTogetherAreAFlood(t *testing.T) {
	var lines []line
	for i := range 100 {
		lines = append(lines, line{netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String(), traffic.ClassSYN, 20, 0, 0, 23})
	}
	found, _ := newSim().run(time.Second, lines...)
	if len(found) != 1 || found[0].Evidence.Shape.Dst.IsValid() || found[0].Evidence.Shape.DstPort != 23 {
		t.Fatalf("%+v", found)
	}
}

func TestSlowStartTeachesLittle(t *testing.T) {
	s := newSim()
	for pps := 100.0; pps < 3_900; pps *= 1.02 {
		s.run(2*time.Second, line{"192.0.2.2", traffic.ClassUDP, pps, 0, 0, 9})
	}
	if found, _ := s.run(3*time.Second, line{"192.0.2.3", traffic.ClassUDP, 8_000, 0, 0, 9}); len(found) == 0 {
		t.Error("a slow start taught the detector a flood")
	}
}
