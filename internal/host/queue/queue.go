// Package queue has the kernel ask about packets of this device before it
// receives or sends them (NFQUEUE), so that some can be stopped. Its own
// nf_tables rules pick the packets; they go when the process ends, however it
// ends, and packets pass when nobody answers. It knows nothing of what is in
// the packets; internal/agent calls it.
package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/tap"
)

// number is the queue's; the agent is alone with it on its device.
const number = 7443

// maxWaiting bounds packets that the kernel holds for an answer; what comes
// beyond them passes (NFQA_CFG_F_FAIL_OPEN).
const maxWaiting = 1024

// Messages and attributes of linux/netfilter/nfnetlink_queue.h.
const (
	subsystem  = 3 // NFNL_SUBSYS_QUEUE
	msgPacket  = subsystem<<8 | 0
	msgVerdict = subsystem<<8 | 1
	msgConfig  = subsystem<<8 | 2

	cfgCommand = 1
	cfgParams  = 2
	cfgMaxLen  = 3
	cfgMask    = 4
	cfgFlags   = 5

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrPayload       = 10

	bind       = 1
	copyPacket = 2
	failOpen   = 1 // NFQA_CFG_F_FAIL_OPEN
	takeGSO    = 4 // NFQA_CFG_F_GSO: packets as large as the card gives them
)

// Queue is open. It is for one goroutine.
type Queue struct {
	fd    int
	buf   []byte
	out   message
	rules *rules
}

// Open has packets that want takes wait for an answer. It needs CAP_NET_ADMIN
// and a kernel with CONFIG_NETFILTER_NETLINK_QUEUE and nf_tables.
func Open(want *tap.Filter) (*Queue, error) {
	fd, err := socket()
	if err != nil {
		return nil, errors.New("queue: " + err.Error())
	}
	q := &Queue{fd: fd, buf: make([]byte, 1<<17)}
	if err := q.configure(); err != nil {
		unix.Close(fd)
		return nil, errors.New("queue: " + err.Error() + " (needs CAP_NET_ADMIN, a kernel with CONFIG_NETFILTER_NETLINK_QUEUE, and queue 7443 for itself)")
	}
	if q.rules, err = openRules(); err == nil {
		err = q.rules.set(want)
	}
	if err != nil {
		_ = q.Close()
		return nil, errors.New("queue: " + err.Error() + " (needs nf_tables with nft_queue, or nft_compat and xt_NFQUEUE)")
	}
	return q, nil
}

// SetFilter replaces the filter; no packet that both take passes unasked.
func (q *Queue) SetFilter(want *tap.Filter) error {
	if err := q.rules.set(want); err != nil {
		return errors.New("queue: " + err.Error())
	}
	return nil
}

func (q *Queue) configure() error {
	be := binary.BigEndian
	m := &q.out
	for _, attr := range []struct {
		kind uint16
		data []byte
	}{
		{cfgCommand, []byte{bind, 0, 0, 0}},
		{cfgParams, append(be.AppendUint32(nil, 0xffff), copyPacket)},
		{cfgMaxLen, be.AppendUint32(nil, maxWaiting)},
	} {
		m.begin(msgConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, unix.AF_UNSPEC, number)
		m.attr(attr.kind, attr.data)
		if err := exchange(q.fd, m.end()); err != nil {
			return err
		}
	}
	m.begin(msgConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, unix.AF_UNSPEC, number)
	m.attr(cfgMask, be.AppendUint32(nil, failOpen|takeGSO))
	m.attr(cfgFlags, be.AppendUint32(nil, failOpen|takeGSO))
	if err := exchange(q.fd, m.end()); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(q.fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)
	_ = unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	return nil
}

// Packet is one that waits for an answer. Data begins with the IP header and
// is valid until the next Read.
type Packet struct {
	ID   uint32
	Data []byte
}

// Read waits for the next packet, at most for the given time; false means that
// none came. Each packet must be answered.
func (q *Queue) Read(wait time.Duration) (Packet, bool, error) {
	n, _, err := unix.Recvfrom(q.fd, q.buf, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) && wait > 0 {
		fds := [1]unix.PollFd{{Fd: int32(q.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds[:], int(wait.Milliseconds())); err != nil || n == 0 {
			if err != nil && !errors.Is(err, unix.EINTR) {
				return Packet{}, false, errors.New("queue: poll: " + err.Error())
			}
			return Packet{}, false, nil
		}
		n, _, err = unix.Recvfrom(q.fd, q.buf, unix.MSG_DONTWAIT)
	}
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
		return Packet{}, false, nil
	case err != nil:
		return Packet{}, false, errors.New("queue: " + err.Error())
	}
	p, ok := parse(q.buf[:n])
	return p, ok, nil
}

// parse reads one packet message; false for any other.
func parse(b []byte) (Packet, bool) {
	ne := binary.NativeEndian
	if len(b) < 20 || int(ne.Uint32(b)) > len(b) || ne.Uint32(b) < 20 || ne.Uint16(b[4:]) != msgPacket {
		return Packet{}, false
	}
	var p Packet
	known := false
	for b = b[20:ne.Uint32(b)]; len(b) >= 4; {
		size := int(ne.Uint16(b))
		if size < 4 || size > len(b) {
			break
		}
		data := b[4:size]
		switch ne.Uint16(b[2:]) & 0x3fff {
		case attrPacketHeader:
			if len(data) >= 4 {
				p.ID, known = binary.BigEndian.Uint32(data), true
			}
		case attrPayload:
			p.Data = data
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return p, known
}

// Answer lets a packet pass, or drops it.
func (q *Queue) Answer(id uint32, drop bool) error {
	verdict := uint32(1)
	if drop {
		verdict = 0
	}
	m := &q.out
	m.begin(msgVerdict, unix.NLM_F_REQUEST, unix.AF_UNSPEC, number)
	var v [8]byte
	binary.BigEndian.PutUint32(v[:], verdict)
	binary.BigEndian.PutUint32(v[4:], id)
	m.attr(attrVerdictHeader, v[:])
	if err := unix.Sendto(q.fd, m.end(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil && !errors.Is(err, unix.ENOENT) {
		return errors.New("queue: answer: " + err.Error())
	}
	return nil
}

// Close lets all packets pass unasked from now on.
func (q *Queue) Close() error {
	var err error
	if q.rules != nil {
		err = q.rules.close()
	}
	return errors.Join(err, unix.Close(q.fd))
}
