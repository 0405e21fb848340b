package xdp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/model"
)

// The oracle: what the inside program must decide, written for being right
// and not for being fast, and without looking at how the program does it.

// seen is what a frame says.
type seen struct {
	device           datapath.DeviceKey
	ip               bool
	src, dst         netip.Addr
	proto            uint8
	srcPort, dstPort uint16
	flags            uint8
	l4               bool
	length           int
	class            datapath.Class
	dns, http, bare  bool
	discovery        bool
}

// look reads a frame; false: it is malformed.
func look(f []byte) (s seen, ok bool) {
	if len(f) < 14 {
		return s, false
	}
	copy(s.device.MAC[:], f[6:12])
	kind, rest := binary.BigEndian.Uint16(f[12:]), f[14:]
	for tag := 0; tag < 2 && (kind == 0x8100 || kind == 0x88a8 || kind == 0x9100); tag++ {
		if len(rest) < 4 {
			return s, false
		}
		if tag == 0 {
			s.device.VLAN = binary.BigEndian.Uint16(rest) & 0xfff
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	s.length = len(rest)
	switch kind {
	case 0x0800:
		return look4(s, rest)
	case 0x86dd:
		return look6(s, rest)
	}
	return s, true
}

func look4(s seen, b []byte) (seen, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return s, false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) {
		return s, false
	}
	s.ip, s.length, s.proto = true, total, b[9]
	s.src, s.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	fragment := binary.BigEndian.Uint16(b[6:])
	if fragment&0x1fff != 0 {
		return s, true
	}
	return look7(s, b[header:total], fragment&0x2000 == 0)
}

func extension(p uint8) bool {
	switch p {
	case 0, 43, 44, 51, 60, 135:
		return true
	}
	return false
}

func look6(s seen, b []byte) (seen, bool) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return s, false
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return s, false
	}
	s.ip, s.length, s.proto = true, total, b[6]
	s.src, s.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	at, whole := 40, true
	for n := 0; n < 8 && extension(s.proto); n++ {
		if at+8 > total {
			return s, false
		}
		size := (int(b[at+1]) + 1) * 8
		switch s.proto {
		case 51:
			size = (int(b[at+1]) + 2) * 4
		case 44:
			size = 8
			fragment := binary.BigEndian.Uint16(b[at+2:])
			if fragment&0xfff8 != 0 {
				s.proto = b[at]
				return s, true
			}
			whole = fragment&1 == 0
		}
		s.proto = b[at]
		at += size
		if at > total || at > 0xfff {
			return s, false
		}
	}
	if extension(s.proto) {
		return s, true
	}
	return look7(s, b[at:total], whole)
}

// look7 reads what is above IP.
func look7(s seen, b []byte, whole bool) (seen, bool) {
	least := map[uint8]int{1: 4, 58: 4, 6: 20, 17: 8, 33: 8, 132: 8, 136: 8}[s.proto]
	if len(b) < least {
		return s, false
	}
	if least == 0 {
		return s, true
	}
	s.l4 = true
	switch s.proto {
	case 1, 58:
		s.discovery = s.proto == 58 && s.src.Is6() && b[0] >= 133 && b[0] <= 137
		return s, true
	case 6:
		header := int(b[12]>>4) * 4
		if header < 20 || header > len(b) && whole {
			return s, false
		}
		s.flags = b[13]
		payload := b[min(header, len(b)):]
		s.bare = len(payload) == 0 && whole && s.flags&0x17 == 0x10
		toDNS := binary.BigEndian.Uint16(b[2:]) == 53
		s.dns = toDNS && len(payload) >= 5 && payload[4]&0x80 == 0
		s.http = !toDNS && len(payload) >= 5 && contract.BeginsHTTP(payload)
	case 17:
		s.dns = binary.BigEndian.Uint16(b[2:]) == 53 && len(b) >= 12 && b[10]&0x80 == 0
	}
	s.srcPort, s.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return s, true
}

// oracle holds the state that decisions depend on.
type oracle struct {
	rules     []datapath.Rule
	blocked   []netip.Prefix
	inside    []netip.Prefix
	antiSpoof bool
}

