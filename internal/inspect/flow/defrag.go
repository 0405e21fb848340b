package flow

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// FragmentEvents say what is wrong with a fragment; each is a decoder event of
// its IP version.
type FragmentEvents uint8

// The events.
const (
	FragTooLarge      FragmentEvents = 1 << iota // it ends beyond 65,535 bytes
	FragOverlap                                  // it overlaps another
	FragIgnored                                  // no room: it was not kept
	FragInvalidLength                            // not the last, and no multiple of 8 bytes long
)

// Names gives the decoder events' names in rules ("ipv4.frag_overlap").
func (e FragmentEvents) Names(version uint8) []string {
	prefix := "ipv4."
	if version == 6 {
		prefix = "ipv6."
	}
	var names []string
	for i, n := range [...]string{"frag_pkt_too_large", "frag_overlap", "frag_ignored", "frag_invalid_length"} {
		if e&(1<<i) != 0 {
			names = append(names, prefix+n)
		}
	}
	return names
}

// Defragmented is what Table.Defrag says of a fragment.
type Defragmented struct {
	// Whole is the datagram that the fragment completed, from its IP header, with
	// lengths, offsets and header checksum mended; nil while parts are missing. It
	// is valid until the next call of Defrag.
	Whole  []byte
	Events FragmentEvents
	Drop   bool // exception policy: no room
}

const maxDatagram = 65535

// fragments puts datagrams together (RFC 791, RFC 8200). Overlaps are settled
// as the receiver's system does it: BSD when nothing is said, else by host
// policy. Datagrams that stay incomplete are forgotten after the time-out, the
// oldest first when there is no more room.
type fragments struct {
	cfg      DefragConfig
	arena    arena
	trackers slab[tracker]
	pieces   slab[piece]
	buckets  [1 << 10]int32
	first    int32 // oldest
	last     int32
	whole    []byte
}

// tracker is one datagram under way.
type tracker struct {
	src, dst   packet.Addr
	vlan       [3]uint16
	id         uint32
	proto      uint8
	version    uint8
	depth      uint8
	os         OS
	next6      uint8 // IPv6: the next header after the fragment header, of the first fragment
	begun      int64
	total      uint32 // length of the payload, 0 while the last fragment is missing
	have       uint32 // bytes of payload
	head       block  // IP header of the fragment at offset 0
	headLen    uint16
	first      int32 // pieces by offset
	chain      int32 // bucket
	prev, next int32 // age
	hash       uint32
}

// piece is bytes of a datagram; from and to are those of the fragment that
// brought them.
type piece struct {
	off, end uint32
	from, to uint32
	blk      block
	next     int32
}

func (x *fragments) init(cfg DefragConfig) {
	x.cfg = cfg
	x.arena.limit = cfg.Memory
	x.first, x.last = -1, -1
	for i := range x.buckets {
		x.buckets[i] = -1
	}
}

// fragment is what one packet carries of a datagram.
type fragment struct {
	head []byte // header without fragment header
	data []byte
	off  uint32
	more bool
	next uint8
}

// Defrag takes a fragment (Packet.Has has HasFragment).
func (t *Table) Defrag(p *packet.Packet) Defragmented {
	var r Defragmented
	t.tick(p.Time)
	t.expireFragments()
	t.stats.Fragments++
	f, ok := readFragment(p)
	if !ok {
		return r
	}
	if f.more && len(f.data)%8 != 0 && p.IPVersion == 6 {
		r.Events |= FragInvalidLength
	}
	end := f.off + uint32(len(f.data))
	if end+uint32(len(f.head)) > maxDatagram && (p.IPVersion == 4 || end > maxDatagram) {
		r.Events |= FragTooLarge
		return r
	}
	x := &t.frags
	n := x.tracker(t, p)
	if n < 0 || !x.insert(n, &f, &r) {
		r.Events |= FragIgnored
		t.stats.FragmentsMemcap++
		r.Drop = t.cfg.Defrag.MemcapPolicy >= PolicyDropPacket && t.cfg.Defrag.MemcapPolicy <= PolicyReject
		return r
	}
	k := x.trackers.at(n)
	if k.total > 0 && k.have == k.total && !k.head.none() {
		r.Whole = x.build(k)
		x.forget(n)
		t.stats.Reassembled++
	}
	return r
}

func readFragment(p *packet.Packet) (fragment, bool) {
	b := p.L3
	if p.IPVersion == 4 {
		if len(b) < 20 {
			return fragment{}, false
		}
		n := int(b[0]&15) * 4
		if n < 20 || len(b) <= n {
			return fragment{}, false
		}
		word := binary.BigEndian.Uint16(b[6:])
		return fragment{head: b[:n], data: b[n:], off: uint32(word&0x1fff) * 8, more: word&0x2000 != 0}, true
	}
	if len(b) < 48 {
		return fragment{}, false
	}
	at, kind := 40, b[6]
	for kind == 0 || kind == 43 || kind == 60 {
		if len(b) < at+8 {
			return fragment{}, false
		}
		kind, at = b[at], at+int(b[at+1])*8+8
	}
	if kind != 44 || len(b) <= at+8 {
		return fragment{}, false
	}
	word := binary.BigEndian.Uint16(b[at+2:])
	return fragment{head: b[:at], data: b[at+8:], off: uint32(word &^ 7), more: word&1 != 0, next: b[at]}, true
}

