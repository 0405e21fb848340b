package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/cilium/ebpf"
)

// blockTable is what user space keeps of the blocklist; nil until it is read
// from the kernel for the first time.
type blockTable struct {
	held map[netip.Prefix]struct{}
}

// SetBlocklist implements datapath.Datapath. Prefixes that were and stay in
// the list hold all the time; new ones hold before old ones go.
func (d *Datapath) SetBlocklist(prefixes []netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	want := make(map[netip.Prefix]struct{}, len(prefixes))
	for _, p := range prefixes {
		if !p.IsValid() || p.Addr().Zone() != "" {
			return fmt.Errorf("xdp: set blocklist: %v is not a prefix", p)
		}
		want[plainPrefix(p)] = struct{}{}
	}
	if len(want) > int(d.t.blocked) {
		return fmt.Errorf("xdp: set blocklist: %d prefixes, the table takes %d", len(want), d.t.blocked)
	}
	if err := d.readBlocklist(); err != nil {
		return fmt.Errorf("xdp: set blocklist: %w", err)
	}
	return d.changeBlocklist(want)
}

func (d *Datapath) changeBlocklist(want map[netip.Prefix]struct{}) error {
	maps := bitmapsOf(want)
	var errs []error
	changes := 0
	for p := range want {
		if _, held := d.blocked.held[p]; held {
			continue
		}
		d.beatDuring(&changes)
		if err := d.t.block(p); err != nil {
			errs = append(errs, err)
			continue
		}
		d.blocked.held[p] = struct{}{}
	}
	if len(errs) > 0 {
		// What was held still is, and new ones without a bit do nothing.
		return fmt.Errorf("xdp: set blocklist: %w", errors.Join(errs[0], fmt.Errorf("%d prefixes not taken", len(errs))))
	}
	d.switchBitmaps(maps)
	d.lookAgain()
	for p := range d.blocked.held {
		if _, wanted := want[p]; wanted {
			continue
		}
		d.beatDuring(&changes)
		if err := d.t.unblock(p); err != nil {
			return fmt.Errorf("xdp: set blocklist: %w", err)
		}
		delete(d.blocked.held, p)
	}
	return nil
}

// beatDuring keeps a long change, which Heartbeat must wait for, from looking
// like a dead process.
func (d *Datapath) beatDuring(changes *int) {
	if *changes++; *changes%4096 == 0 {
		atomic.StoreUint64(&d.t.config.Heartbeat, ktime())
	}
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

func bitmapsOf(prefixes map[netip.Prefix]struct{}) *bitmaps {
	m := &bitmaps{v4: make([]uint64, 1<<24/64), v6: make([]uint64, 3<<block6Bits/64)}
	for p := range prefixes {
		if p.Addr().Is4() {
			m.add4(p)
		} else {
			m.add6(p)
		}
	}
	return m
}

func setBit(words []uint64, bit uint32) { words[bit/64] |= 1 << (bit % 64) }

func (m *bitmaps) add4(p netip.Prefix) {
	m.any4 = true
	a := p.Addr().As4()
	first := binary.BigEndian.Uint32(a[:]) >> 8
	n := uint32(1) << max(24-p.Bits(), 0)
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

func (t *tables) trie(p netip.Prefix) (m *ebpf.Map, key any) {
	if p.Addr().Is4() {
		return t.maps["blocked4"], lpm4{Bits: uint32(p.Bits()), Addr: p.Addr().As4()}
	}
	return t.maps["blocked6"], lpm6{Bits: uint32(p.Bits()), Addr: p.Addr().As16()}
}

func (t *tables) block(p netip.Prefix) error {
	m, key := t.trie(p)
	if err := m.Put(key, uint32(1)); err != nil {
		return fmt.Errorf("block %v: %w", p, err)
	}
	return nil
}

func (t *tables) unblock(p netip.Prefix) error {
	m, key := t.trie(p)
	if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("unblock %v: %w", p, err)
	}
	return nil
}

// readBlocklist reads what the kernel holds, once.
func (d *Datapath) readBlocklist() error {
	if d.blocked.held != nil {
		return nil
	}
	held := map[netip.Prefix]struct{}{}
	var k4 lpm4
	var k6 lpm6
	var v uint32
	it := d.t.maps["blocked4"].Iterate()
	for it.Next(&k4, &v) {
		held[netip.PrefixFrom(netip.AddrFrom4(k4.Addr), int(k4.Bits))] = struct{}{}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read blocked IPv4 prefixes: %w", err)
	}
	it = d.t.maps["blocked6"].Iterate()
	for it.Next(&k6, &v) {
		held[netip.PrefixFrom(netip.AddrFrom16(k6.Addr), int(k6.Bits))] = struct{}{}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read blocked IPv6 prefixes: %w", err)
	}
	d.blocked.held = held
	return nil
}
