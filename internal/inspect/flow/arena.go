package flow

import "math/bits"

// arena keeps stream bytes and fragments in blocks of powers of two, cut from
// slabs, within a hard bound. It never grows in steady state.
type arena struct {
	class    [maxClass + 1]blockClass
	reserved int // bytes of all slabs
	limit    int
}

const (
	minClass  = 8  // blocks of 256 bytes
	maxClass  = 30 // blocks of 1 GiB
	slabBytes = 1 << 16
)

type blockClass struct {
	slabs [][]byte
	free  []uint32
	used  []uint16 // blocks taken, by slab
}

// block names a block; the zero value is none.
type block struct {
	id    uint32
	class uint8
}

func (b block) none() bool { return b.class == 0 }

func classOf(n int) uint8 {
	if n <= 1<<minClass {
		return minClass
	}
	return uint8(bits.Len(uint(n - 1)))
}

func slabOf(class uint8) (size, per int) {
	if 1<<class >= slabBytes {
		return 1 << class, 1
	}
	return slabBytes, slabBytes >> class
}

// take gives a block of at least n bytes, or none when the bound is reached.
func (a *arena) take(n int) (block, bool) {
	class := classOf(n)
	if class > maxClass {
		return block{}, false
	}
	c := &a.class[class]
	if len(c.free) == 0 && !a.grow(class) {
		return block{}, false
	}
	id := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	_, per := slabOf(class)
	c.used[int(id)/per]++
	return block{id: id, class: class}, true
}

func (a *arena) grow(class uint8) bool {
	size, per := slabOf(class)
	if a.reserved+size > a.limit {
		a.reclaim()
		if a.reserved+size > a.limit {
			return false
		}
	}
	c := &a.class[class]
	at := len(c.slabs)
	for i, s := range c.slabs {
		if s == nil {
			at = i
			break
		}
	}
	if at == len(c.slabs) {
		c.slabs = append(c.slabs, nil)
		c.used = append(c.used, 0)
	}
	c.slabs[at] = make([]byte, size)
	a.reserved += size
	for i := per - 1; i >= 0; i-- {
		c.free = append(c.free, uint32(at*per+i))
	}
	return true
}

// reclaim gives back slabs of which no block is taken, so that memory once
// used for one size of block can serve another.
func (a *arena) reclaim() {
	for class := range a.class {
		c := &a.class[class]
		if len(c.free) == 0 {
			continue
		}
		size, per := slabOf(uint8(class))
		kept := c.free[:0]
		for _, id := range c.free {
			if c.used[int(id)/per] != 0 {
				kept = append(kept, id)
			}
		}
		c.free = kept
		for i, s := range c.slabs {
			if s != nil && c.used[i] == 0 {
				c.slabs[i] = nil
				a.reserved -= size
			}
		}
	}
}

// give returns a block.
func (a *arena) give(b block) {
	if b.none() {
		return
	}
	c := &a.class[b.class]
	_, per := slabOf(b.class)
	c.used[int(b.id)/per]--
	c.free = append(c.free, b.id)
}

// bytes is the block's memory.
func (a *arena) bytes(b block) []byte {
	c := &a.class[b.class]
	_, per := slabOf(b.class)
	slab, at := int(b.id)/per, int(b.id)%per
	return c.slabs[slab][at<<b.class : (at+1)<<b.class]
}
