package engine

import (
	"encoding/hex"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// Transaction implements Sink.
func (r *Records) Transaction(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	if rec, ok := tx.(protocol.Recorder); ok && r.wants(spec.Record) {
		r.transaction(f, spec, rec, tx, d, p)
	}
	c, ok := tx.(protocol.Carrier)
	if !ok {
		return
	}
	for d := packet.ToServer; d <= packet.ToClient; d++ {
		if record, message := c.Carried(d); message != nil && r.wants(record) {
			r.begin(record, f, p)
			r.ends(f, packet.ToServer, p)
			r.metadataOfFlow(f)
			r.o.Uint("tx_id", tx.Inspection().Number)
			r.o.Raw(record, nil)
			r.o.B = message.AppendEve(r.o.B, d)
			r.finish()
		}
	}
}

func (r *Records) transaction(f *flow.Flow, spec *protocol.Spec, rec protocol.Recorder, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	o := r.begin(spec.Record, f, p)
	r.ends(f, packet.ToServer, p)
	r.metadataOfFlow(f)
	if numbered(spec.ID) {
		o.Uint("tx_id", tx.Inspection().Number)
	}
	at := len(o.B)
	o.Raw(spec.Record, nil)
	start := len(o.B)
	o.B = rec.AppendEve(o.B, d)
	empty := len(o.B) == start
	if empty {
		o.B = o.B[:at]
	}
	if r.beside(tx, d) || !empty {
		r.finish()
	}
}

// numbered says whether a protocol's records carry the transaction's number:
// some have it inside, or one record a flow.
func numbered(id protocol.ID) bool {
	switch id {
	case protocol.DNS, protocol.DHCP, protocol.TLS, protocol.SMB, protocol.SIP, protocol.MQTT, protocol.KRB5, protocol.TFTP, protocol.RFB, protocol.SNMP:
		return false
	}
	return true
}

// beside writes the fields beside a transaction's record, and says whether
// there are any.
func (r *Records) beside(tx protocol.Tx, d packet.Direction) bool {
	more, ok := tx.(protocol.Beside)
	if !ok {
		return false
	}
	o := &r.o
	at := len(o.B)
	o.B = append(o.B, ',')
	start := len(o.B)
	if o.B = more.AppendBeside(o.B, d); len(o.B) == start {
		o.B = o.B[:at]
		return false
	}
	return true
}

// ends writes the addresses of a flow: the client is the source, or for files
// that the server sent (d), the server.
func (r *Records) ends(f *flow.Flow, d packet.Direction, p *packet.Packet) {
	o := &r.o
	if d == packet.ToClient {
		r.between(f.Proto, f.Server, f.ServerPort, f.Client, f.ClientPort)
	} else {
		r.between(f.Proto, f.Client, f.ClientPort, f.Server, f.ServerPort)
	}
	r.proto(f.Proto)
	o.Uint("ip_v", uint64(f.IPVersion))
	o.Str("pkt_src", source(p))
}

// File implements Sink.
func (r *Records) File(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, is *protocol.File, d packet.Direction, p *packet.Packet) {
	if !r.wants("fileinfo") {
		return
	}
	o := r.begin("fileinfo", f, p)
	r.ends(f, d, p)
	r.metadataOfFlow(f)
	if rec, ok := tx.(protocol.Recorder); ok && spec.Record != "" {
		at := len(o.B)
		o.Raw(spec.Record, nil)
		start := len(o.B)
		if o.B = rec.AppendEve(o.B, d); len(o.B) == start {
			o.B = o.B[:at]
		}
		r.beside(tx, d)
	}
	r.application(f)
	o.BeginObject("fileinfo")
	r.file(is, tx.Inspection().Number)
	o.End()
	r.finish()
}

// filesOf lists the files of an alert's transaction.
func (r *Records) filesOf(tx protocol.Tx, d packet.Direction) {
	files := tx.Files(d)
	if len(files) == 0 {
		return
	}
	r.o.BeginArray("files")
	for _, f := range files {
		r.o.Begin()
		r.file(f, tx.Inspection().Number)
		r.o.End()
	}
	r.o.EndArray()
}

// file writes what is known of a file.
func (r *Records) file(is *protocol.File, number uint64) {
	o := &r.o
	if len(is.Name) > 0 {
		o.Text("filename", is.Name)
	}
	if r.opt.Magic && is.Data.Offset == 0 && len(is.Data.Data) > 0 {
		o.Str("magic", file.Magic(is.Data.Data))
	}
	o.Bool("gaps", is.Gaps)
	o.Str("state", is.State.String())
	digests := [...]struct {
		has  bool
		name string
		sum  []byte
	}{{is.HasMD5, "md5", is.MD5[:]}, {is.HasSHA1, "sha1", is.SHA1[:]}, {is.HasSHA256, "sha256", is.SHA256[:]}}
	for _, g := range digests {
		if g.has {
			var b [64]byte
			o.Text(g.name, hex.AppendEncode(b[:0], g.sum))
		}
	}
	o.Bool("stored", is.Stored)
	o.Uint("size", is.Size)
	if is.End > 0 {
		o.Uint("start", is.Start)
		o.Uint("end", is.End)
	}
	o.Uint("tx_id", number)
}

// Anomaly implements Sink.
func (r *Records) Anomaly(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, event string, d packet.Direction, p *packet.Packet) {
	if r.opt.NoApp || !r.wants("anomaly") {
		return
	}
	o := r.begin("anomaly", f, p)
	r.ends(f, packet.ToServer, p)
	r.metadataOfFlow(f)
	o.Uint("tx_id", tx.Inspection().Number)
	o.BeginObject("anomaly")
	o.Str("app_proto", spec.ID.String())
	o.Str("type", "applayer")
	if capitals(spec.ID) {
		o.Text("event", upper(event))
	} else {
		o.Str("event", event)
	}
	o.Str("layer", "proto_parser")
	o.End()
	r.finish()
}

// capitals says whether records write a protocol's events in capitals, as
// Suricata does for those whose parsers are its oldest.
func capitals(id protocol.ID) bool {
	switch id {
	case protocol.HTTP1, protocol.TLS, protocol.SMTP, protocol.FTP, protocol.DNP3:
		return true
	}
	return false
}

// FlowEnd implements Sink.
func (r *Records) FlowEnd(f *flow.Flow, why flow.Reason, now int64) {
	if !r.wants("flow") {
		return
	}
	p := packet.Packet{Time: now, VLAN: f.VLAN, VLANs: f.VLANs}
	o := r.begin("flow", f, &p)
	r.between(f.Proto, f.Client, f.ClientPort, f.Server, f.ServerPort)
	o.Uint("ip_v", uint64(f.IPVersion))
	r.proto(f.Proto)
	if f.Proto == 1 || f.Proto == 58 {
		o.Uint("icmp_type", uint64(f.ClientPort))
		o.Uint("icmp_code", uint64(f.ServerPort))
		if kind, ok := flow.ICMPAnswer(f.Proto, uint8(f.ClientPort)); ok && f.Packets[packet.ToClient] > 0 {
			o.Uint("response_icmp_type", uint64(kind))
			o.Uint("response_icmp_code", 0)
		}
	}
	r.application(f)
	o.BeginObject("flow")
	r.counts(f)
	r.time("start", f.Start)
	r.time("end", f.Last)
	o.Uint("age", uint64(max(0, f.Last/1e9-f.Start/1e9)))
	o.Str("state", f.State.String())
	o.Str("reason", why.String())
	o.Bool("alerted", f.Flags&flow.FlagAlerted != 0)
	if r.opt.IPS && f.Flags&(flow.FlagDropped|flow.FlagListed) != 0 {
		o.Str("action", "drop")
	}
	o.End()
	r.metadataOfFlow(f)
	if f.Proto == 6 {
		r.tcp(f)
	}
	r.finish()
}

func (r *Records) counts(f *flow.Flow) {
	o := &r.o
	o.Uint("pkts_toserver", f.Packets[packet.ToServer])
	o.Uint("pkts_toclient", f.Packets[packet.ToClient])
	o.Uint("bytes_toserver", f.Bytes[packet.ToServer])
	o.Uint("bytes_toclient", f.Bytes[packet.ToClient])
}

// flowOfAlert writes the flow as alerts carry it.
func (r *Records) flowOfAlert(f *flow.Flow) {
	o := &r.o
	o.BeginObject("flow")
	r.counts(f)
	r.time("start", f.Start)
	r.addr("src_ip", f.Client)
	r.addr("dest_ip", f.Server)
	if f.Proto == 6 || f.Proto == 17 || f.Proto == 132 {
		o.Uint("src_port", uint64(f.ClientPort))
		o.Uint("dest_port", uint64(f.ServerPort))
	}
	o.End()
}

// metadataOfFlow writes the flow's marks and numbers.
func (r *Records) metadataOfFlow(f *flow.Flow) {
	if r.opt.Flowbits == nil {
		return
	}
	o := &r.o
	marks, numbers := 0, 0
	r.opt.Flowbits(f.Slot, func(_ string, number bool, _ uint32) {
		if number {
			numbers++
		} else {
			marks++
		}
	})
	if marks+numbers == 0 {
		return
	}
	o.BeginObject("metadata")
	if marks > 0 {
		o.BeginArray("flowbits")
		r.opt.Flowbits(f.Slot, func(name string, number bool, _ uint32) {
			if !number {
				o.ItemStr(name)
			}
		})
		o.EndArray()
	}
	if numbers > 0 {
		o.BeginObject("flowints")
		r.opt.Flowbits(f.Slot, func(name string, number bool, value uint32) {
			if number {
				o.Uint(name, uint64(value))
			}
		})
		o.End()
	}
	o.End()
}

var tcpStates = [...]string{"none", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2", "time_wait", "last_ack", "close_wait", "closing", "closed"}

func (r *Records) tcp(f *flow.Flow) {
	o := &r.o
	o.BeginObject("tcp")
	seen := f.TCPSeen
	if f.TCPState == flow.TCPNone {
		seen = [2]uint8{} // no session was followed
	}
	for i, flags := range [3]uint8{seen[0] | seen[1], seen[0], seen[1]} {
		b := [2]byte{"0123456789abcdef"[flags>>4], "0123456789abcdef"[flags&15]}
		o.Text([...]string{"tcp_flags", "tcp_flags_ts", "tcp_flags_tc"}[i], b[:])
	}
	if f.TCPState == flow.TCPNone {
		o.End()
		return
	}
	all := seen[0] | seen[1]
	for i, name := range [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"} {
		if all&(1<<i) != 0 {
			o.Bool(name, true)
		}
	}
	if int(f.TCPState) < len(tcpStates) {
		o.Str("state", tcpStates[f.TCPState])
	}
	o.End()
}
