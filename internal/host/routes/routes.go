// Package routes has the kernel prohibit single destinations, by routes of the
// type prohibit in the main table: whatever asks for one is told EACCES, and
// connections that are there come to a halt. That needs neither eBPF nor
// netfilter and works with every kernel. It knows nothing of why a destination
// is prohibited; internal/agent calls it.
//
// Routes outlive the process that made them: Open takes away those that another
// one left, which it knows by their protocol number.
//
// Facts are those of rtnetlink(7) and include/uapi/linux/rtnetlink.h.
package routes

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// protocol is rtm_protocol of our routes: one that no routing daemon has.
const protocol = 179

// Sizes of struct nlmsghdr, struct rtmsg and struct rtattr.
const (
	sizeHeader = 16
	sizeRoute  = 12
	sizeAttr   = 4
)

// Table is open. It is for one goroutine.
type Table struct {
	fd   int
	held map[netip.Addr]time.Time // when it was added
}

// Open needs CAP_NET_ADMIN for what follows.
func Open() (*Table, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.New("routes: netlink socket: " + err.Error())
	}
	wait := unix.NsecToTimeval(int64(2 * time.Second))
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	t := &Table{fd: fd, held: map[netip.Addr]time.Time{}}
	left, err := t.left()
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	for _, a := range left {
		_ = t.change(unix.RTM_DELROUTE, 0, a)
	}
	return t, nil
}

// Prohibit adds an address. One to which another route leads exactly is left
// alone, and is an error.
func (t *Table) Prohibit(a netip.Addr, now time.Time) error {
	if _, there := t.held[a]; there {
		return nil
	}
	if err := t.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, a); err != nil {
		return errors.New("routes: prohibit " + a.String() + ": " + err.Error())
	}
	t.held[a] = now
	return nil
}

// Keep takes away all addresses for which keep is false, and the oldest beyond
// most.
func (t *Table) Keep(most int, keep func(a netip.Addr, since time.Time) bool) {
	for a, since := range t.held {
		if !keep(a, since) {
			t.release(a)
		}
	}
	for len(t.held) > most {
		var oldest netip.Addr
		for a, since := range t.held {
			if !oldest.IsValid() || since.Before(t.held[oldest]) {
				oldest = a
			}
		}
		t.release(oldest)
	}
}

func (t *Table) release(a netip.Addr) {
	_ = t.change(unix.RTM_DELROUTE, 0, a) // somebody else may have taken it away
	delete(t.held, a)
}

// Len is the number of addresses that are prohibited.
func (t *Table) Len() int { return len(t.held) }

// Close takes all of them away.
func (t *Table) Close() error {
	t.Keep(0, func(netip.Addr, time.Time) bool { return false })
	return unix.Close(t.fd)
}

// request begins a message about a route of ours.
func request(kind, flags uint16, a netip.Addr) []byte {
	b := make([]byte, sizeHeader+sizeRoute, 64)
	ne := binary.NativeEndian
	ne.PutUint16(b[4:], kind)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST|flags)
	r := b[sizeHeader:]
	r[0] = unix.AF_INET
	if a.Is6() {
		r[0] = unix.AF_INET6
	}
	r[4], r[5], r[7] = unix.RT_TABLE_MAIN, protocol, unix.RTN_PROHIBIT
	if a.IsValid() {
		raw := a.AsSlice()
		r[1] = byte(len(raw) * 8)
		b = ne.AppendUint16(b, uint16(sizeAttr+len(raw)))
		b = ne.AppendUint16(b, unix.RTA_DST)
		b = append(b, raw...)
	}
	ne.PutUint32(b, uint32(len(b)))
	return b
}

// change asks for one change and waits for the kernel's word.
func (t *Table) change(kind, flags uint16, a netip.Addr) error {
	return t.exchange(request(kind, flags|unix.NLM_F_ACK, a), nil)
}

// left gives the addresses of our routes that are there.
func (t *Table) left() ([]netip.Addr, error) {
	var out []netip.Addr
	for _, any := range [...]netip.Addr{{}, netip.IPv6Unspecified()} {
		b := request(unix.RTM_GETROUTE, unix.NLM_F_DUMP, any)
		b = b[:sizeHeader+sizeRoute]
		b[sizeHeader+1] = 0 // all of the family
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		if err := t.exchange(b, func(a netip.Addr) { out = append(out, a) }); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return nil, errors.New("routes: " + err.Error())
		}
	}
	return out, nil
}

// exchange sends a request and reads the answers up to the last.
func (t *Table) exchange(b []byte, route func(netip.Addr)) error {
	if err := unix.Sendto(t.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(t.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := ParseRoutes(buf[:n], route); done || err != nil {
			return err
		}
	}
}

// ParseRoutes reads one datagram of an answer in the machine's byte order and
// gives the destinations of our routes; done says that it was the last. The
// error is the kernel's, or that the datagram is malformed.
func ParseRoutes(b []byte, route func(netip.Addr)) (done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= sizeHeader {
		size := ne.Uint32(b)
		if size < sizeHeader || uint64(size) > uint64(len(b)) {
			return true, unix.EBADMSG
		}
		body := b[sizeHeader:size]
		switch ne.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return true, unix.EBADMSG
			}
			if code := -int32(ne.Uint32(body)); code > 0 {
				return true, unix.Errno(code)
			}
			return true, nil
		case unix.RTM_NEWROUTE:
			if a, ok := destination(body); ok && route != nil {
				route(a)
			}
		}
		b = b[min((int(size)+3)&^3, len(b)):]
	}
	return false, nil
}

// destination reads a route of ours to a single address.
func destination(b []byte) (netip.Addr, bool) {
	if len(b) < sizeRoute || b[4] != unix.RT_TABLE_MAIN || b[5] != protocol || b[7] != unix.RTN_PROHIBIT {
		return netip.Addr{}, false
	}
	bits := int(b[1])
	ne := binary.NativeEndian
	for b = b[sizeRoute:]; len(b) >= sizeAttr; {
		size := int(ne.Uint16(b))
		if size < sizeAttr || size > len(b) {
			return netip.Addr{}, false
		}
		if ne.Uint16(b[2:]) == unix.RTA_DST {
			a, ok := netip.AddrFromSlice(b[sizeAttr:size])
			return a, ok && a.BitLen() == bits
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return netip.Addr{}, false
}
