// Package inventory knows what this device is on its network: which interface
// carries its default route, its MAC address, VLAN and addresses. It knows
// nothing of traffic; internal/agent calls it.
//
// It asks the kernel by ioctl and netlink and reads /proc/self/net, never
// /sys, which may belong to another network namespace.
package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// Interface is one network interface.
type Interface struct {
	Name  string
	Index int
	MAC   [6]byte
	VLAN  uint16 // of a VLAN interface, 0 otherwise
	MTU   int
}

// Device gives the device's name as the gate derives it too.
func (i Interface) Device() model.DeviceID { return model.NewDeviceID(i.MAC, i.VLAN) }

// ErrNoRoute says that the device has no default route, so that it is not
// known by which interface the network sees it.
var ErrNoRoute = errors.New("no default route: connect the device to its network or set `interfaces`")

// Default gives the interface of the default route with the lowest metric,
// IPv4 before IPv6.
func Default() (Interface, error) {
	for _, family := range []struct {
		file  string
		parse func([]byte) string
	}{{"/proc/self/net/route", ParseRoute4}, {"/proc/self/net/ipv6_route", ParseRoute6}} {
		text, err := os.ReadFile(family.file)
		if err != nil {
			continue
		}
		if name := family.parse(text); name != "" {
			return ByName(name)
		}
	}
	return Interface{}, ErrNoRoute
}

// ParseRoute4 finds the interface of the best default route in the text of
// /proc/net/route; "" when there is none.
func ParseRoute4(text []byte) string {
	best, bestMetric := "", uint64(1<<63)
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 8 || string(f[1]) != "00000000" || string(f[7]) != "00000000" {
			continue
		}
		flags, err := strconv.ParseUint(string(f[3]), 16, 32)
		metric, err2 := strconv.ParseUint(string(f[6]), 10, 32)
		if err == nil && err2 == nil && flags&1 != 0 && flags&0x200 == 0 && metric < bestMetric {
			best, bestMetric = string(f[0]), metric
		}
	}
	return best
}

// ParseRoute6 is ParseRoute4 for /proc/net/ipv6_route.
func ParseRoute6(text []byte) string {
	best, bestMetric := "", uint64(1<<63)
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 10 || strings.Trim(string(f[0]), "0") != "" || string(f[1]) != "00" || string(f[9]) == "lo" {
			continue
		}
		flags, err := strconv.ParseUint(string(f[8]), 16, 32)
		metric, err2 := strconv.ParseUint(string(f[5]), 16, 32)
		if err == nil && err2 == nil && flags&1 != 0 && flags&0x200 == 0 && metric < bestMetric {
			best, bestMetric = string(f[9]), metric
		}
	}
	return best
}

// ByName asks the kernel for one interface.
func ByName(name string) (Interface, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Interface{}, errors.New("interface " + name + ": socket: " + err.Error())
	}
	defer unix.Close(fd)
	i := Interface{Name: name}
	var req ifreq
	if len(name) >= unix.IFNAMSIZ {
		return Interface{}, errors.New("interface " + name + ": the name is too long")
	}
	copy(req.name[:], name)
	if err := ioctl(fd, unix.SIOCGIFINDEX, unsafe.Pointer(&req)); err != nil {
		return Interface{}, errors.New("interface " + name + ": " + err.Error())
	}
	i.Index = int(*(*int32)(unsafe.Pointer(&req.data)))
	if err := ioctl(fd, unix.SIOCGIFHWADDR, unsafe.Pointer(&req)); err != nil {
		return Interface{}, errors.New("interface " + name + ": hardware address: " + err.Error())
	}
	copy(i.MAC[:], req.data[2:8]) // after sa_family
	if err := ioctl(fd, unix.SIOCGIFMTU, unsafe.Pointer(&req)); err != nil {
		return Interface{}, errors.New("interface " + name + ": MTU: " + err.Error())
	}
	i.MTU = int(*(*int32)(unsafe.Pointer(&req.data)))
	i.VLAN = vlan(fd, name)
	return i, nil
}

// ifreq is struct ifreq; its union is at most 24 bytes on every target.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data [24]byte
}

