package contract

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/datapath"
)

// The cast of the suite.
var (
	camera     = datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0xa, 1}}
	television = datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0xa, 2}}
	routerMAC  = [6]byte{2, 0, 0, 0, 0xf, 1}

	home4   = netip.MustParsePrefix("192.168.7.0/24")
	home6   = netip.MustParsePrefix("2001:db8:7::/48")
	camera4 = netip.MustParseAddr("192.168.7.11")
	camera6 = netip.MustParseAddr("2001:db8:7::11")
	victim4 = netip.MustParseAddr("203.0.113.5")
	victim6 = netip.MustParseAddr("2001:db8:bad::5")
	other4  = netip.MustParseAddr("198.51.100.9")
)

// Frame describes a frame to build. Zero fields take what a plain UDP packet
// of the camera to the victim has.
type Frame struct {
	Device           datapath.DeviceKey
	Tags             []uint16 // VLAN tags, outermost first; the device's own is added by itself
	Inward           bool     // from the router to the device: addresses are given as the device sees them, and swapped
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16
	Flags            uint8 // TCP
	Payload          []byte
	Options          []byte // IPv4 options, or IPv6 extension headers with Next
	Next             uint8  // IPv6: protocol number of the first extension header
	Fragment         uint16 // IPv4: flags and offset word
}

// Build gives the frame's bytes. Checksums are left at 0: nothing on the way
// reads them.
func (f Frame) Build() []byte {
	if f.Device == (datapath.DeviceKey{}) {
		f.Device = camera
	}
	if !f.Src.IsValid() {
		f.Src = camera4
	}
	if !f.Dst.IsValid() {
		f.Dst = victim4
		if f.Src.Is6() {
			f.Dst = victim6
		}
	}
	if f.Proto == 0 {
		f.Proto = 17
	}
	from, to := f.Device.MAC, routerMAC
	if f.Inward {
		from, to = to, from
		f.Src, f.Dst = f.Dst, f.Src
		f.SrcPort, f.DstPort = f.DstPort, f.SrcPort
	}
	b := append(append([]byte(nil), to[:]...), from[:]...)
	if f.Device.VLAN != 0 {
		f.Tags = append([]uint16{f.Device.VLAN}, f.Tags...)
	}
	for i, tag := range f.Tags {
		tpid := uint16(0x8100)
		if i == 0 && len(f.Tags) > 1 {
			tpid = 0x88a8
		}
		b = binary.BigEndian.AppendUint16(b, tpid)
		b = binary.BigEndian.AppendUint16(b, tag)
	}
	if f.Src.Is4() {
		return f.ip4(b)
	}
	return f.ip6(b)
}

func (f Frame) ip4(b []byte) []byte {
	l4 := f.l4()
	b = append(b, 0x08, 0x00)
	header := 20 + len(f.Options)
	b = append(b, byte(0x40|header/4), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(header+len(l4)))
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint16(b, f.Fragment)
	b = append(b, 64, f.Proto, 0, 0)
	b = append(append(b, f.Src.AsSlice()...), f.Dst.AsSlice()...)
	b = append(append(b, f.Options...), l4...)
	return pad(b)
}

func (f Frame) ip6(b []byte) []byte {
	l4 := f.l4()
	next := f.Proto
	if len(f.Options) > 0 {
		next = f.Next
	}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Options)+len(l4)))
	b = append(b, next, 64)
	b = append(append(b, f.Src.AsSlice()...), f.Dst.AsSlice()...)
	return pad(append(append(b, f.Options...), l4...))
}

func (f Frame) l4() []byte {
	if f.Fragment&0x1fff != 0 {
		return f.Payload
	}
	var b []byte
	switch f.Proto {
	case 6:
		b = binary.BigEndian.AppendUint16(b, f.SrcPort)
		b = binary.BigEndian.AppendUint16(b, f.DstPort)
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, f.Flags, 0xff, 0xff, 0, 0, 0, 0)
	case 17:
		b = binary.BigEndian.AppendUint16(b, f.SrcPort)
		b = binary.BigEndian.AppendUint16(b, f.DstPort)
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(f.Payload)))
		b = append(b, 0, 0)
	case 1, 58:
		b = append(b, byte(f.SrcPort), 0, 0, 0, 0, 1, 0, 1) // SrcPort is the type
	}
	return append(b, f.Payload...)
}

// BeginsHTTP says whether a payload begins with an HTTP/1 method, as
// FlowCounter.HTTPRequests counts it.
func BeginsHTTP(payload []byte) bool {
	for _, method := range []string{"GET ", "POST", "HEAD", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC"} {
		if strings.HasPrefix(string(payload), method) {
			return true
		}
	}
	return false
}

// pad fills up to the shortest Ethernet frame.
func pad(b []byte) []byte {
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}
