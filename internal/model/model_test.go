package model

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestID(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 123e6, time.UTC)
	id := NewID(now)
	if !id.Time().Equal(now) {
		t.Errorf("time %v, want %v", id.Time(), now)
	}
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		t.Errorf("%s is not a version 7 UUID", id)
	}
	back, err := ParseID(id.String())
	if err != nil || back != id {
		t.Errorf("ParseID(%s) = %s, %v", id, back, err)
	}
	if later := NewID(now.Add(time.Millisecond)); later.String() <= id.String() {
		t.Errorf("%s made later sorts before %s", later, id)
	}
	for _, bad := range []string{"x", strings.Repeat("g", 36), "0192f0c1x2b3c-7d4e-8f50-617283940516"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) took it", bad)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0192f0c1-2b3c-7d4e-8f50-617283940516")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && !strings.EqualFold(id.String(), s) && !id.IsZero() {
			t.Errorf("%q came back as %q", s, id)
		}
	})
}

func TestDeviceID(t *testing.T) {
	mac := [6]byte{2, 0, 0, 0, 0x0a, 0xff}
	for vlan, want := range map[uint16]string{0: "mac-020000000aff", 7: "mac-020000000aff.v7", 4094: "mac-020000000aff.v4094"} {
		id := NewDeviceID(mac, vlan)
		if string(id) != want {
			t.Errorf("NewDeviceID(%d) = %s, want %s", vlan, id, want)
		}
		m, v, err := id.MAC()
		if err != nil || m != mac || v != vlan {
			t.Errorf("%s.MAC() = %x, %d, %v", id, m, v, err)
		}
	}
	for _, bad := range []DeviceID{"", "mac-", "mac-02000000zzff", "mac-020000000aff.v", "mac-020000000aff.v0", "mac-020000000aff.v4095", "mac-020000000affx"} {
		if _, _, err := bad.MAC(); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestShapeText(t *testing.T) {
	dst := netip.MustParsePrefix("203.0.113.10/32")
	for want, s := range map[string]Shape{
		"anything": {},
		"UDP to 203.0.113.10 port 9000, 540 bytes":                  {Proto: 17, Dst: dst, DstPort: 9000, LenMin: 540, LenMax: 540},
		"TCP SYN to 203.0.113.10 port 80, at most 60 bytes":         {Proto: 6, Dst: dst, DstPort: 80, LenMax: 60, TCPFlags: TCPSyn, TCPMask: TCPSyn | TCPAck},
		"UDP from forged sources to 203.0.113.0/24, 40 to 90 bytes": {Proto: 17, Dst: netip.MustParsePrefix("203.0.113.0/24"), LenMin: 40, LenMax: 90, Spoofed: true},
		"IP protocol 99 from port 5":                                {Proto: 99, SrcPort: 5},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// packet is what the slow oracle of TestCovers matches shapes with.
type packet struct {
	proto, flags uint8
	dst          netip.Addr
	dport, sport uint16
	length       uint16
	spoofed      bool
}

func (s Shape) matches(p packet) bool {
	return (s.Proto == 0 || s.Proto == p.proto) &&
		(!s.Dst.IsValid() || s.Dst.Contains(p.dst)) &&
		(s.DstPort == 0 || s.DstPort == p.dport) && (s.SrcPort == 0 || s.SrcPort == p.sport) &&
		p.length >= s.LenMin && (s.LenMax == 0 || p.length <= s.LenMax) &&
		p.flags&s.TCPMask == s.TCPFlags && (!s.Spoofed || p.spoofed)
}

func randomShape(r *rand.Rand) Shape {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	var s Shape
	if !pick(3) {
		s.Proto = uint8(6 + r.IntN(2))
	}
	if !pick(3) {
		s.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(4))}), 30+r.IntN(3)).Masked()
	}
	if pick(2) {
		s.DstPort = uint16(1 + r.IntN(2))
	}
	if pick(2) {
		s.LenMin = uint16(r.IntN(3))
		s.LenMax = s.LenMin + uint16(r.IntN(3))
	}
	if pick(2) {
		s.TCPMask = uint8(r.IntN(4))
		s.TCPFlags = uint8(r.IntN(4)) & s.TCPMask
	}
	s.Spoofed = pick(4)
	return s
}

// TestCovers holds Covers and Join against the packets themselves.
func TestCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []packet
	for n := range 2 * 4 * 4 * 2 * 6 * 2 {
		all = append(all, packet{proto: uint8(6 + n%2), flags: uint8(n / 2 % 4), dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(n / 8 % 4)}),
			dport: uint16(1 + n/32%2), length: uint16(n / 64 % 6), spoofed: n/384%2 == 1})
	}
	covered := 0
	for range 3000 {
		a, b := randomShape(r), randomShape(r)
		if a.SameTraffic(b) {
			if j := a.Join(b); !j.Covers(a) || !j.Covers(b) {
				t.Fatalf("join %v does not cover %v and %v", j, a, b)
			}
		}
		if !a.Covers(b) {
			continue
		}
		covered++
		for _, p := range all {
			if b.matches(p) && !a.matches(p) {
				t.Fatalf("%+v should cover %+v but misses %+v", a, b, p)
			}
		}
	}
	if covered < 50 {
		t.Errorf("only %d pairs covered: the test does not test", covered)
	}
}

func TestActionJSONRoundTrip(t *testing.T) {
	a := Action{ID: NewID(time.Now()), Kind: ActionDrop, Mode: ModeEnforce, State: ActionActive,
		Shape: Shape{Proto: 17, Dst: netip.MustParsePrefix("192.0.2.1/32")}, Created: time.Unix(1, 0).UTC()}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"ended"`) {
		t.Errorf("an unset time is written: %s", b)
	}
	var back Action
	if err := json.Unmarshal(b, &back); err != nil || back.ID != a.ID || back.Shape != a.Shape {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

func TestNames(t *testing.T) {
	for l := LayerDevice; l <= LayerData; l++ {
		if back, err := ParseLayer(l.String()); err != nil || back != l {
			t.Errorf("layer %d: %v %v", l, back, err)
		}
	}
	for s := SeverityInfo; s <= SeverityCritical; s++ {
		if back, err := ParseSeverity(s.String()); err != nil || back != s {
			t.Errorf("severity %d: %v %v", s, back, err)
		}
	}
	if _, err := ParseSeverity("dire"); err == nil || !strings.Contains(err.Error(), "critical") {
		t.Errorf("want the known severities in the error, got %v", err)
	}
}