// vlanArgs is struct vlan_ioctl_args of linux/if_vlan.h.
type vlanArgs struct {
	cmd     int32
	device1 [24]byte
	data    [24]byte
	qos     int16
	_       [2]byte
}

const (
	siocGIFVLAN = 0x8982
	getVLANID   = 9
)

func vlan(fd int, name string) uint16 {
	a := vlanArgs{cmd: getVLANID}
	copy(a.device1[:len(a.device1)-1], name)
	if ioctl(fd, siocGIFVLAN, unsafe.Pointer(&a)) != nil {
		return 0
	}
	return uint16(*(*int32)(unsafe.Pointer(&a.data))) & 0xfff
}

func ioctl(fd int, req uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

// Prefixes gives the addresses of every interface with their networks, by a
// netlink dump.
func Prefixes() ([]netip.Prefix, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.New("addresses: netlink socket: " + err.Error())
	}
	defer unix.Close(fd)
	var req [unix.SizeofNlMsghdr + unix.SizeofIfAddrmsg]byte
	h := (*unix.NlMsghdr)(unsafe.Pointer(&req[0]))
	h.Len, h.Type, h.Flags, h.Seq = uint32(len(req)), unix.RTM_GETADDR, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 1
	if err := unix.Sendto(fd, req[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.New("addresses: netlink send: " + err.Error())
	}
	var out []netip.Prefix
	buf := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, errors.New("addresses: netlink receive: " + err.Error())
		}
		var done bool
		if out, done, err = ParseAddrs(buf[:n], out); err != nil || done {
			return out, err
		}
	}
}

var errNetlink = errors.New("addresses: malformed netlink answer")

// ParseAddrs adds the addresses of one datagram of an RTM_GETADDR dump in the
// machine's byte order; done says that it was the last.
func ParseAddrs(b []byte, out []netip.Prefix) (_ []netip.Prefix, done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size, kind := native32(b), native16(b[4:])
		if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(b)) {
			return out, false, errNetlink
		}
		switch kind {
		case unix.NLMSG_DONE:
			return out, true, nil
		case unix.NLMSG_ERROR:
			return out, true, errNetlink
		case unix.RTM_NEWADDR:
			if p, ok := parseAddr(b[unix.SizeofNlMsghdr:size]); ok {
				out = append(out, p)
			}
		}
		b = b[min(len(b), align4(int(size))):]
	}
	return out, false, nil
}

func parseAddr(b []byte) (netip.Prefix, bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return netip.Prefix{}, false
	}
	bits := int(b[1])
	var addr netip.Addr
	for b = b[unix.SizeofIfAddrmsg:]; len(b) >= 4; {
		size, kind := int(native16(b)), native16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		// IFA_LOCAL is the own end of a point-to-point link, IFA_ADDRESS the other.
		if a, ok := netip.AddrFromSlice(b[4:size]); ok && (kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS && !addr.IsValid()) {
			addr = a
		}
		b = b[min(len(b), align4(size)):]
	}
	p := netip.PrefixFrom(addr, bits)
	return p, p.IsValid()
}

func align4(n int) int { return (n + 3) &^ 3 }

func native16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func native32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// Forwards says whether the device routes packets of others, so that foreign
// source addresses leaving it are no sign of spoofing.
func Forwards() bool {
	for _, f := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 && b[0] != '0' {
			return true
		}
	}
	return false
}

// Sent gives how many packets an interface has sent by its own count, which
// also holds what never passed a packet tap; 0 when it is not there.
func Sent(name string) uint64 {
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0
	}
	return ParseSent(b, name)
}

// ParseSent finds the interface in the text of /proc/net/dev.
func ParseSent(text []byte, name string) uint64 {
	for line := range bytes.Lines(text) {
		head, counts, ok := bytes.Cut(line, []byte{':'})
		if !ok || string(bytes.TrimSpace(head)) != name {
			continue
		}
		if f := bytes.Fields(counts); len(f) >= 10 {
			n, _ := strconv.ParseUint(string(f[9]), 10, 64)
			return n
		}
	}
	return 0
}
