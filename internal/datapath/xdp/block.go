package xdp

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"
)

// blockTable is what the kernel's tables hold, sorted.
type blockTable struct {
	known bool // false: it has to be read from the kernel
	v4    []prefix4
	v6    []netip.Prefix
}

// prefix4 is an IPv4 prefix as a number: the address, then the bits.
type prefix4 uint64

func prefix4Of(addr [4]byte, bits uint32) prefix4 {
	return prefix4(binary.BigEndian.Uint32(addr[:]))<<8 | prefix4(bits)
}

func (p prefix4) addr() uint32 { return uint32(p >> 8) }
func (p prefix4) bits() uint32 { return uint32(p & 0xff) }

func (p prefix4) key() (k lpm4) {
	k.Bits = p.bits()
	binary.BigEndian.PutUint32(k.Addr[:], p.addr())
	return k
}

func key6(p netip.Prefix) lpm6 { return lpm6{Bits: uint32(p.Bits()), Addr: p.Addr().As16()} }

// SetBlocklist implements datapath.Datapath. Only what differs from what the
// kernel holds is written. Prefixes that were and stay in the list hold all the
// time; new ones hold before old ones go, but for those that find no room
// beside the old ones.
func (d *Datapath) SetBlocklist(prefixes []netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	want := blockTable{known: true, v4: make([]prefix4, 0, len(prefixes))}
	for _, p := range prefixes {
		if !p.IsValid() || p.Addr().Zone() != "" {
			return fmt.Errorf("xdp: set blocklist: %v is not a prefix", p)
		}
		if a := p.Addr(); !a.Is4() || !p.IsSingleIP() {
			p = plainPrefix(p)
		}
		if p.Addr().Is4() {
			want.v4 = append(want.v4, prefix4Of(p.Addr().As4(), uint32(p.Bits())))
		} else {
			want.v6 = append(want.v6, p)
		}
	}
	want.v4 = sorted4(want.v4)
	slices.SortFunc(want.v6, netip.Prefix.Compare)
	want.v4, want.v6 = slices.Compact(want.v4), slices.Compact(want.v6)
	if most := max(len(want.v4), len(want.v6)); most > int(d.t.blocked) {
		return fmt.Errorf("xdp: set blocklist: %d prefixes of one family, the table takes %d", most, d.t.blocked)
	}
	if err := d.changeBlocklist(want); err != nil {
		d.blocked = blockTable{} // what came of it is in the kernel
		return fmt.Errorf("xdp: set blocklist: %w", err)
	}
	d.blocked = want
	return nil
}