// tracker finds or makes the datagram that the packet is a part of; -1 when
// there is no room.
func (x *fragments) tracker(t *Table, p *packet.Packet) int32 {
	k := key{src: p.Src, dst: p.Dst, sp: p.IPID, dp: p.IPID, proto: 0, depth: p.Depth}
	if t.cfg.UseVLAN {
		k.vlan = p.VLAN
	}
	proto := p.Proto
	if p.IPVersion == 6 {
		proto = 0
	}
	t.hash(&k)
	bucket := &x.buckets[k.hash&uint32(len(x.buckets)-1)]
	for n := *bucket; n >= 0; n = x.trackers.at(n).chain {
		c := x.trackers.at(n)
		if c.hash == k.hash && c.id == p.IPID && c.src == p.Src && c.dst == p.Dst && c.vlan == k.vlan &&
			c.proto == proto && c.version == p.IPVersion && c.depth == p.Depth {
			return n
		}
	}
	if x.trackers.used >= x.cfg.MaxTrackers && x.first >= 0 {
		t.loseFragments(x.first)
	}
	n := x.trackers.take()
	*x.trackers.at(n) = tracker{
		src: p.Src, dst: p.Dst, vlan: k.vlan, id: p.IPID, proto: proto, version: p.IPVersion, depth: p.Depth,
		os: t.osOf(p.Dst, p.IPVersion), begun: t.now, first: -1, hash: k.hash, chain: *bucket, prev: x.last, next: -1,
	}
	*bucket = n
	if x.last >= 0 {
		x.trackers.at(x.last).next = n
	} else {
		x.first = n
	}
	x.last = n
	return n
}

// insert keeps the fragment's bytes; false when there is no room.
func (x *fragments) insert(n int32, f *fragment, r *Defragmented) bool {
	k := x.trackers.at(n)
	end := f.off + uint32(len(f.data))
	if f.off == 0 && k.head.none() {
		blk, ok := x.arena.take(len(f.head))
		if !ok {
			return false
		}
		copy(x.arena.bytes(blk), f.head)
		k.head, k.headLen, k.next6 = blk, uint16(len(f.head)), f.next
	}
	if !f.more && (k.total == 0 || end > k.total) {
		k.total = end
	}
	prev, i := int32(-1), k.first
	pos := f.off
	for i >= 0 && x.pieces.at(i).end <= pos {
		prev, i = i, x.pieces.at(i).next
	}
	for pos < end {
		stop := end
		if i >= 0 {
			stop = min(stop, max(x.pieces.at(i).off, pos))
		}
		if pos < stop {
			at, ok := x.keep(k, prev, i, pos, f, stop)
			if !ok {
				return false
			}
			pos, prev = stop, at
			continue
		}
		g := x.pieces.at(i)
		upto := min(end, g.end)
		r.Events |= FragOverlap
		if newFragmentWins(k.os, f.off, end, g.from, g.to) {
			copy(x.arena.bytes(g.blk)[pos-g.off:], f.data[pos-f.off:upto-f.off])
		}
		pos, prev, i = upto, i, g.next
	}
	return true
}

func (x *fragments) keep(k *tracker, prev, next int32, pos uint32, f *fragment, stop uint32) (int32, bool) {
	if x.pieces.used >= x.cfg.MaxFragments {
		return -1, false
	}
	blk, ok := x.arena.take(int(stop - pos))
	if !ok {
		return -1, false
	}
	copy(x.arena.bytes(blk), f.data[pos-f.off:stop-f.off])
	at := x.pieces.take()
	*x.pieces.at(at) = piece{off: pos, end: stop, from: f.off, to: f.off + uint32(len(f.data)), blk: blk, next: next}
	if prev >= 0 {
		x.pieces.at(prev).next = at
	} else {
		k.first = at
	}
	k.have += stop - pos
	return at, true
}

// newFragmentWins says whether a system prefers the bytes of a fragment
// [start, end) that came later to those of one [off, stop) that came before.
func newFragmentWins(os OS, start, end, off, stop uint32) bool {
	switch os {
	case OSFirst, OSOldSolaris, OSHPUX11, OSMacOS:
		return false
	case OSLast:
		return true
	case OSBSDRight:
		return start >= off && end > stop || start > off && end >= stop || start == off && end == stop
	case OSLinux, OSOldLinux:
		return start < off || start == off && end > stop
	case OSWindows, OSVista, OSWindows2K3:
		return start < off && end > stop
	case OSSolaris:
		return start < off && end >= stop
	}
	return start < off
}

// build puts the whole datagram together.
func (x *fragments) build(k *tracker) []byte {
	head := x.arena.bytes(k.head)[:k.headLen]
	x.whole = append(x.whole[:0], head...)
	for i := k.first; i >= 0; i = x.pieces.at(i).next {
		g := x.pieces.at(i)
		if g.off >= k.total {
			break
		}
		x.whole = append(x.whole, x.arena.bytes(g.blk)[:min(g.end, k.total)-g.off]...)
	}
	b := x.whole
	if k.version == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[6], b[7], b[10], b[11] = b[6]&0xc0, 0, 0, 0
		binary.BigEndian.PutUint16(b[10:], headerSum(b[:k.headLen]))
		return b
	}
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	// The header that announced the fragment header announces what came after it.
	at, before := 40, 6
	for b[before] != 44 && at+8 <= int(k.headLen) {
		before, at = at, at+int(b[at+1])*8+8
	}
	b[before] = k.next6
	return b
}

// headerSum is the checksum of an IPv4 header whose checksum field is zero.
func headerSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	return ^uint16(sum)
}
