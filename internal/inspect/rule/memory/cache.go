package memory

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// key names what is remembered: two addresses (or other 16 bytes) and a number.
type key struct {
	a, b packet.Addr
	n    uint64
}

func (k *key) hash() uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range [5]uint64{
		binary.LittleEndian.Uint64(k.a[:]), binary.LittleEndian.Uint64(k.a[8:]),
		binary.LittleEndian.Uint64(k.b[:]), binary.LittleEndian.Uint64(k.b[8:]), k.n,
	} {
		hi, lo := bits.Mul64(h^w, 0xa0761d6478bd642f)
		h = hi ^ lo ^ 0xe7037ed1a0b428db
	}
	return h
}

// pair is a key of two hosts, the same in either order.
func pair(a, b packet.Addr, n uint64) key {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return key{a: a, b: b, n: n}
}

const ways = 8

// cache maps keys to values with a time at which they end. It is bounded: when
// the eight places of a key are taken, the one that ends first gives way.
type cache[V any] struct {
	sets  []cacheSet[V]
	live  int
	limit int // sets at most, a power of two
}

type cacheSet[V any] [ways]cacheEntry[V]

type cacheEntry[V any] struct {
	key   key
	until int64 // nanoseconds since 1970; 0 is empty
	value V
}

func newCache[V any](max int) cache[V] {
	limit := 8
	for limit*ways < max {
		limit *= 2
	}
	return cache[V]{sets: make([]cacheSet[V], 8), limit: limit}
}

// find gives the value of a key that has not ended at now.
func (c *cache[V]) find(k *key, now int64) *cacheEntry[V] {
	s := &c.sets[k.hash()&uint64(len(c.sets)-1)]
	for i := range s {
		if e := &s[i]; e.until != 0 && e.key == *k {
			if e.until <= now {
				e.until = 0
				c.live--
				return nil
			}
			return e
		}
	}
	return nil
}

// add takes a place for a key that is not there.
func (c *cache[V]) add(k *key, now, until int64) *cacheEntry[V] {
	for {
		s := &c.sets[k.hash()&uint64(len(c.sets)-1)]
		place := &s[0]
		for i := range s {
			e := &s[i]
			if e.until != 0 && e.until <= now {
				e.until = 0
				c.live--
			}
			if e.until < place.until {
				place = e
			}
		}
		if place.until != 0 && len(c.sets) < c.limit {
			c.grow(now)
			continue
		}
		if place.until == 0 {
			c.live++
		}
		*place = cacheEntry[V]{key: *k, until: max(until, 1)}
		return place
	}
}

// grow doubles the sets.
func (c *cache[V]) grow(now int64) {
	old := c.sets
	c.sets = make([]cacheSet[V], 2*len(old))
	c.live = 0
	for i := range old {
		for j := range old[i] {
			e := &old[i][j]
			if e.until <= now {
				continue
			}
			s := &c.sets[e.key.hash()&uint64(len(c.sets)-1)]
			for w := range s { // at most eight come from one old set
				if s[w].until == 0 {
					s[w] = *e
					c.live++
					break
				}
			}
		}
	}
}

func (c *cache[V]) drop(e *cacheEntry[V]) {
	e.until = 0
	c.live--
}

// each calls yield for every entry that has not ended.
func (c *cache[V]) each(now int64, yield func(e *cacheEntry[V])) {
	for i := range c.sets {
		for j := range c.sets[i] {
			if e := &c.sets[i][j]; e.until > now {
				yield(e)
			}
		}
	}
}
