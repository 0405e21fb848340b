package engine

import (
	"encoding/hex"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Transaction implements Sink.
func (r *Records) Transaction(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	rec, ok := tx.(protocol.Recorder)
	if !ok || !r.wants(spec.Record) {
		return
	}
	o := r.begin(spec.Record, f, p)
	r.ends(f, d, p)
	o.Uint("tx_id", tx.Inspection().Number)
	at := len(o.B)
	o.Raw(spec.Record, nil)
	start := len(o.B)
	o.B = rec.AppendEve(o.B, d)
	empty := len(o.B) == start
	if empty {
		o.B = o.B[:at]
	}
	if more, ok := tx.(protocol.Beside); ok {
		at := len(o.B)
		o.B = append(o.B, ',')
		start := len(o.B)
		if o.B = more.AppendBeside(o.B, d); len(o.B) == start {
			o.B = o.B[:at]
		} else {
			empty = false
		}
	}
	if !empty {
		r.finish()
	}
}

// ends writes the addresses of a flow: the client is the source, or for
// records of what the server sent (d), the server.
func (r *Records) ends(f *flow.Flow, _ packet.Direction, p *packet.Packet) {
	o := &r.o
	ports := f.Proto == 6 || f.Proto == 17 || f.Proto == 132
	r.addr("src_ip", f.Client)
	if ports {
		o.Uint("src_port", uint64(f.ClientPort))
	}
	r.addr("dest_ip", f.Server)
	if ports {
		o.Uint("dest_port", uint64(f.ServerPort))
	}
	r.proto(f.Proto)
	o.Uint("ip_v", uint64(f.IPVersion))
	o.Str("pkt_src", source(p))
}

// File implements Sink.
func (r *Records) File(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, file *protocol.File, d packet.Direction, p *packet.Packet) {
	if !r.wants("fileinfo") {
		return
	}
	o := r.begin("fileinfo", f, p)
	r.ends(f, d, p)
	if rec, ok := tx.(protocol.Recorder); ok && spec.Record != "" {
		at := len(o.B)
		o.Raw(spec.Record, nil)
		start := len(o.B)
		if o.B = rec.AppendEve(o.B, d); len(o.B) == start {
			o.B = o.B[:at]
		}
	}
	o.Str("app_proto", f.App.String())
	o.BeginObject("fileinfo")
	o.Text("filename", file.Name)
	o.Bool("gaps", file.Gaps)
	o.Str("state", file.State.String())
	digests := [...]struct {
		has  bool
		name string
		sum  []byte
	}{{file.HasMD5, "md5", file.MD5[:]}, {file.HasSHA1, "sha1", file.SHA1[:]}, {file.HasSHA256, "sha256", file.SHA256[:]}}
	for _, g := range digests {
		if g.has {
			var b [64]byte
			o.Text(g.name, hex.AppendEncode(b[:0], g.sum))
		}
	}
	o.Bool("stored", file.Stored)
	o.Uint("size", file.Size)
	o.Uint("tx_id", tx.Inspection().Number)
	o.End()
	r.finish()
}

// Anomaly implements Sink.
func (r *Records) Anomaly(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, event string, d packet.Direction, p *packet.Packet) {
	if !r.wants("anomaly") {
		return
	}
	o := r.begin("anomaly", f, p)
	r.ends(f, d, p)
	o.Uint("tx_id", tx.Inspection().Number)
	o.BeginObject("anomaly")
	o.Str("app_proto", spec.ID.String())
	o.Str("type", "applayer")
	o.Str("event", event)
	o.Str("layer", "proto_parser")
	o.End()
	r.finish()
}

// FlowEnd implements Sink.
func (r *Records) FlowEnd(f *flow.Flow, why flow.Reason, now int64) {
	if !r.wants("flow") {
		return
	}
	p := packet.Packet{Time: now, VLAN: f.VLAN, VLANs: f.VLANs}
	o := r.begin("flow", f, &p)
	ports := f.Proto == 6 || f.Proto == 17 || f.Proto == 132
	r.addr("src_ip", f.Client)
	if ports {
		o.Uint("src_port", uint64(f.ClientPort))
	}
	r.addr("dest_ip", f.Server)
	if ports {
		o.Uint("dest_port", uint64(f.ServerPort))
	}
	o.Uint("ip_v", uint64(f.IPVersion))
	r.proto(f.Proto)
	if f.App != protocol.Unknown {
		o.Str("app_proto", f.App.String())
	}
	o.BeginObject("flow")
	r.counts(f)
	r.time("start", f.Start)
	r.time("end", f.Last)
	o.Uint("age", uint64(max(0, f.Last/1e9-f.Start/1e9)))
	o.Str("state", f.State.String())
	o.Str("reason", why.String())
	o.Bool("alerted", f.Flags&flow.FlagAlerted != 0)
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
	if r.bits == nil {
		return
	}
	o := &r.o
	for _, numbers := range [2]bool{false, true} {
		open := false
		r.bits(f.Slot, func(name string, number bool, value uint32) {
			if number != numbers {
				return
			}
			if !open {
				open = true
				o.BeginObject("metadata")
				if numbers {
					o.BeginObject("flowints")
				} else {
					o.BeginArray("flowbits")
				}
			}
			if numbers {
				o.Uint(name, uint64(value))
			} else {
				o.ItemStr(name)
			}
		})
		switch {
		case open && numbers:
			o.End()
			o.End()
		case open:
			o.EndArray()
			o.End()
			return
		}
	}
}

var tcpStates = [...]string{"none", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2", "time_wait", "last_ack", "close_wait", "closing", "closed"}

func (r *Records) tcp(f *flow.Flow) {
	o := &r.o
	o.BeginObject("tcp")
	for i, flags := range [3]uint8{f.TCPSeen[0] | f.TCPSeen[1], f.TCPSeen[0], f.TCPSeen[1]} {
		b := [2]byte{"0123456789abcdef"[flags>>4], "0123456789abcdef"[flags&15]}
		o.Text([...]string{"tcp_flags", "tcp_flags_ts", "tcp_flags_tc"}[i], b[:])
	}
	all := f.TCPSeen[0] | f.TCPSeen[1]
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
