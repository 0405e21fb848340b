package memory

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// How long bits live when a rule does not say, in seconds.
const (
	XBitSeconds    = 30
	HostBitSeconds = 300
)

// Bits remembers hostbits and xbits of hosts, pairs of hosts and transactions.
type Bits struct{ cache cache[struct{}] }

// NewBits makes a memory of at most about max bits; 0 is 65536. When it is
// full the bits that would end first give way.
func NewBits(max int) *Bits {
	if max <= 0 {
		max = 1 << 16
	}
	return &Bits{newCache[struct{}](max)}
}

// Owner is who has a bit.
type Owner struct {
	space Space
	a, b  packet.Addr
}

// Host owns bits of SpaceHost.
func Host(a packet.Addr) Owner { return Owner{space: SpaceHost, a: a} }

// Pair owns bits of SpacePair; the order of the hosts does not matter.
func Pair(a, b packet.Addr) Owner { return Owner{SpacePair, a, b} }

// Transaction owns bits of SpaceTx: flow is flow.Flow.ID, tx the number of the
// transaction in it.
func Transaction(flow, tx uint64) Owner {
	o := Owner{space: SpaceTx}
	binary.BigEndian.PutUint64(o.a[:], flow)
	binary.BigEndian.PutUint64(o.b[:], tx)
	return o
}

func (o Owner) key(bit uint32) key {
	n := uint64(o.space)<<32 | uint64(bit)
	if o.space == SpacePair {
		return pair(o.a, o.b, n)
	}
	return key{o.a, o.b, n}
}

// Has says whether a bit is set at now.
func (b *Bits) Has(o Owner, bit uint32, now int64) bool {
	k := o.key(bit)
	return b.cache.find(&k, now) != nil
}

// Set sets a bit until a time (both in nanoseconds since 1970); a bit that is
// set already lives on until then.
func (b *Bits) Set(o Owner, bit uint32, now, until int64) {
	k := o.key(bit)
	if e := b.cache.find(&k, now); e != nil {
		e.until = until
		return
	}
	b.cache.add(&k, now, until)
}

// Unset clears a bit.
func (b *Bits) Unset(o Owner, bit uint32, now int64) {
	k := o.key(bit)
	if e := b.cache.find(&k, now); e != nil {
		b.cache.drop(e)
	}
}

// Toggle turns a bit over.
func (b *Bits) Toggle(o Owner, bit uint32, now, until int64) {
	k := o.key(bit)
	if e := b.cache.find(&k, now); e != nil {
		b.cache.drop(e)
		return
	}
	b.cache.add(&k, now, until)
}

// Rename goes over to another set's numbers; names it lacks are forgotten.
func (b *Bits) Rename(old, names *Names, now int64) {
	was := b.cache
	b.cache = newCache[struct{}](was.limit * ways)
	was.each(now, func(e *cacheEntry[struct{}]) {
		space := Space(e.key.n >> 32)
		if n, ok := names.translate(old, space, uint32(e.key.n)); ok {
			k := e.key
			k.n = uint64(space)<<32 | uint64(n)
			b.cache.add(&k, now, e.until)
		}
	})
}
