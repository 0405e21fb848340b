package packet

// Direction of a packet or of bytes in a flow: who sends to whom.
type Direction uint8

// The directions. The side that sent the first packet is the client, unless
// the flow was picked up midstream and its ports or protocol say otherwise.
const (
	ToServer Direction = iota
	ToClient
)

// Other is the opposite direction.
func (d Direction) Other() Direction { return d ^ 1 }

// String is "to_server" or "to_client", as eve.json writes it.
func (d Direction) String() string {
	if d == ToClient {
		return "to_client"
	}
	return "to_server"
}

// Addr is an IP address without pointers: IPv6 bytes, or an IPv4 address in
// the IPv4-mapped form (::ffff:a.b.c.d). Packet.IPVersion tells which it was.
type Addr [16]byte

// LinkType is a capture's link layer, numbered as in the registry of
// pcap link types (https://www.tcpdump.org/linktypes.html).
type LinkType uint32

// Source says where a Packet came from.
type Source uint8

// The sources. All but SourceWire are made by the engine out of others.
const (
	SourceWire       Source = iota // read from the wire or the capture file
	SourceTunnel                   // the inside of GRE, VXLAN, IP-in-IP, Teredo, PPPoE session in a tunnel …
	SourceDefrag                   // put together from fragments
	SourceFlowEnd                  // no packet at all: a flow's last inspection at its end or time-out
	SourceStreamDone               // as SourceFlowEnd, at the reset or handshake that ended detection of a stream
)

// Carrier is what a packet was carried in.
type Carrier uint8

// The carriers.
const (
	WithinNothing Carrier = iota
	WithinIPv4            // IP in IPv4
	WithinIPv6
	WithinGRE // ERSPAN and PPTP included
	WithinVXLAN
	WithinGeneve
	WithinTeredo
)

// Layers that a packet has, as bits of Packet.Has.
const (
	HasEthernet uint16 = 1 << iota
	HasARP
	HasIPv4
	HasIPv6
	HasTCP
	HasUDP
	HasSCTP
	HasICMPv4
	HasICMPv6
	HasFragment // an IP fragment (also the first): transport header fields are not valid
	HasTunnel   // the payload is another packet; see Decoder.Next
	HasESP
	HasGRE
	HasUseless // IPv6 fragment header of a packet that is whole ("atomic fragment")
)

// IPv4 options, as bits of Packet.IPOptions.
const (
	IPOptRR    uint16 = 1 << iota // record route
	IPOptLSRR                     // loose source route
	IPOptSSRR                     // strict source route
	IPOptTS                       // timestamp
	IPOptSec                      // security
	IPOptESec                     // extended security
	IPOptCIPSO                    // commercial security
	IPOptSID                      // stream id
	IPOptQS                       // quick start
	IPOptAlert                    // router alert
	IPOptNOP                      // no operation
	IPOptEOL                      // end of list
	IPOptOther                    // one that is none of these
)

// Packet is one decoded packet. It is reused: Decode resets it. All slices
// point into Data, which the caller owns and must keep until done with the
// packet. It holds no other pointers.
type Packet struct {
	Data   []byte   // the whole frame as captured, from the link header
	Link   LinkType // of Data
	Time   int64    // nanoseconds since 1970, of capture
	Number uint64   // 1-based position in the capture (eve's pcap_cnt); 0 when not from a file
	Source Source
	Within Carrier // of SourceTunnel: what it was carried in
	Depth  uint8   // 0 for the frame itself, +1 for each tunnel it was inside of

	Has       uint16 // Has… bits
	Events    Events // decoder events
	EtherType uint16 // of the innermost layer 2 header (0 when the link has none)
	MACSrc    [6]byte
	MACDst    [6]byte
	VLAN      [3]uint16 // outermost first, tag control information & 0x0fff
	VLANs     uint8     // number of valid VLAN entries

	IPVersion uint8  // 4, 6, or 0 for not IP
	Proto     uint8  // IP protocol after extension headers
	TTL       uint8  // IPv4 TTL or IPv6 hop limit
	TOS       uint8  // IPv4 TOS or IPv6 traffic class
	IPFlags   uint8  // IPv4: bit 0 MF, bit 1 DF, bit 2 reserved; IPv6 fragment: bit 0 M
	IPOptions uint16 // IPv4 options present: IPOpt… bits
	IPID      uint32 // IPv4 identification, or IPv6 fragment identification
	FragOff   uint16 // fragment offset in bytes
	Src, Dst  Addr
	SrcPort   uint16 // TCP, UDP, SCTP; 0 for others
	DstPort   uint16

	TCPFlags  uint8 // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128
	Seq, Ack  uint32
	Window    uint16
	Urgent    uint16
	MSS       uint16 // TCP option, 0 when absent
	WScale    uint8  // TCP option + 1 (so 0 is absent)
	SACKOK    bool
	TSVal     uint32 // TCP timestamp option; valid when HasTS
	TSEcr     uint32
	HasTS     bool
	ICMPType  uint8
	ICMPCode  uint8
	ICMPID    uint16 // echo messages: identifier
	ICMPSeq   uint16 // echo messages: sequence number
	HasICMPID bool   // whether ICMPID and ICMPSeq are valid
	BadIPSum  bool   // the IPv4 header checksum is wrong (only when checksums are verified; see WrongIPSum)
	BadL4Sum  bool   // the transport checksum is wrong (only when checksums are verified; see WrongL4Sum)
	Invalid   bool   // a header was wrong (Suricata counts it as decoder.invalid); Has says which layers are sound all the same
	HasSACK   bool   // TCP SACK option with blocks
	ICMPMTU   uint32 // ICMP fragmentation needed or packet too big: the next hop's MTU

	tunnel struct {
		from, to uint32
		kind     uint8
		carrier  Carrier
	} // the packet inside, in Data; see Decoder.Next
	layers uint8 // headers followed so far, those of outer packets included

	L3       []byte // IP (or ARP) header with options and extension headers, and everything after it up to IP total length
	L3Header int    // length of the IP header with options (IPv4) or of the fixed header and extension headers (IPv6)
	L4       []byte // transport header and payload; empty when HasFragment
	L4Header int    // length of the transport header with options
	Payload  []byte // transport payload; for other IP protocols all after the IP header
}

// TCP flags, as bits of Packet.TCPFlags.
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)
