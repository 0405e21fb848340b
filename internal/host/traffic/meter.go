package traffic

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring: 256 KiB a interface. A frame holds struct tpacket2_hdr, struct
// sockaddr_ll and the first snap bytes of the packet.
const (
	frameSize = 256
	frames    = 1024
	blockSize = 64 << 10 // a multiple of the page size on every target
	snap      = 160
	// budget is how many packets a Read is meant to look at in each direction.
	budget = frames / 4
)

// offsets in struct tpacket2_hdr and struct sockaddr_ll (linux/if_packet.h).
const (
	offStatus  = 0
	offLen     = 4
	offSnap    = 8
	offNet     = 14
	offSec     = 16
	offNsec    = 20
	offLL      = 32
	offLLProto = offLL + 2
	offLLType  = offLL + 10
)

// Meter counts one interface. Not safe for concurrent use.
type Meter struct {
	fd    int
	ring  []byte
	next  int
	mtu   int
	table *table
	// shift is how the kernel thins out: one packet in 2^shift is kept.
	shiftOut, shiftIn uint
	lookedOut         int
	lookedIn          int
}

// Open begins to count what goes through an interface. It needs CAP_NET_RAW.
func Open(index, mtu int) (*Meter, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, errors.New("traffic: packet socket: " + err.Error() + " (needs root or CAP_NET_RAW, and a kernel with CONFIG_PACKET)")
	}
	m := &Meter{fd: fd, mtu: max(mtu, 576), table: new(table)}
	if err := m.setup(index); err != nil {
		unix.Close(fd)
		return nil, errors.New("traffic: interface " + strconv.Itoa(index) + ": " + err.Error())
	}
	return m, nil
}

func (m *Meter) setup(index int) error {
	if err := m.filter(0, 0); err != nil {
		return errors.New("filter: " + err.Error())
	}
	if err := unix.SetsockoptInt(m.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return errors.New("TPACKET_V2: " + err.Error() + " (kernel 2.6.27 or later)")
	}
	block := max(blockSize, os.Getpagesize())
	req := unix.TpacketReq{Block_size: uint32(block), Block_nr: uint32(frames * frameSize / block),
		Frame_size: frameSize, Frame_nr: frames}
	if err := unix.SetsockoptTpacketReq(m.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return errors.New("ring: " + err.Error())
	}
	ring, err := unix.Mmap(m.fd, 0, frames*frameSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return errors.New("map ring: " + err.Error())
	}
	m.ring = ring
	all := uint16(unix.ETH_P_ALL)
	if err := unix.Bind(m.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index}); err != nil {
		_ = unix.Munmap(ring)
		return errors.New("bind: " + err.Error())
	}
	return nil
}

// Close ends the counting.
func (m *Meter) Close() error {
	err := unix.Munmap(m.ring)
	return errors.Join(err, unix.Close(m.fd))
}

// SetOwn names the device's own addresses; other sources count as spoofed.
// With none (the device forwards for others) nothing does.
func (m *Meter) SetOwn(addrs []netip.Addr) {
	o := &m.table.own
	o.n = 0
	if len(addrs) > len(o.addrs) {
		return // more than the table holds: better blind than wrong
	}
	for _, a := range addrs {
		o.addrs[o.n] = a.As16()
		o.n++
	}
}

// Read takes what the kernel has put into the ring since the last call and
// calls f for every flow that sent something; f must not keep its argument.
// Call it ten times a second.
func (m *Meter) Read(f func(*Flow)) (Sample, error) {
	var s Sample
	m.lookedOut, m.lookedIn = 0, 0
	for range frames {
		frame := m.ring[m.next*frameSize:][:frameSize]
		status := (*uint32)(unsafe.Pointer(&frame[offStatus]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			break
		}
		m.frame(frame, &s)
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		m.next = (m.next + 1) % frames
	}
	s.Looked = m.lookedOut + m.lookedIn
	loss, err := m.loss(s.Looked)
	if err != nil {
		return s, err
	}
	s.Weight = loss * float64(uint64(1)<<m.shiftOut)
	for i := range s.Total {
		s.Total[i] *= s.Weight
	}
	m.table.drain(s.Weight, loss*float64(uint64(1)<<m.shiftIn), f)
	return s, m.adapt(loss)
}

func (m *Meter) frame(frame []byte, s *Sample) {
	ne := binary.NativeEndian
	begin := int(ne.Uint16(frame[offNet:]))
	end := begin + int(ne.Uint32(frame[offSnap:]))
	if begin < offLL || end > len(frame) || begin > end {
		return
	}
	size := int(ne.Uint32(frame[offLen:]))
	outgoing := frame[offLLType] == unix.PACKET_OUTGOING
	if outgoing {
		m.lookedOut++
	} else {
		m.lookedIn++
	}
	var h head
	if !h.parse(binary.BigEndian.Uint16(frame[offLLProto:]), frame[begin:end], size) {
		return
	}
	n := 1.0
	if size > m.mtu { // the card cuts it into pieces of the MTU
		n = float64((size-40)/(m.mtu-40) + 1)
		h.length = uint16(m.mtu)
	}
	if !outgoing {
		m.table.back(&h, n)
		return
	}
	now := int64(ne.Uint32(frame[offSec:]))*1e9 + int64(ne.Uint32(frame[offNsec:]))
	m.table.out(&h, now, n, s)
}

// loss is how many packets passed the kernel's filter for each one looked at.
func (m *Meter) loss(looked int) (float64, error) {
	// struct tpacket_stats; reading it sets it to zero.
	st, err := unix.GetsockoptTpacketStats(m.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 1, errors.New("traffic: statistics: " + err.Error())
	}
	if looked == 0 || int(st.Packets) <= looked || st.Drops == 0 {
		return 1, nil
	}
	return float64(st.Packets) / float64(looked), nil
}

// adapt thins out at once when there is more than the budget, and looks at
// more again slowly.
func (m *Meter) adapt(loss float64) error {
	o, i := step(m.shiftOut, float64(m.lookedOut)*loss), step(m.shiftIn, float64(m.lookedIn)*loss)
	if o == m.shiftOut && i == m.shiftIn {
		return nil
	}
	if err := m.filter(o, i); err != nil {
		return errors.New("traffic: filter: " + err.Error())
	}
	m.shiftOut, m.shiftIn = o, i
	return nil
}

// maxShift keeps one packet in 4096.
const maxShift = 12

func step(shift uint, passed float64) uint {
	switch {
	case passed > 2*budget:
		for ; passed > budget && shift < maxShift; shift++ {
			passed /= 2
		}
	case passed < budget/4 && shift > 0:
		shift--
	}
	return shift
}

// Ancillary data of classic BPF (linux/filter.h).
const (
	adOff    = 0xfffff000
	adType   = adOff + 4
	adRandom = adOff + 56
)

// filter lets one sent packet in 2^out and one received in 2^in through.
func (m *Meter) filter(out, in uint) error {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		and    = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
	)
	prog := []unix.SockFilter{
		{Code: load, K: adType},
		{Code: equal, K: unix.PACKET_OUTGOING, Jt: 1},
		{Code: equal, K: unix.PACKET_HOST, Jt: 3, Jf: 6},
		{Code: load, K: adRandom},
		{Code: and, K: 1<<out - 1},
		{Code: equal, K: 0, Jt: 4, Jf: 3},
		{Code: load, K: adRandom},
		{Code: and, K: 1<<in - 1},
		{Code: equal, K: 0, Jt: 1},
		{Code: answer, K: 0},
		{Code: answer, K: snap},
	}
	return unix.SetsockoptSockFprog(m.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}
