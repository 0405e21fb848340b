package engine

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Alerts implements Sink.
func (r *Records) Alerts(c *rule.Context, v *rule.Verdict) {
	p := c.Packet
	if r.wants("alert") {
		for i := range v.Alerts {
			if a := &v.Alerts[i]; !a.Quiet {
				r.alert(c, v, a)
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
		r.verdict(p, v)
		r.finish()
	}
}

func (r *Records) alert(c *rule.Context, v *rule.Verdict, a *rule.Alert) {
	p := c.Packet
	o := r.begin("alert", c.Flow, p)
	r.addresses(p)
	r.tunnel(c)
	tx, guessed := a.Tx, false
	if tx == nil {
		tx = r.guess(c, a)
		guessed = tx != nil && p.Proto == 6
	}
	if tx != nil {
		o.Uint("tx_id", tx.Inspection().Number)
		if guessed {
			o.Bool("tx_guessed", true)
		}
	}
	r.signature(a, c)
	if f := c.Flow; f != nil {
		r.application(f)
		o.Str("direction", c.Dir.String())
		if tx != nil {
			r.attach(c, tx)
			r.filesOf(tx, c.Dir)
		}
		if a.Frame != nil {
			r.frame(a.Frame)
		}
		r.flowOfAlert(f)
		r.metadataOfFlow(f)
	}
	r.payload(c, a)
	if r.opt.Packet && len(p.Data) > 0 {
		o.Base64("packet", p.Data)
		o.BeginObject("packet_info")
		o.Uint("linktype", uint64(p.Link))
		o.End()
	}
	r.verdict(p, v)
	r.finish()
}

// maxGuesses bounds the alerts on a stream that are given the same
// transaction.
const maxGuesses = 4

// guess is the transaction under way when a rule fired on the stream, or on a
// datagram of a protocol that the rule names; nil for none.
func (r *Records) guess(c *rule.Context, a *rule.Alert) protocol.Tx {
	sure := a.Stream || a.OfApp && c.Packet.Proto == 17
	if c.Flow == nil || a.Frame != nil || !sure && !(r.opt.Guess && len(c.Txs) == 1) {
		return nil
	}
	for _, tx := range c.Txs {
		in := tx.Inspection()
		if in.Skip[c.Dir] {
			continue
		}
		if in.Guessed >= maxGuesses {
			return nil
		}
		in.Guessed++
		return tx
	}
	return nil
}

// payload writes what the rule fired on: the stream for what was matched in
// it, else the packet.
func (r *Records) payload(c *rule.Context, a *rule.Alert) {
	if !r.opt.Payload && !r.opt.Printable && !r.opt.Length {
		return
	}
	o, data, stream := &r.o, c.Packet.Payload, uint64(0)
	if c.Packet.Proto == 6 && (a.Stream || a.Tx != nil || a.Frame != nil) {
		stream = 1
		if len(c.Raw) > 0 {
			data = c.Raw
		}
	}
	if r.opt.Length {
		o.Uint("payload_length", uint64(len(data)))
	}
	data = data[:min(len(data), r.opt.PayloadSize)]
	if r.opt.Payload && len(data) > 0 {
		o.Base64("payload", data)
	}
	if r.opt.Printable {
		r.printable("payload_printable", data)
	}
	o.Uint("stream", stream)
}

// printable writes bytes with a dot for each that cannot be printed.
func (r *Records) printable(key string, data []byte) {
	r.text = r.text[:0]
	for _, c := range data {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' {
			c = '.'
		}
		r.text = append(r.text, c)
	}
	r.o.Text(key, r.text)
}

// verdict writes what becomes of the packet.
func (r *Records) verdict(p *packet.Packet, v *rule.Verdict) {
	if !r.opt.Verdict {
		return
	}
	o := &r.o
	o.BeginObject("verdict")
	reject := v.Action >= rule.ActionReject && v.Action <= rule.ActionRejectBoth
	switch {
	case (reject || v.Action == rule.ActionDrop) && r.opt.IPS:
		o.Str("action", "drop")
	case v.Action == rule.ActionPass:
		o.Str("action", "pass")
	default:
		o.Str("action", "alert")
	}
	if reject {
		o.Str("reject-target", rejectTarget(v.Action))
		o.BeginArray("reject")
		if p.Proto == 6 {
			o.ItemStr("tcp-reset")
		} else {
			o.ItemStr("icmp-prohib")
		}
		o.EndArray()
	}
	o.End()
}

func rejectTarget(a rule.Action) string {
	switch a {
	case rule.ActionRejectDst:
		return "to_server"
	case rule.ActionRejectBoth:
		return "both"
	}
	return "to_client"
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
	} else if c.App == protocol.HTTP1 || c.App == protocol.HTTP2 || c.App == protocol.DOH2 {
		r.bodies(tx)
	}
	r.beside(tx, c.Dir)
}

// bodies adds what is held of the bodies to the record just written.
func (r *Records) bodies(tx protocol.Tx) {
	if !r.opt.Body && !r.opt.BodyText {
		return
	}
	o := &r.o
	o.B = o.B[:len(o.B)-1] // the end of the object; its fields go on
	for d, name := range [2]string{"http_request_body", "http_response_body"} {
		field := [2]protocol.Field{protocol.HTTPRequestBody, protocol.HTTPResponseBody}[d]
		w, ok := tx.Window(field, packet.Direction(d), 0)
		if !ok || len(w.Data) == 0 {
			continue
		}
		if r.opt.BodyText {
			r.printable(name+"_printable", w.Data)
		}
		if r.opt.Body {
			o.Base64(name, w.Data)
		}
	}
	o.End()
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
	if m.Text != "" {
		o.Str("rule", m.Text)
	}
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
