package engine

import (
	"io"
	"time"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Records is a Sink that writes eve.json: one JSON object a line, with
// Suricata's field names. One goroutine uses it.
type Records struct {
	w     io.Writer
	types map[string]bool
	o     eve.Object
	opt   RecordOptions
	err   error
}

// RecordOptions says what is written.
type RecordOptions struct {
	Types       map[string]bool         // event types to write; nil for all
	IPS         bool                    // drop rules do drop: "blocked"
	Payload     bool                    // alerts carry the payload in base64 …
	Printable   bool                    // … and printable
	Packet      bool                    // alerts carry the packet
	Names       [protocol.NumIDs]string // each protocol's record, as Spec.Record; "": the protocol's name
	PayloadSize int                     // most payload bytes of an alert, 0 for 4096

	// Flowbits yields the marks (number false) and the numbers of the flow in a
	// slot of the table; nil leaves them out. It may be called more than once for a record.
	Flowbits func(slot int32, yield func(name string, number bool, value uint32))

	Decode, Stream, NoApp bool // anomaly records of broken headers, of TCP sessions; none of protocols
	Header                bool // those of packets carry the packet's first bytes
	Magic                 bool // fileinfo records say what a file's first bytes tell
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

func (r *Records) wants(kind string) bool { return r.types == nil || r.types[kind] }

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

func source(p *packet.Packet) string {
	switch p.Source {
	case packet.SourceTunnel:
		return "tunnel"
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
	r.o.End()
	r.o.B = append(r.o.B, '\n')
	if _, err := r.w.Write(r.o.B); err != nil && r.err == nil {
		r.err = err
	}
}

// Alerts implements Sink.
func (r *Records) Alerts(c *rule.Context, v *rule.Verdict) {
	p := c.Packet
	if r.wants("alert") {
		for i := range v.Alerts {
			if a := &v.Alerts[i]; !a.Quiet {
				r.alert(c, p, a)
			}
		}
	}
	if v.Tagged && r.wants("packet") {
		o := r.begin("packet", c.Flow, p)
		r.addresses(p)
		o.Base64("packet", p.Data)
		o.BeginObject("packet_info")
		o.Uint("linktype", uint64(p.Link))
		o.End()
		r.finish()
	}
	if r.opt.IPS && (v.Action == rule.ActionDrop || v.Action >= rule.ActionReject && v.Action <= rule.ActionRejectBoth) && r.wants("drop") {
		r.drop(c.Flow, c.Dir, p, "rules")
		for i := range v.Alerts {
			if a := &v.Alerts[i]; a.Drop {
				r.signature(a, c)
				break
			}
		}
		r.finish()
	}
}

func (r *Records) alert(c *rule.Context, p *packet.Packet, a *rule.Alert) {
	o := r.begin("alert", c.Flow, p)
	r.addresses(p)
	if a.Tx != nil {
		o.Uint("tx_id", a.TxID)
	}
	r.signature(a, c)
	f := c.Flow
	if f != nil {
		if f.App != protocol.Unknown {
			o.Str("app_proto", f.App.String())
		}
		o.Str("direction", c.Dir.String())
		if a.Tx != nil {
			r.attach(c, a.Tx)
			r.filesOf(a.Tx, c.Dir)
		}
		r.flowOfAlert(f)
		r.metadataOfFlow(f)
	}
	if r.opt.Payload && len(p.Payload) > 0 {
		o.Base64("payload", p.Payload[:min(len(p.Payload), r.opt.PayloadSize)])
	}
	if r.opt.Printable && len(p.Payload) > 0 {
		o.Text("payload_printable", p.Payload[:min(len(p.Payload), r.opt.PayloadSize)])
	}
	if r.opt.Packet && len(p.Data) > 0 {
		o.Base64("packet", p.Data)
		o.BeginObject("packet_info")
		o.Uint("linktype", uint64(p.Link))
		o.End()
	}
	r.finish()
}

// attach writes the transaction's own record beside the alert, under the
// record's name of the protocol that the transaction is of.
func (r *Records) attach(c *rule.Context, tx protocol.Tx) {
	rec, ok := tx.(protocol.Recorder)
	if !ok {
		return
	}
	name := r.opt.Names[c.App]
	if name == "" {
		name = c.App.String()
	}
	mark := len(r.o.B)
	r.o.Raw(name, nil)
	at := len(r.o.B)
	if own, ok := tx.(protocol.AlertRecorder); ok {
		r.o.B = own.AppendAlertEve(r.o.B, c.Dir)
	} else {
		r.o.B = rec.AppendEve(r.o.B, c.Dir)
	}
	if len(r.o.B) == at {
		r.o.B = r.o.B[:mark]
	}
	r.beside(tx, c.Dir)
}

func (r *Records) signature(a *rule.Alert, c *rule.Context) {
	o, m := &r.o, a.Rule
	o.BeginObject("alert")
	action := "allowed"
	if a.Drop && r.opt.IPS {
		action = "blocked"
	}
	o.Str("action", action)
	o.Uint("gid", uint64(m.GID))
	o.Uint("signature_id", uint64(m.SID))
	o.Uint("rev", uint64(m.Rev))
	o.Str("signature", m.Message)
	o.Str("category", m.Classification)
	o.Uint("severity", uint64(m.Priority))
	if len(m.References) > 0 {
		o.BeginArray("references")
		for _, s := range m.References {
			o.ItemStr(s)
		}
		o.EndArray()
	}
	r.target(m, c)
	r.metadata(m)
	o.End()
}

func (r *Records) target(m *rule.Meta, c *rule.Context) {
	if m.Target == rule.TargetNone || c.Packet.IPVersion == 0 {
		return
	}
	src, dst := "source", "target"
	if m.Target == rule.TargetSource {
		src, dst = dst, src
	}
	for _, side := range [2]struct {
		key  string
		addr packet.Addr
		port uint16
	}{{src, c.Packet.Src, c.Packet.SrcPort}, {dst, c.Packet.Dst, c.Packet.DstPort}} {
		r.o.BeginObject(side.key)
		r.addr("ip", side.addr)
		if side.port != 0 {
			r.o.Uint("port", uint64(side.port))
		}
		r.o.End()
	}
}

// metadata writes {"key":["value",…],…} with the keys in the rule's order.
func (r *Records) metadata(m *rule.Meta) {
	if len(m.Metadata) == 0 {
		return
	}
	o := &r.o
	o.BeginObject("metadata")
	for i, kv := range m.Metadata {
		first := true
		for _, before := range m.Metadata[:i] {
			first = first && before[0] != kv[0]
		}
		if !first {
			continue
		}
		o.BeginArray(kv[0])
		for _, other := range m.Metadata[i:] {
			if other[0] == kv[0] {
				o.ItemStr(other[1])
			}
		}
		o.EndArray()
	}
	o.End()
}
