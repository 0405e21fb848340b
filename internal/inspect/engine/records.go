package engine

import (
	"io"
	"time"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// Records is a Sink that writes eve.json: one JSON object a line, with
// Suricata's field names. One goroutine uses it.
type Records struct {
	w     io.Writer
	types map[string]bool
	o     eve.Object
	opt   RecordOptions
	err   error
	text  []byte // scratch
}

// NewRecords writes to w, which should be buffered.
func NewRecords(w io.Writer, opt RecordOptions) *Records {
	if opt.PayloadSize <= 0 {
		opt.PayloadSize = 4096
	}
	return &Records{w: w, types: opt.Types, opt: opt}
}

// Err is the first error of the writer.
func (r *Records) Err() error { return r.err }

// begin writes what every record has: time, flow, addresses.
func (r *Records) begin(kind string, f *flow.Flow, p *packet.Packet) *eve.Object {
	o := &r.o
	*o = eve.Object{B: o.B[:0]}
	o.Begin()
	r.time("timestamp", p.Time)
	if f != nil {
		o.Uint("flow_id", f.ID)
	}
	if p.Number != 0 {
		o.Uint("pcap_cnt", p.Number)
	}
	o.Str("event_type", kind)
	if p.VLANs > 0 {
		o.BeginArray("vlan")
		for _, v := range p.VLAN[:p.VLANs] {
			o.ItemUint(uint64(v))
		}
		o.EndArray()
	}
	r.hardware(p)
	if r.opt.Community && f != nil {
		r.community(f)
	}
	return o
}

// addresses writes the ends as the packet has them.
func (r *Records) addresses(p *packet.Packet) {
	if p.IPVersion == 0 {
		return
	}
	o := &r.o
	r.between(p.Proto, p.Src, p.SrcPort, p.Dst, p.DstPort)
	r.proto(p.Proto)
	if p.Has&(packet.HasICMPv4|packet.HasICMPv6) != 0 {
		o.Uint("icmp_type", uint64(p.ICMPType))
		o.Uint("icmp_code", uint64(p.ICMPCode))
	}
	o.Uint("ip_v", uint64(p.IPVersion))
	o.Str("pkt_src", source(p))
}

// between writes two ends, with their ports where the IP protocol has ports.
func (r *Records) between(proto uint8, src packet.Addr, srcPort uint16, dst packet.Addr, dstPort uint16) {
	ports := proto == 6 || proto == 17 || proto == 132
	r.addr("src_ip", src)
	if ports {
		r.o.Uint("src_port", uint64(srcPort))
	}
	r.addr("dest_ip", dst)
	if ports {
		r.o.Uint("dest_port", uint64(dstPort))
	}
}

// carriers are eve.json's words for what a packet was carried in.
var carriers = [...]string{
	packet.WithinNothing: "tunnel", packet.WithinIPv4: "ipv4 tunnel", packet.WithinIPv6: "ipv6 tunnel", packet.WithinGRE: "gre tunnel",
	packet.WithinVXLAN: "vxlan encapsulation", packet.WithinGeneve: "geneve encapsulation", packet.WithinTeredo: "teredo tunnel",
}

func source(p *packet.Packet) string {
	switch p.Source {
	case packet.SourceTunnel:
		return carriers[p.Within]
	case packet.SourceDefrag:
		return "defrag"
	case packet.SourceFlowEnd:
		return "stream (flow timeout)"
	case packet.SourceStreamDone:
		return "stream (detect/log)"
	}
	return "wire/pcap"
}

func (r *Records) time(key string, ns int64) {
	var b [40]byte
	r.o.Text(key, time.Unix(0, ns).UTC().AppendFormat(b[:0], "2006-01-02T15:04:05.000000-0700"))
}

// finish ends the record and writes it.
func (r *Records) finish() {
	if r.opt.Capture != "" {
		r.o.Str("pcap_filename", r.opt.Capture)
	}
	r.o.End()
	r.o.B = append(r.o.B, '\n')
	if _, err := r.w.Write(r.o.B); err != nil && r.err == nil {
		r.err = err
	}
}
