package afxdp

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of the four rings of a socket, shared with the kernel (Linux,
// Documentation/networking/af_xdp.rst). T is uint64 for the fill and completion
// rings, unix.XDPDesc for those of frames. One goroutine uses it.
type ring[T any] struct {
	mem                []byte
	producer, consumer *uint32
	flags              *uint32
	desc               []T
	mask               uint32
	own                uint32 // our end's position, written back by publish
	other              uint32 // the kernel's end as last seen
}

// open maps the ring that option made with size entries.
func (r *ring[T]) open(fd int, option int, at int64, o unix.XDPRingOffset, size int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_XDP, option, size); err != nil {
		return fmt.Errorf("make ring %d: %w", option, err)
	}
	var v T
	mem, err := unix.Mmap(fd, at, int(o.Desc)+size*int(unsafe.Sizeof(v)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("map ring %d: %w", option, err)
	}
	base := unsafe.Pointer(unsafe.SliceData(mem))
	r.mem = mem
	r.producer, r.consumer = (*uint32)(unsafe.Add(base, o.Producer)), (*uint32)(unsafe.Add(base, o.Consumer))
	r.flags = (*uint32)(unsafe.Add(base, o.Flags))
	r.desc = unsafe.Slice((*T)(unsafe.Add(base, o.Desc)), size)
	r.mask = uint32(size - 1)
	return nil
}

func (r *ring[T]) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem) // of memory that is mapped
		r.mem = nil
	}
}

// room is how many entries can be produced.
func (r *ring[T]) room() uint32 {
	n := uint32(len(r.desc)) - (r.own - r.other)
	if n == 0 {
		r.other = atomic.LoadUint32(r.consumer)
		n = uint32(len(r.desc)) - (r.own - r.other)
	}
	return n
}

// allRoom is room with the kernel's end looked at anew.
func (r *ring[T]) allRoom() uint32 {
	r.other = atomic.LoadUint32(r.consumer)
	return uint32(len(r.desc)) - (r.own - r.other)
}

// put writes the next entry; there must be room. publish shows it.
func (r *ring[T]) put(v T) {
	r.desc[r.own&r.mask] = v
	r.own++
}

func (r *ring[T]) publish() { atomic.StoreUint32(r.producer, r.own) }

// filled is how many entries can be consumed.
func (r *ring[T]) filled() uint32 {
	r.other = atomic.LoadUint32(r.producer)
	return r.other - r.own
}

// take gives the next entry; there must be one. release gives it back.
func (r *ring[T]) take() T {
	v := r.desc[r.own&r.mask]
	r.own++
	return v
}

func (r *ring[T]) release() { atomic.StoreUint32(r.consumer, r.own) }

// sleeps says that the kernel waits to be woken before it goes on.
func (r *ring[T]) sleeps() bool { return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0 }
