package xdp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
)

// TestBlocklistHoldsWhatWasSetLast: however lists differ, with a table that is
// full as well, also for a process that comes after another.
func TestBlocklistHoldsWhatWasSetLast(t *testing.T) {
	contract.NewRig(t)
	const room = 6000
	cfg := Config{PinDir: t.TempDir(), MaxBlocked: room}
	d := openTest(t, cfg)
	r := rand.New(rand.NewPCG(1, 1))
	address := func() netip.Prefix {
		var b [16]byte
		binary.BigEndian.PutUint32(b[:], 0x20010000+r.Uint32N(1<<12))
		binary.BigEndian.PutUint64(b[8:], r.Uint64())
		if r.IntN(2) == 0 {
			p, _ := netip.AddrFrom16(b).Prefix(32 + r.IntN(97))
			return p
		}
		p, _ := netip.AddrFrom4([4]byte{9, byte(r.IntN(256)), b[8], b[9]}).Prefix(16 + r.IntN(17))
		return p
	}
	var list []netip.Prefix
	for round := range 7 {
		count := map[bool]int{}
		list = slices.DeleteFunc(list, func(p netip.Prefix) bool { return r.IntN(4) == 0 })
		slices.SortFunc(list, netip.Prefix.Compare)
		list = slices.Compact(list)
		for _, p := range list {
			count[p.Addr().Is4()]++
		}
		for range 20 * room { // until both tables are full
			if p := address(); count[p.Addr().Is4()] < room && !slices.Contains(list[max(0, len(list)-4):], p) {
				list = append(list, p)
				count[p.Addr().Is4()]++
			}
		}
		check(t, d.SetBlocklist(list))
		want := map[netip.Prefix]bool{}
		for _, p := range list {
			want[p.Masked()] = true
		}
		got := held(t, d)
		for p := range want {
			if !got[p] {
				t.Fatalf("round %d: %v is not in the kernel", round, p)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("round %d: %d prefixes in the kernel, want %d", round, len(got), len(want))
		}
		if round == 3 { // what a process left the next one reads
			check(t, d.Close())
			d = openTest(t, cfg)
		}
	}
	before := len(held(t, d))
	var over []netip.Prefix
	for i := range room + 1 {
		over = append(over, netip.PrefixFrom(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), 32))
	}
	if err := d.SetBlocklist(over); err == nil || len(held(t, d)) != before {
		t.Errorf("more than there is room for: %v", err)
	}
	check(t, d.SetBlocklist(nil))
	if got := held(t, d); len(got) != 0 {
		t.Errorf("%d prefixes stay", len(got))
	}
	check(t, d.Detach())
}

// TestSparedDevices: the blocklist holds for all but those that are spared, in
// both directions, also for a flow that was looked at before.
func TestSparedDevices(t *testing.T) {
	contract.NewRig(t)
	d := openTest(t, Config{PinDir: t.TempDir()})
	defer func() { check(t, d.Detach()) }()
	bad := netip.MustParseAddr("203.0.113.9")
	one := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 1}}
	other := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 2}}
	passes := func(device datapath.DeviceKey) bool {
		action, _, err := d.ports[0].prog.Test(contract.Frame{Device: device, Dst: bad}.Build())
		check(t, err)
		return action != 1 // XDP_DROP
	}
	check(t, d.SetBlocklist([]netip.Prefix{netip.PrefixFrom(bad, 32)}))
	for _, step := range []struct {
		spared     []datapath.DeviceKey
		one, other bool
	}{{nil, false, false}, {[]datapath.DeviceKey{one}, true, false}, {[]datapath.DeviceKey{other}, false, true}, {nil, false, false}} {
		check(t, d.SetSpared(step.spared))
		for range 2 {
			if passes(one) != step.one || passes(other) != step.other {
				t.Errorf("spared %v: %v and %v pass", step.spared, passes(one), passes(other))
			}
		}
	}
}

func held(t *testing.T, d *Datapath) map[netip.Prefix]bool {
	t.Helper()
	got := map[netip.Prefix]bool{}
	each := func(m *ebpf.Map, key any, prefix func() netip.Prefix) {
		var v uint32
		it := m.Iterate()
		for it.Next(key, &v) {
			got[prefix()] = true
		}
		check(t, it.Err())
	}
	var k4 lpm4
	var k6 lpm6
	each(d.t.maps["blocked4"], &k4, func() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4(k4.Addr), int(k4.Bits)) })
	each(d.t.maps["blocked6"], &k6, func() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom16(k6.Addr), int(k6.Bits)) })
	return got
}

func TestSorted4(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 400 {
		var list []prefix4
		for range round % 4 { // runs
			var run []prefix4
			for range r.IntN(9) {
				run = append(run, prefix4(r.IntN(30)))
			}
			slices.Sort(run)
			list = append(list, run...)
		}
		want := slices.Sorted(slices.Values(list))
		if got := sorted4(slices.Clone(list)); !slices.Equal(got, want) {
			t.Fatalf("%v becomes %v", list, got)
		}
	}
}
