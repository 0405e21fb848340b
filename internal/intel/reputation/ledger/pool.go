package ledger

import (
	"encoding/binary"
	"unsafe"
)

const (
	chunkBits = 13
	chunkSize = 1 << chunkBits
)

// pool is a table of records that grows by chunks, so that growing copies
// nothing. Record 0 is never handed out.
type pool[T any] struct {
	chunks [][]T
	used   uint32 // records handed out once, 0 included
	unused uint32 // first of the chain of records given back
}

func (p *pool[T]) at(i uint32) *T { return &p.chunks[i>>chunkBits][i&(chunkSize-1)] }

func (p *pool[T]) bytes() int {
	var t T
	return len(p.chunks) * chunkSize * int(unsafe.Sizeof(t))
}

// grows says whether the next record needs a new chunk.
func (p *pool[T]) grows() bool {
	return p.unused == 0 && int(max(p.used, 1)) >= len(p.chunks)*chunkSize
}

// take hands out a record; next gives the chain's link of one given back.
func (p *pool[T]) take(next func(*T) uint32) uint32 {
	if i := p.unused; i != 0 {
		p.unused = next(p.at(i))
		return i
	}
	if p.used == 0 {
		p.used = 1
	}
	if int(p.used) >= len(p.chunks)*chunkSize {
		p.chunks = append(p.chunks, make([]T, chunkSize))
	}
	p.used++
	return p.used - 1
}

// object is one thing of which something is said. size 0 marks a record given
// back; its claims is then the next of the chain.
type object struct {
	key    uint32 // place in the arena
	claims uint32 // first of its claims
	size   uint16 // bytes of its key
}

func nextObject(o *object) uint32 { return o.claims }

// claim is what one edition of a source says of one object.
type claim struct {
	next       uint32 // the object's next claim
	first      uint32
	last       uint32
	until      uint32
	note       uint32
	edition    uint16
	kind       uint8
	confidence uint8
}

func nextClaim(c *claim) uint32 { return c.next }

const (
	arenaBits = 18 // units a chunk
	arenaUnit = 4  // bytes a unit
	arenaSize = arenaUnit << arenaBits
)

// arena keeps keys. Keys given back are taken again by keys of their length.
type arena struct {
	chunks [][]byte
	used   int                  // bytes of the last chunk
	unused [maxKey/4 + 2]uint32 // by length in units: first of the chain, as place + 1
}

func (a *arena) bytes() int { return len(a.chunks) * arenaSize }

func (a *arena) at(place uint32, size int) []byte {
	off := int(place&(1<<arenaBits-1)) * arenaUnit
	return a.chunks[place>>arenaBits][off : off+size : off+size]
}

// grows says whether a key of this size needs a new chunk.
func (a *arena) grows(size int) bool {
	u := (size + arenaUnit - 1) / arenaUnit
	return a.unused[u] == 0 && (len(a.chunks) == 0 || a.used+u*arenaUnit > arenaSize)
}

func (a *arena) put(key []byte) uint32 {
	u := (len(key) + arenaUnit - 1) / arenaUnit
	if p := a.unused[u]; p != 0 {
		b := a.at(p-1, u*arenaUnit)
		a.unused[u] = binary.LittleEndian.Uint32(b)
		copy(b, key)
		return p - 1
	}
	if a.grows(len(key)) {
		a.chunks = append(a.chunks, make([]byte, arenaSize))
		a.used = 0
	}
	place := uint32(len(a.chunks)-1)<<arenaBits | uint32(a.used/arenaUnit)
	copy(a.chunks[len(a.chunks)-1][a.used:], key)
	a.used += u * arenaUnit
	return place
}

func (a *arena) drop(place uint32, size int) {
	u := (size + arenaUnit - 1) / arenaUnit
	binary.LittleEndian.PutUint32(a.at(place, u*arenaUnit), a.unused[u])
	a.unused[u] = place + 1
}