func (o *oracle) spoofed(s *seen) bool {
	if !s.ip || len(o.inside) == 0 || s.src.IsUnspecified() || s.src.IsLinkLocalUnicast() {
		return false
	}
	return !within(o.inside, s.src)
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (o *oracle) matches(r *datapath.Rule, s *seen, spoofed bool) bool {
	h := r.Shape
	switch {
	case r.Device != (datapath.DeviceKey{}) && r.Device != s.device,
		h.Proto != 0 && (!s.ip || h.Proto != s.proto),
		h.Dst.IsValid() && (!s.ip || !h.Dst.Contains(s.dst)),
		h.DstPort != 0 && h.DstPort != s.dstPort,
		h.SrcPort != 0 && h.SrcPort != s.srcPort,
		(h.LenMin != 0 || h.LenMax != 0) && !s.ip,
		s.length < int(h.LenMin),
		h.LenMax != 0 && s.length > int(h.LenMax),
		h.TCPMask != 0 && (!s.ip || s.proto != 6 || !s.l4 || s.flags&h.TCPMask != h.TCPFlags),
		h.Spoofed && !spoofed:
		return false
	}
	return true
}

// decide says what becomes of the frame, in words that name a counter.
func (o *oracle) decide(f []byte) (s seen, what string) {
	s, ok := look(f)
	if !ok {
		return s, "malformed"
	}
	spoofed := o.spoofed(&s)
	s.class = classOf(&s, spoofed)
	for i := range o.rules {
		if o.rules[i].Verdict == datapath.VerdictDrop && o.matches(&o.rules[i], &s, spoofed) {
			return s, "rule"
		}
	}
	if s.ip && within(o.blocked, s.dst) {
		return s, "blocklist"
	}
	if spoofed && o.antiSpoof {
		return s, "spoofed"
	}
	return s, "forwarded"
}

func classOf(s *seen, spoofed bool) datapath.Class {
	switch {
	case spoofed:
		return datapath.ClassSpoofed
	case !s.ip:
		return datapath.ClassOther
	case s.proto == 6 && s.flags&0x12 == 0x02:
		return datapath.ClassSYN
	case s.proto == 6 && s.bare:
		return datapath.ClassACK
	case s.proto == 6:
		return datapath.ClassTCP
	case s.proto == 17 && s.dstPort == 53:
		return datapath.ClassDNS
	case s.proto == 17:
		return datapath.ClassUDP
	case s.proto == 1 && s.src.Is4(), s.proto == 58 && s.src.Is6() && !s.discovery:
		return datapath.ClassICMP
	}
	return datapath.ClassOther
}

// testOracle is the state both sides get.
func testOracle() *oracle {
	p := netip.MustParsePrefix
	drop := func(id datapath.RuleID, s model.Shape) datapath.Rule {
		return datapath.Rule{ID: id, Verdict: datapath.VerdictDrop, Shape: s}
	}
	tagged := drop(9, model.Shape{LenMin: 90, LenMax: 120})
	tagged.Device = datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0xa, 1}, VLAN: 7}
	return &oracle{
		rules: []datapath.Rule{
			drop(1, model.Shape{Proto: 17, DstPort: 80}),
			drop(2, model.Shape{Dst: p("203.0.113.0/28"), Proto: 6, TCPFlags: 2, TCPMask: 0x12}),
			drop(3, model.Shape{Dst: p("2001:db8:bad::/48"), DstPort: 443}),
			drop(4, model.Shape{SrcPort: 4444}),
			drop(5, model.Shape{Spoofed: true, Proto: 1}),
			drop(6, model.Shape{TCPFlags: 0, TCPMask: 0x3f}),
			drop(7, model.Shape{Proto: 47}),
			{ID: 8, Verdict: datapath.VerdictCount},
			tagged,
		},
		blocked:   []netip.Prefix{p("198.51.100.0/25"), p("203.0.113.77/32"), p("2001:db8:eee::/44")},
		inside:    []netip.Prefix{p("192.168.7.0/24"), p("2001:db8:7::/48"), p("10.0.0.0/8"), p("172.16.0.0/12")},
		antiSpoof: true,
	}
}

// verdictBench is a data path whose inside program runs on frames given.
type verdictBench struct {
	t  testing.TB
	dp *Datapath
	o  *oracle
}

