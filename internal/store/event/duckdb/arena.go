package duckdb

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// arena gives memory outside of Go's heap for the text of one chunk. All of it
// is taken back at once by reset.
type arena struct {
	slabs [][]byte
	slab  int // the one being filled
	used  int // of it
}

const slabSize = 1 << 20

// hold copies s and gives the copy, which is good until reset.
func (a *arena) hold(s string) []byte {
	for a.slab < len(a.slabs) && a.used+len(s) > len(a.slabs[a.slab]) {
		a.slab++
		a.used = 0
	}
	if a.slab == len(a.slabs) {
		a.slabs = append(a.slabs, newSlab(max(slabSize, len(s))))
	}
	b := a.slabs[a.slab][a.used : a.used+len(s)]
	a.used += len(s)
	copy(b, s)
	return b
}

// newSlab panics when the kernel has no more memory, as Go's own heap does.
func newSlab(size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("event store: map %d bytes: %v", size, err))
	}
	return b
}

func (a *arena) reset() { a.slab, a.used = 0, 0 }

func (a *arena) free() {
	for _, b := range a.slabs {
		// Unmapping what was mapped cannot fail.
		_ = unix.Munmap(b)
	}
	*a = arena{}
}
