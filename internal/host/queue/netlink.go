package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// message is one or several netlink messages of netfilter
// (linux/netfilter/nfnetlink.h), put together in a buffer that is used again.
type message struct {
	b     []byte
	start int
	nests []int
}

// begin starts a buffer with one message.
func (m *message) begin(kind, flags uint16, family uint8, resource uint16) {
	m.b = m.b[:0]
	m.more(kind, flags, family, resource)
}

// more adds a message behind the one before it, which it ends.
func (m *message) more(kind, flags uint16, family uint8, resource uint16) {
	if len(m.b) > 0 {
		m.end()
	}
	ne := binary.NativeEndian
	m.start = len(m.b)
	m.b = append(m.b, 0, 0, 0, 0)
	m.b = ne.AppendUint16(m.b, kind)
	m.b = ne.AppendUint16(m.b, flags)
	m.b = append(m.b, 0, 0, 0, 0, 0, 0, 0, 0)
	m.b = append(m.b, family, 0)
	m.b = binary.BigEndian.AppendUint16(m.b, resource)
}

// acknowledge asks for the kernel's word on the present message.
func (m *message) acknowledge() {
	flags := m.b[m.start+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

// end gives the whole buffer.
func (m *message) end() []byte {
	binary.NativeEndian.PutUint32(m.b[m.start:], uint32(len(m.b)-m.start))
	return m.b
}

func (m *message) attr(kind uint16, data []byte) {
	ne := binary.NativeEndian
	m.b = ne.AppendUint16(m.b, uint16(4+len(data)))
	m.b = ne.AppendUint16(m.b, kind)
	m.b = append(m.b, data...)
	for len(m.b)&3 != 0 {
		m.b = append(m.b, 0)
	}
}

func (m *message) text(kind uint16, s string) { m.attr(kind, append([]byte(s), 0)) }

func (m *message) number(kind uint16, n uint32) { m.attr(kind, binary.BigEndian.AppendUint32(nil, n)) }

// nest begins an attribute that holds others, up to unnest.
func (m *message) nest(kind uint16) {
	m.nests = append(m.nests, len(m.b))
	m.attr(kind|unix.NLA_F_NESTED, nil)
}

func (m *message) unnest() {
	at := m.nests[len(m.nests)-1]
	m.nests = m.nests[:len(m.nests)-1]
	binary.NativeEndian.PutUint16(m.b[at:], uint16(len(m.b)-at))
}

func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, errors.New("netlink socket: " + err.Error())
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, errors.New("netlink socket: " + err.Error())
	}
	return fd, nil
}

// answerWithin is how long the kernel may take to answer.
const answerWithin = 2 * time.Second

// exchange sends a request and waits for the kernel's word on it, the first
// error if there are several words.
func exchange(fd int, request []byte) error {
	var buf [8192]byte
	for { // words on earlier requests
		if _, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT); err != nil {
			break
		}
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return errors.New("netlink: " + err.Error())
	}
	ne := binary.NativeEndian
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for until := time.Now().Add(answerWithin); time.Now().Before(until); {
		if _, err := unix.Poll(fds[:], int(answerWithin.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return errors.New("netlink: " + err.Error())
		}
		n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		if err != nil {
			continue
		}
		for b := buf[:n]; len(b) >= 20; {
			size := int(ne.Uint32(b))
			if size < 20 || size > len(b) {
				break
			}
			if ne.Uint16(b[4:]) == unix.NLMSG_ERROR {
				if code := -int32(ne.Uint32(b[16:])); code != 0 {
					return unix.Errno(code)
				}
				return nil
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
	return errors.New("netlink: no answer")
}