func newVerdictBench(t testing.TB) *verdictBench {
	contract.NewRig(t)
	v := &verdictBench{t: t, dp: openTest(t, Config{PinDir: t.TempDir()})}
	t.Cleanup(func() { check(t, v.dp.Detach()) })
	v.install(testOracle())
	return v
}

func (v *verdictBench) install(o *oracle) {
	v.t.Helper()
	v.o = o
	check(v.t, v.dp.SetRules(o.rules))
	check(v.t, v.dp.SetBlocklist(o.blocked))
	check(v.t, v.dp.SetInside(o.inside, o.antiSpoof))
}

// compare runs the frame through program and oracle.
func (v *verdictBench) compare(frame []byte) {
	v.t.Helper()
	before, err := v.dp.Totals()
	check(v.t, err)
	s, want := v.o.decide(frame)
	var classes [datapath.NumClasses]uint64
	if want != "malformed" {
		classes = v.classes(s.device)
	}
	action, out, err := v.dp.ports[0].prog.Test(frame)
	check(v.t, err)
	after, err := v.dp.Totals()
	check(v.t, err)
	have := difference(before, after)
	if have != want || (action == 4) != (want == "forwarded") {
		v.t.Fatalf("frame %x: %s (action %d), oracle says %s of %+v", frame, have, action, want, s)
	}
	if string(out) != string(frame) {
		v.t.Fatalf("frame %x changed to %x", frame, out)
	}
	if want == "malformed" || s.device == (datapath.DeviceKey{}) {
		return
	}
	classes[s.class]++
	if got := v.classes(s.device); got != classes {
		v.t.Fatalf("frame %x: classes %v, oracle says %v", frame, got, classes)
	}
	if s.ip {
		v.compareFlow(frame, &s)
	}
}

func (v *verdictBench) classes(key datapath.DeviceKey) (out [datapath.NumClasses]uint64) {
	i, err := v.dp.insertDevice(keyWord(key))
	if err != nil {
		return out
	}
	var d datapath.DeviceCounter
	v.dp.fillDevice(&d, keyWord(key), i)
	for c := range out {
		out[c] = d.Classes[c].Packets
	}
	return out
}

// compareFlow checks that the frame's flow is there with what the frame says.
func (v *verdictBench) compareFlow(frame []byte, s *seen) {
	v.t.Helper()
	key := datapath.FlowKey{Device: s.device, Dst: s.dst, Proto: s.proto, DstPort: s.dstPort}
	found := false
	check(v.t, v.dp.ReadFlows(func(f *datapath.FlowCounter) {
		if f.FlowKey != key {
			return
		}
		found = true
		n := uint16(min(s.length, 0xffff))
		if n < f.LenMin || n > f.LenMax || s.srcPort < f.SrcPortMin || s.srcPort > f.SrcPortMax ||
			(s.dns && f.DNSQueries == 0) || (s.bare && f.BareAck == 0) || (s.http && f.HTTPRequests == 0) {
			v.t.Fatalf("frame %x: flow %+v, oracle says %+v", frame, *f, *s)
		}
	}))
	if !found {
		v.t.Fatalf("frame %x: no flow %+v", frame, key)
	}
}

// difference names the counter that rose.
func difference(a, b datapath.Totals) string {
	what := ""
	for name, n := range map[string]uint64{
		"forwarded": b.Forwarded - a.Forwarded, "rule": b.DroppedRule - a.DroppedRule,
		"blocklist": b.DroppedBlocklist - a.DroppedBlocklist, "ceiling": b.DroppedCeiling - a.DroppedCeiling,
		"fail": b.DroppedFail - a.DroppedFail, "spoofed": b.DroppedSpoofed - a.DroppedSpoofed,
		"malformed": b.Malformed - a.Malformed,
	} {
		if n != 0 {
			what += name
		}
		if n > 1 {
			what += fmt.Sprint(n)
		}
	}
	return what
}

