// Package victim is the target of the lab's attacks: a host with a name
// server and a web server that answer whoever asks, and an exact count of the
// attack packets that reach it. It knows the marks of package attack; the
// lab's victim role runs it.
package victim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring: packets are cut to snap bytes, so that it holds about 150,000, and
// blocks are handed over every retire at the latest, so that it lasts for ten
// seconds during which this process does not get to run.
const (
	blockSize  = 1 << 15
	blockCount = 1024
	snap       = 128
	retire     = 10 * time.Millisecond
)

// ring is an AF_PACKET socket with a TPACKET_V3 ring on one port.
type ring struct {
	fd    int
	mem   []byte
	block int
	empty atomic.Int64 // when read last found nothing to read, Unix nanoseconds
}

func openRing(port string) (*ring, error) {
	ifi, err := net.InterfaceByName(port)
	if err != nil {
		return nil, fmt.Errorf("packet ring: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // bound, and so started, when all is set
	if err != nil {
		return nil, fmt.Errorf("packet ring: socket: %w", err)
	}
	r := &ring{fd: fd}
	if err := r.setUp(ifi.Index); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("packet ring on %s: %w", port, err)
	}
	return r, nil
}

func (r *ring) setUp(ifindex int) error {
	cut := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: snap}}
	req := unix.TpacketReq3{Block_size: blockSize, Block_nr: blockCount, Frame_size: 2048, Frame_nr: blockSize / 2048 * blockCount, Retire_blk_tov: uint32(retire.Milliseconds())}
	if err := errors.Join(
		unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3),
		unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &cut[0]}),
		unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req),
	); err != nil {
		return err
	}
	mem, err := unix.Mmap(r.fd, 0, blockSize*blockCount, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	r.mem = mem
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex})
}

func (r *ring) close() error { return errors.Join(unix.Munmap(r.mem), unix.Close(r.fd)) }

// drops gives how many packets did not fit since the last call.
func (r *ring) drops() (uint64, error) {
	st, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("packet ring: statistics: %w", err)
	}
	return uint64(st.Drops), nil
}

// settle waits until everything that came before the call was read.
func (r *ring) settle() error {
	since := time.Now().Add(2 * retire)
	for end := since.Add(5 * time.Second); r.empty.Load() < since.UnixNano(); time.Sleep(retire) {
		if time.Now().After(end) {
			return errors.New("packet ring: the reader does not keep up")
		}
	}
	return nil
}

// read calls f with each packet from the IP header on and the time it came,
// until ctx ends. The bytes are valid only during the call.
func (r *ring) read(ctx context.Context, f func(ip []byte, at time.Time)) error {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		b := r.mem[r.block*blockSize : (r.block+1)*blockSize]
		desc := (*unix.TpacketBlockDesc)(unsafe.Pointer(&b[0]))
		head := (*unix.TpacketHdrV1)(unsafe.Pointer(&desc.Hdr[0]))
		if head.Block_status&unix.TP_STATUS_USER == 0 {
			r.empty.Store(time.Now().UnixNano())
			if _, err := unix.Poll(fds, int(retire.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("packet ring: %w", err)
			}
			continue
		}
		readBlock(b, head, f)
		head.Block_status = unix.TP_STATUS_KERNEL
		r.block = (r.block + 1) % blockCount
	}
	return nil
}

func readBlock(b []byte, head *unix.TpacketHdrV1, f func([]byte, time.Time)) {
	off := head.Offset_to_first_pkt
	for range head.Num_pkts {
		p := (*unix.Tpacket3Hdr)(unsafe.Pointer(&b[off]))
		start := off + uint32(p.Net)
		end := off + uint32(p.Mac) + p.Snaplen
		if start <= end && int(end) <= len(b) {
			f(b[start:end], time.Unix(int64(p.Sec), int64(p.Nsec)))
		}
		off += p.Next_offset
	}
}
