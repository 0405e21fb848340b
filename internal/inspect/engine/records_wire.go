package engine

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

const hexDigits = "0123456789abcdef"

// hardware writes the addresses of the frame.
func (r *Records) hardware(p *packet.Packet) {
	if !r.opt.Ethernet || p.Has&packet.HasEthernet == 0 {
		return
	}
	r.o.BeginObject("ether")
	r.mac("src_mac", p.MACSrc[:])
	r.mac("dest_mac", p.MACDst[:])
	r.o.End()
}

func (r *Records) mac(key string, a []byte) {
	r.text = r.text[:0]
	for i, c := range a {
		if i > 0 {
			r.text = append(r.text, ':')
		}
		r.text = append(r.text, hexDigits[c>>4], hexDigits[c&15])
	}
	r.o.Text(key, r.text)
}

// community writes the flow's Community ID, version 1
// (https://github.com/corelight/community-id-spec).
func (r *Records) community(f *flow.Flow) {
	src, dst := shortest(f.Client), shortest(f.Server)
	sport, dport := f.ClientPort, f.ServerPort
	if c := bytes.Compare(src, dst); c > 0 || c == 0 && sport > dport {
		src, dst, sport, dport = dst, src, dport, sport
	}
	b := binary.BigEndian.AppendUint16(r.text[:0], r.opt.Seed)
	b = append(append(b, src...), dst...)
	b = append(b, f.Proto, 0)
	switch f.Proto {
	case 1, 6, 17, 58, 132:
		b = binary.BigEndian.AppendUint16(b, sport)
		b = binary.BigEndian.AppendUint16(b, dport)
	}
	sum := sha1.Sum(b)
	b = base64.StdEncoding.AppendEncode(append(b[:0], "1:"...), sum[:])
	r.text = b
	r.o.Text("community_id", b)
}

// shortest is an address in 4 or 16 bytes.
func shortest(a packet.Addr) []byte {
	if n := netip.AddrFrom16(a); n.Is4In6() {
		return a[12:]
	}
	return a[:]
}

// tunnel writes the ends of the packet that carried this one.
func (r *Records) tunnel(c *rule.Context) {
	p := c.Outer
	if p == nil {
		return
	}
	o := &r.o
	o.BeginObject("tunnel")
	r.addr("src_ip", p.Src)
	r.addr("dest_ip", p.Dst)
	if p.SrcPort|p.DstPort != 0 {
		o.Uint("src_port", uint64(p.SrcPort))
		o.Uint("dest_port", uint64(p.DstPort))
	}
	r.proto(p.Proto)
	o.Uint("depth", uint64(c.Packet.Depth))
	if p.Number != 0 {
		o.Uint("pcap_cnt", p.Number)
	}
	o.Str("pkt_src", source(p))
	o.End()
}

// application writes the flow's protocol, and those of its directions and of
// its beginning where they are others.
func (r *Records) application(f *flow.Flow) {
	o := &r.o
	if f.App != protocol.Unknown {
		o.Str("app_proto", f.App.String())
	}
	for d, key := range [2]string{"app_proto_ts", "app_proto_tc"} {
		if id := f.AppDir[d]; id != protocol.Unknown && id != f.App {
			o.Str(key, id.String())
		}
	}
	if id := f.AppOriginal; id != protocol.Unknown && id != f.App {
		o.Str("app_proto_orig", id.String())
	}
}

// ARP implements PacketSink.
func (r *Records) ARP(p *packet.Packet) {
	if !r.wants("arp") || len(p.L3) < 28 {
		return
	}
	kind, proto := binary.BigEndian.Uint16(p.L3), binary.BigEndian.Uint16(p.L3[2:])
	if kind != 1 || proto != 0x0800 || p.L3[4] != 6 || p.L3[5] != 4 {
		return
	}
	o := r.begin("arp", nil, p)
	o.Str("pkt_src", source(p))
	o.BeginObject("arp")
	o.Str("hw_type", "ethernet")
	o.Str("proto_type", "ipv4")
	o.Str("opcode", operation(binary.BigEndian.Uint16(p.L3[6:])))
	r.mac("src_mac", p.L3[8:14])
	r.ipv4("src_ip", p.L3[14:18])
	r.mac("dest_mac", p.L3[18:24])
	r.ipv4("dest_ip", p.L3[24:28])
	o.End()
	r.finish()
}

func (r *Records) ipv4(key string, b []byte) {
	r.text = netip.AddrFrom4([4]byte(b)).AppendTo(r.text[:0])
	r.o.Text(key, r.text)
}

// operation is what an ARP packet does
// (https://www.iana.org/assignments/arp-parameters).
func operation(n uint16) string {
	names := [...]string{1: "request", 2: "reply", 3: "reverse_request", 4: "reverse_reply", 8: "inarp_request", 9: "inarp_reply"}
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return "unknown"
}