// randomFrame makes a frame that is nearly right, then often breaks it.
func randomFrame(r *rand.Rand) []byte {
	pick := func(v ...string) netip.Addr { return netip.MustParseAddr(v[r.IntN(len(v))]) }
	port := func() uint16 { return []uint16{0, 53, 80, 443, 4444, uint16(r.Uint32())}[r.IntN(6)] }
	f := contract.Frame{
		Device:  datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0xa, byte(r.IntN(3))}, VLAN: []uint16{0, 0, 7}[r.IntN(3)]},
		SrcPort: port(), DstPort: port(),
		Proto: []uint8{6, 6, 17, 17, 1, 58, 47, 132, 50, uint8(r.Uint32())}[r.IntN(10)],
		Flags: uint8(r.Uint32()), Payload: make([]byte, r.IntN(80)),
	}
	if r.IntN(3) == 0 {
		f.Flags = []uint8{2, 16, 18, 0}[r.IntN(4)]
	}
	if r.IntN(8) == 0 {
		f.Tags = []uint16{uint16(r.Uint32())}
	}
	for i := range f.Payload {
		f.Payload[i] = byte(r.Uint32())
	}
	if r.IntN(4) == 0 {
		f.Payload = append([]byte("GET / HTTP/1.1"), f.Payload...)
	}
	if r.IntN(2) == 0 {
		f.Src, f.Dst = pick("192.168.7.9", "10.1.2.3", "0.0.0.0", "169.254.1.1", "8.8.8.8"), pick("203.0.113.5", "203.0.113.77", "198.51.100.3", "198.51.100.200", "1.1.1.1")
		f.Options = make([]byte, 4*r.IntN(3))
		f.Fragment = []uint16{0, 0, 0, 0x2000, 0x10, 0x2010, 0x4000}[r.IntN(7)]
	} else {
		f.Src, f.Dst = pick("2001:db8:7::9", "fe80::9", "::", "2001:db8:9::9"), pick("2001:db8:bad::1", "2001:db8:eee::1", "2001:db8:1::1")
		addExtensions(r, &f)
	}
	b := f.Build()
	for range r.IntN(3) {
		b[12+r.IntN(min(len(b)-12, 60))] = byte(r.Uint32())
	}
	if r.IntN(6) == 0 {
		b = b[:14+r.IntN(len(b)-13)]
	}
	return b
}

func addExtensions(r *rand.Rand, f *contract.Frame) {
	n := []int{0, 0, 1, 2, 3, 9}[r.IntN(6)]
	if n == 0 {
		return
	}
	kinds := []uint8{0, 43, 44, 51, 60, 135}
	f.Next = kinds[r.IntN(len(kinds))]
	for i := range n {
		next := f.Proto
		if i < n-1 {
			next = kinds[r.IntN(len(kinds))]
		}
		h := make([]byte, 8)
		h[0] = next
		if r.IntN(4) == 0 {
			h[1], h[2], h[3] = byte(r.IntN(3)), byte(r.IntN(2)), byte(r.Uint32())
		}
		f.Options = append(f.Options, h...)
	}
}

// TestVerdictsAgainstOracle runs random frames through both. Every 200 frames
// the rules change: with those that no flow is exempt from (a source port, a
// rule for all), without them, and with none, so that what was remembered of
// a flow must be forgotten.
func TestVerdictsAgainstOracle(t *testing.T) {
	v := newVerdictBench(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	states := []*oracle{testOracle(), testOracle(), {}}
	states[1].rules = slices.DeleteFunc(states[1].rules, func(r datapath.Rule) bool { return r.ID == 4 || r.ID == 8 })
	n := 4000
	if testing.Short() {
		n = 800
	}
	decided := map[string]int{}
	for i := range n {
		if i%200 == 0 {
			v.install(states[r.IntN(len(states))])
		}
		f := randomFrame(r)
		_, what := v.o.decide(f)
		decided[what]++
		v.compare(f)
	}
	for _, what := range []string{"malformed", "rule", "blocklist", "spoofed", "forwarded"} {
		if decided[what] == 0 {
			t.Errorf("no frame was %s: %v", what, decided)
		}
	}
}

// FuzzVerdict lets the fuzzer look for frames that program and oracle
// disagree about.
func FuzzVerdict(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		f.Add(randomFrame(r))
	}
	v := newVerdictBench(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 3000 {
			t.Skip()
		}
		v.t = t
		v.compare(frame)
	})
}