// sorted4 sorts prefixes. Those of a large list mostly come as two sorted runs:
// addresses, then wider ones.
func sorted4(list []prefix4) []prefix4 {
	ascends := func(from int) int {
		for from++; from < len(list) && list[from-1] <= list[from]; from++ {
		}
		return min(from, len(list))
	}
	first := ascends(0)
	if first == len(list) {
		return list
	}
	if ascends(first) < len(list) {
		slices.Sort(list)
		return list
	}
	out, a, b := make([]prefix4, 0, len(list)), list[:first], list[first:]
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func (d *Datapath) changeBlocklist(want blockTable) error {
	if err := d.readBlocklist(); err != nil {
		return err
	}
	come4, gone4 := between(d.blocked.v4, want.v4, cmp.Compare)
	come6, gone6 := between(d.blocked.v6, want.v6, netip.Prefix.Compare)
	at4 := min(len(come4), int(d.t.blocked)-len(d.blocked.v4))
	at6 := min(len(come6), int(d.t.blocked)-len(d.blocked.v6))
	add := func(v4 []prefix4, v6 []netip.Prefix) error {
		return errors.Join(blockAll(d, "blocked4", v4, prefix4.key), blockAll(d, "blocked6", v6, key6))
	}
	// Without a bit in the bitmaps new ones do nothing yet.
	if err := add(come4[:at4], come6[:at6]); err != nil {
		return err
	}
	d.switchBitmaps(bitmapsOf(want.v4, want.v6))
	d.lookAgain()
	if err := errors.Join(unblockAll(d, "blocked4", gone4, prefix4.key), unblockAll(d, "blocked6", gone6, key6)); err != nil {
		return err
	}
	if at4 == len(come4) && at6 == len(come6) {
		return nil
	}
	defer d.lookAgain()
	return add(come4[at4:], come6[at6:])
}

// between gives what of two sorted lists is only in the second, and only in the
// first.
func between[K any](old, next []K, compare func(a, b K) int) (come, gone []K) {
	for len(old) > 0 || len(next) > 0 {
		c := 0
		switch {
		case len(old) == 0:
			c = 1
		case len(next) == 0:
			c = -1
		default:
			c = compare(old[0], next[0])
		}
		if c < 0 {
			gone = append(gone, old[0])
		} else if c > 0 {
			come = append(come, next[0])
		}
		if c <= 0 {
			old = old[1:]
		}
		if c >= 0 {
			next = next[1:]
		}
	}
	return come, gone
}

// blockBatch is how many prefixes go to the kernel at once. Between them the
// heartbeat is given, which a long change keeps from Heartbeat.
const blockBatch = 4096

func (d *Datapath) beatDuring() { atomic.StoreUint64(&d.t.config.Heartbeat, ktime()) }

// blockAll puts prefixes into a table.
func blockAll[P, K any](d *Datapath, table string, prefixes []P, key func(P) K) error {
	m := d.t.maps[table]
	for batch := range slices.Chunk(prefixes, blockBatch) {
		d.beatDuring()
		keys, values := keysOf(batch, key), make([]uint32, len(batch))
		for i := range values {
			values[i] = 1
		}
		n, err := m.BatchUpdate(keys, values, nil)
		if err == nil {
			continue
		}
		for i := max(n, 0); i < len(keys); i++ { // one by one where the kernel knows no batches of tries
			if err := m.Put(keys[i], values[i]); err != nil {
				return fmt.Errorf("block %+v: %w", batch[i], err)
			}
		}
	}
	return nil
}

// unblockAll takes prefixes out of a table; one that is not there is no
// failure.
func unblockAll[P, K any](d *Datapath, table string, prefixes []P, key func(P) K) error {
	m := d.t.maps[table]
	for batch := range slices.Chunk(prefixes, blockBatch) {
		d.beatDuring()
		keys := keysOf(batch, key)
		n, err := m.BatchDelete(keys, nil)
		if err == nil {
			continue
		}
		for i := max(n, 0); i < len(keys); i++ {
			if err := m.Delete(keys[i]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("unblock %+v: %w", batch[i], err)
			}
		}
	}
	return nil
}

func keysOf[P, K any](prefixes []P, key func(P) K) []K {
	keys := make([]K, len(prefixes))
	for i, p := range prefixes {
		keys[i] = key(p)
	}
	return keys
}

// switchBitmaps puts new bitmaps in the place of the old ones: first what is
// in either, so that no packet meets a state that is neither old nor new.
func (d *Datapath) switchBitmaps(m *bitmaps) {
	orInto(d.t.block4, m.v4)
	orInto(d.t.block6, m.v6)
	atomic.StoreUint32(&d.t.config.Block6Levels, d.t.config.Block6Levels|m.levels)
	d.setFeature(featureBlock4, m.any4 || d.t.config.Features&featureBlock4 != 0)
	d.setFeature(featureBlock6, m.levels != 0 || d.t.config.Features&featureBlock6 != 0)
	copyInto(d.t.block4, m.v4)
	copyInto(d.t.block6, m.v6)
	atomic.StoreUint32(&d.t.config.Block6Levels, m.levels)
	d.setFeature(featureBlock4, m.any4)
	d.setFeature(featureBlock6, m.levels != 0)
}

func orInto(dst, src []uint64) {
	for i, w := range src {
		if w&^dst[i] != 0 {
			atomic.StoreUint64(&dst[i], dst[i]|w)
		}
	}
}

func copyInto(dst, src []uint64) {
	for i, w := range src {
		if dst[i] != w {
			atomic.StoreUint64(&dst[i], w)
		}
	}
}

// bitmaps are the pre-checks of the blocklist (bpf/include/block.h).
type bitmaps struct {
	v4, v6 []uint64
	any4   bool
	levels uint32
}

func bitmapsOf(v4 []prefix4, v6 []netip.Prefix) *bitmaps {
	m := &bitmaps{v4: make([]uint64, 1<<24/64), v6: make([]uint64, 3<<block6Bits/64), any4: len(v4) > 0}
	for _, p := range v4 {
		m.add4(p)
	}
	for _, p := range v6 {
		m.add6(p)
	}
	return m
}

func setBit(words []uint64, bit uint32) { words[bit/64] |= 1 << (bit % 64) }

func (m *bitmaps) add4(p prefix4) {
	first := p.addr() >> 8
	n := uint32(1) << max(24-int(p.bits()), 0)
	for i := range n {
		setBit(m.v4, first+i)
	}
}

func (m *bitmaps) add6(p netip.Prefix) {
	a := p.Addr().As16()
	high := binary.BigEndian.Uint64(a[:8])
	switch bits := p.Bits(); {
	case bits >= 48:
		m.levels |= 4
		setBit(m.v6, 2<<block6Bits+block6Hash(high>>16))
	case bits >= 32:
		m.levels |= 2
		setBit(m.v6, 1<<block6Bits+block6Hash(high>>32))
	default:
		m.levels |= 1
		for i := range uint32(1) << max(16-bits, 0) {
			setBit(m.v6, uint32(high>>48)+i)
		}
	}
}

func block6Hash(prefix uint64) uint32 {
	return uint32((prefix * 0x9E3779B97F4A7C15) >> (64 - block6Bits))
}

// readBlocklist reads what the kernel holds, when it is not known.
func (d *Datapath) readBlocklist() error {
	if d.blocked.known {
		return nil
	}
	held := blockTable{known: true}
	var k4 lpm4
	var k6 lpm6
	var v uint32
	it := d.t.maps["blocked4"].Iterate()
	for it.Next(&k4, &v) {
		held.v4 = append(held.v4, prefix4Of(k4.Addr, k4.Bits))
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read blocked IPv4 prefixes: %w", err)
	}
	it = d.t.maps["blocked6"].Iterate()
	for it.Next(&k6, &v) {
		held.v6 = append(held.v6, netip.PrefixFrom(netip.AddrFrom16(k6.Addr), int(k6.Bits)))
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read blocked IPv6 prefixes: %w", err)
	}
	slices.Sort(held.v4)
	slices.SortFunc(held.v6, netip.Prefix.Compare)
	d.blocked = held
	return nil
}
