// Package traffic counts what this device itself sends, by destination and
// class of packet, without eBPF: a small AF_PACKET ring that the kernel fills
// with the heads of packets, thinned out by a classic BPF program when there
// are many, so that the cost stays the same under a flood. It knows nothing of
// processes or of what is a flood; internal/agent calls it.
//
// Its tables hold no pointers and do not grow. What is sent with
// PACKET_QDISC_BYPASS never reaches a packet tap; the caller sees such traffic
// as the difference between Read's Total and the interface's own counter.
package traffic

import "net/netip"

// Class sorts packets by what a flood of them would be called. The order is
// that of internal/datapath.
type Class uint8

// The classes. A packet is in the first that fits.
const (
	ClassSpoofed Class = iota // source address not of this device
	ClassSYN                  // TCP with SYN and without ACK
	ClassACK                  // TCP with ACK, without SYN, FIN, RST and payload
	ClassTCP                  // all other TCP
	ClassDNS                  // UDP to port 53
	ClassUDP                  // all other UDP
	ClassICMP                 // ICMP and ICMPv6 other than neighbour discovery
	ClassOther                // all else
	NumClasses   = iota
)

// Flow counts what went to one destination in one class since the last Read.
// Numbers are estimates while sampling: exact ones times Weight.
type Flow struct {
	Dst   [16]byte // IPv4 as IPv4-mapped
	Class Class
	Proto uint8 // IP protocol of the last packet

	Packets, Bytes float64 // bytes of IP total length
	HTTP           float64 // segments that begin with an HTTP/1 request
	Back           float64 // packets that came back from Dst in the same protocol
	Frames         float64 // packets as the device handed them out, before the card cut them into pieces
	Sampled        uint32  // packets really looked at

	First, Last int64 // Unix time in ns of the first and last packet since the last Read

	Port      uint16 // the destination port of most packets
	PortShare uint32 // sampled packets that had it
	Len       uint16 // the IP total length of most packets
	LenShare  uint32
	LenMin    uint16
	LenMax    uint16
	FlagsOr   uint8 // TCP flags that any packet had
	FlagsAnd  uint8 // TCP flags that every packet had

	SrcPorts   [4]uint16 // some source ports, 0 for none
	Src        [16]byte  // the source of the last packet
	sources    [2]uint64 // linear counting of source addresses
	seen       int64     // Unix ns of the last packet ever; 0: slot free
	portWeight uint32    // majority vote (Boyer and Moore)
	lenWeight  uint32
}

// Address gives the destination.
func (f *Flow) Address() netip.Addr { return netip.AddrFrom16(f.Dst).Unmap() }

// Sample is what Read gives besides the flows.
type Sample struct {
	Total   [NumClasses]float64 // packets sent since the last Read
	Weight  float64             // packets that one looked at stands for
	Looked  int                 // packets looked at, both directions
	Evicted int                 // flows that lost their slot to others while still counting
}
