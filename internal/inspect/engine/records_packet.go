package engine

import (
	"math/bits"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// PacketSink is implemented by a Sink that also wants to know what is odd
// about single packets.
type PacketSink interface {
	// Oddities tells of a packet with decoder or stream events (of o), or with
	// events of protocol detection (found, by index in protocol.DetectionEvents).
	Oddities(p *packet.Packet, o flow.Outcome, found protocol.Events)
	// Stopped tells of a packet that must not pass although no rule said so.
	Stopped(p *packet.Packet, o flow.Outcome, reason string)
	// ARP tells of a packet of the Address Resolution Protocol.
	ARP(p *packet.Packet)
}

// headBytes is how much of a packet anomaly records carry.
const headBytes = 32

// Oddities implements PacketSink.
func (r *Records) Oddities(p *packet.Packet, o flow.Outcome, found protocol.Events) {
	if !r.wants("anomaly") {
		return
	}
	if r.opt.Decode {
		for i, word := range p.Events {
			for ; word != 0; word &= word - 1 {
				r.oddity(p, o.Flow, "decode", "decoder.", packet.Event(i<<6+bits.TrailingZeros64(word)).String())
			}
		}
	}
	if r.opt.Stream {
		for i, word := range o.Events {
			for ; word != 0; word &= word - 1 {
				r.oddity(p, o.Flow, "stream", "stream.", flow.StreamEvent(i<<6+bits.TrailingZeros64(word)).String())
			}
		}
	}
	if r.opt.NoApp || o.Flow == nil {
		return
	}
	for n, name := range protocol.DetectionEvents() {
		if found.Has(uint8(n)) {
			r.detection(p, o.Flow, name)
		}
	}
}

func (r *Records) oddity(p *packet.Packet, f *flow.Flow, kind, prefix, event string) {
	o := r.begin("anomaly", f, p)
	r.addresses(p)
	if f != nil {
		r.metadataOfFlow(f)
	}
	o.BeginObject("anomaly")
	o.Str("type", kind)
	o.Str("event", prefix+event)
	o.End()
	if r.opt.Header {
		o.Base64("packet", p.Data[:min(len(p.Data), headBytes)])
		o.BeginObject("packet_info")
		o.Uint("linktype", uint64(p.Link))
		o.End()
	}
	r.finish()
}

// detection writes what protocol detection found odd.
func (r *Records) detection(p *packet.Packet, f *flow.Flow, event string) {
	o := r.begin("anomaly", f, p)
	r.addresses(p)
	r.metadataOfFlow(f)
	o.BeginObject("anomaly")
	o.Str("app_proto", f.App.String())
	o.Str("type", "applayer")
	o.Text("event", upper(event))
	o.Str("layer", "proto_detect")
	o.End()
	r.finish()
}

func upper(s string) []byte {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return b
}

// Stopped implements PacketSink.
func (r *Records) Stopped(p *packet.Packet, o flow.Outcome, reason string) {
	if r.opt.IPS && r.wants("drop") {
		r.drop(o.Flow, o.Dir, p, reason)
		r.finish()
	}
}

// drop begins the record of a packet that does not pass.
func (r *Records) drop(f *flow.Flow, d packet.Direction, p *packet.Packet, reason string) {
	o := r.begin("drop", f, p)
	r.addresses(p)
	if f != nil {
		o.Str("direction", d.String())
		r.metadataOfFlow(f)
	}
	o.BeginObject("drop")
	if p.IPVersion == 6 {
		o.Uint("len", uint64(max(0, len(p.L3)-40)))
		o.Uint("tc", uint64(p.TOS))
		o.Uint("hoplimit", uint64(p.TTL))
		o.Uint("flowlbl", uint64(flowLabel(p.L3)))
	} else {
		o.Uint("len", uint64(len(p.L3)))
		o.Uint("tos", uint64(p.TOS))
		o.Uint("ttl", uint64(p.TTL))
		o.Uint("ipid", uint64(p.IPID))
	}
	switch {
	case p.Has&packet.HasTCP != 0:
		r.dropTCP(p)
	case p.Has&packet.HasUDP != 0:
		o.Uint("udplen", uint64(len(p.L4)))
	}
	o.Str("reason", reason)
	o.End()
}

func flowLabel(l3 []byte) uint32 {
	if len(l3) < 4 {
		return 0
	}
	return uint32(l3[1]&15)<<16 | uint32(l3[2])<<8 | uint32(l3[3])
}

func (r *Records) dropTCP(p *packet.Packet) {
	o := &r.o
	o.Uint("tcpseq", uint64(p.Seq))
	o.Uint("tcpack", uint64(p.Ack))
	o.Uint("tcpwin", uint64(p.Window))
	for _, f := range [...]struct {
		name string
		flag uint8
	}{{"syn", packet.SYN}, {"ack", packet.ACK}, {"psh", packet.PSH}, {"rst", packet.RST}, {"urg", packet.URG}, {"fin", packet.FIN}} {
		o.Bool(f.name, p.TCPFlags&f.flag != 0)
	}
	res := uint64(0)
	if len(p.L4) > 12 {
		res = uint64(p.L4[12] & 15)
	}
	o.Uint("tcpres", res)
	o.Uint("tcpurgp", uint64(p.Urgent))
}
