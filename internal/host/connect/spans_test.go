package connect

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	var list []netip.Prefix
	for _, s := range []string{"192.0.2.1/32", "192.0.2.0/32", "192.0.2.128/25", "192.0.2.200/32", "255.255.255.255/32", "255.255.255.254/32",
		"0.0.0.0/32", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "2001:db8::/33", "2001:db8:8000::/33", "ffff::/16"} {
		list = append(list, netip.MustParsePrefix(s))
	}
	four, six := spans(slices.Values(list))
	want4 := []span4{0, 0xc0000200_c0000201, 0xc0000280_c00002ff, 0xfffffffe_ffffffff}
	want6 := []span6{{wide{0x20010db800000000, 0}, wide{0x20010db8ffffffff, ^uint64(0)}}, {wide{0xffff000000000000, 0}, wide{^uint64(0), ^uint64(0)}}}
	if !slices.Equal(four, want4) || !slices.Equal(six, want6) {
		t.Errorf("%x\n%x", four, six)
	}
}

// No two ranges touch, and they hold what the prefixes hold.
func TestSpansAgreeWithPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var list []netip.Prefix
		for range 1 + r.IntN(40) {
			p := random4(r)
			b := p.Addr().As4()
			b[0], b[1] = 9, 9 // so that they meet
			list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), 16+r.IntN(17)))
		}
		four, _ := spans(slices.Values(list))
		for i := 1; i < len(four); i++ {
			if four[i].from() <= four[i-1].to()+1 {
				t.Fatalf("%v: ranges touch", list)
			}
		}
		for range 200 {
			n := 0x09090000 | r.Uint32N(1<<16)
			a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			in := slices.ContainsFunc(four, func(s span4) bool { return s.from() <= n && n <= s.to() })
			if in != slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) }) {
				t.Fatalf("%v in %v: %v", a, list, in)
			}
		}
	}
}

// The two registers of an instruction are bit fields of one byte, whose order is
// the machine's.
func TestInstructions(t *testing.T) {
	a := &assembler{}
	a.put(insn{opLoad4, 1, 6, 8, -2})
	want := []byte{opLoad4, 0x61, 8, 0, 0xfe, 0xff, 0xff, 0xff}
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		want = []byte{opLoad4, 0x16, 0, 8, 0xff, 0xff, 0xff, 0xfe}
	}
	if !slices.Equal(a.code, want) {
		t.Errorf("% x, want % x", a.code, want)
	}
}

func TestGroups(t *testing.T) {
	for text, want := range map[string]string{
		"35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw":                              "/sys/fs/cgroup",
		"24 1 0:21 / /sys rw - sysfs sysfs rw\n36 35 0:31 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n": "/sys/fs/cgroup/unified",
		"35 24 0:30 /../.. /sys/fs/cgroup rw - cgroup2 cgroup rw":                                          "",
		"35 24 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu":                                        "",
		"35 24 0:30 / /a\\040b rw - cgroup2 none rw":                                                       "",
		"": "", " - cgroup2": "", "a b c / - cgroup2": "",
	} {
		if got := ParseGroups(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParseGroups(f *testing.F) {
	f.Add("35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw")
	f.Fuzz(func(t *testing.T, text string) {
		if dir := ParseGroups(text); dir != "" && len(dir) > len(text) {
			t.Fatal(dir)
		}
	})
}
