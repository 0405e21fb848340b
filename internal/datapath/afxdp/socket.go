package afxdp

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket takes a worker's frames of one receive queue, and sends by that port.
type socket struct {
	fd     int
	q      *queue
	rx, tx ring[unix.XDPDesc]
	unsent uint32 // put on tx since the last kick
}

// open makes the socket. memory is given to the one that registers it.
func (s *socket) open(memory []byte, chunk, rings int) error {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket: %w", err)
	}
	s.fd = fd
	if memory != nil {
		reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory)))), Len: uint64(len(memory)), Size: uint32(chunk)}
		if err := setsockopt(fd, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg)); err != nil {
			return fmt.Errorf("register memory: %w", err)
		}
	}
	var o unix.XDPMmapOffsets
	// The offsets do not depend on the rings, but each ring must be made
	// before it can be mapped.
	if err := getsockopt(fd, unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&o), unsafe.Sizeof(o)); err != nil {
		return fmt.Errorf("ask for ring offsets: %w", err)
	}
	if q := s.q; q.lead == s {
		err = errors.Join(
			q.fill.open(fd, unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_PGOFF_FILL_RING, o.Fr, rings),
			q.done.open(fd, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_UMEM_PGOFF_COMPLETION_RING, o.Cr, rings))
	}
	return errors.Join(err,
		s.rx.open(fd, unix.XDP_RX_RING, unix.XDP_PGOFF_RX_RING, o.Rx, rings),
		s.tx.open(fd, unix.XDP_TX_RING, unix.XDP_PGOFF_TX_RING, o.Tx, rings))
}

// bind puts the socket on its queue. Sockets after the first share its memory
// and mode, those after the first of a queue its rings too.
func (s *socket) bind(iface int, from *socket) error {
	a := unix.SockaddrXDP{Flags: unix.XDP_COPY | unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(iface), QueueID: uint32(s.q.number)}
	if from != nil {
		a.Flags, a.SharedUmemFD = unix.XDP_SHARED_UMEM, uint32(from.fd)
	}
	return unix.Bind(s.fd, &a)
}

func (s *socket) close() error {
	if s.q.lead == s {
		s.q.fill.close()
		s.q.done.close()
	}
	s.rx.close()
	s.tx.close()
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// kick has the kernel send what is on the ring.
func (s *socket) kick() {
	s.unsent = 0
	// Whatever it cannot send now (EAGAIN, EBUSY, ENOBUFS) stays on the ring for
	// the next kick; ENETDOWN loses it, as a port that is down does.
	_, _, _ = unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
}

// statistics asks the kernel what it could not deliver.
func (s *socket) statistics() (unix.XDPStatistics, error) {
	var st unix.XDPStatistics
	err := getsockopt(s.fd, unix.XDP_STATISTICS, unsafe.Pointer(&st), unsafe.Sizeof(st))
	return st, err
}

func setsockopt(fd, option int, p unsafe.Pointer, n uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(p), n, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func getsockopt(fd, option int, p unsafe.Pointer, n uintptr) error {
	size := uint32(n)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(p), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
