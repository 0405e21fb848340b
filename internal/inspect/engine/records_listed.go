package engine

import (
	"encoding/hex"
	"net/netip"
)

// Listed implements ListedSink: a record of its own, "reputation".
func (r *Records) Listed(l *Listed) {
	if !r.wants("reputation") {
		return
	}
	o := r.begin("reputation", l.Flow, l.Packet)
	r.addresses(l.Packet)
	if l.Flow != nil {
		r.application(l.Flow)
		o.Str("direction", l.Dir.String())
	}
	o.BeginObject("reputation")
	action := "allowed"
	if l.Stop && r.opt.IPS {
		action = "blocked"
	}
	o.Str("action", action)
	o.Str("type", l.Subject.Kind.String())
	r.text = l.Subject.AppendText(r.text[:0])
	o.Text("value", r.text)
	o.Str("where", l.Where)
	o.Uint("score", uint64(l.Score))
	o.End()
	if l.File != nil {
		o.BeginObject("fileinfo")
		r.file(l.File, 0)
		o.End()
	}
	r.finish()
}

// AppendText appends the subject as people write it.
func (s *Subject) AppendText(b []byte) []byte {
	switch s.Kind {
	case SubjectAddress:
		if s.Addr != (netip.Addr{}) {
			b = s.Addr.AppendTo(b)
		}
	case SubjectFile, SubjectCert:
		b = hex.AppendEncode(b, s.Sum)
	default:
		b = append(b, s.Text...)
	}
	return b
}
