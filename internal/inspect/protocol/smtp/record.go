package smtp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp/mime"
)

// AppendEve appends the envelope, which stands under "smtp".
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if len(t.helo) > 0 {
		o.Text("helo", t.helo)
	}
	if t.hasFrom {
		o.Text("mail_from", t.from)
	}
	if len(t.rcptEnds) > 0 {
		o.BeginArray("rcpt_to")
		for i := range t.rcptEnds {
			v, _ := t.recipient(i)
			o.ItemText(v)
		}
		o.EndArray()
	}
	o.End()
	return o.B
}

// AppendBeside appends the mail itself, which stands beside "smtp" as "email".
func (t *Tx) AppendBeside(dst []byte, _ packet.Direction) []byte {
	if !t.hasMail {
		return dst
	}
	o := eve.Object{B: dst}
	o.BeginObject("email")
	o.Str("status", t.mail.Status())
	if v, ok := t.mail.Value(mime.From); ok {
		o.Text("from", v)
	}
	t.addresses(&o, "to", mime.To)
	t.addresses(&o, "cc", mime.Cc)
	list(&o, "attachment", t.mail.Attachment)
	list(&o, "url", t.mail.URL)
	if sum, ok := t.bodyMD5(0); ok {
		o.Text("body_md5", sum)
	}
	o.End()
	return o.B
}

// addresses writes a header with addresses as an array of its parts.
func (t *Tx) addresses(o *eve.Object, key string, h mime.Header) {
	v, ok := t.mail.Value(h)
	if !ok {
		return
	}
	o.BeginArray(key)
	for len(v) > 0 {
		end := endOfAddress(v)
		if item := bytes.TrimSpace(v[:end]); len(item) > 0 {
			o.ItemText(item)
		}
		v = v[min(end+1, len(v)):]
	}
	o.EndArray()
}

// endOfAddress is the position of the comma that ends the first address; one
// in quotes does not.
func endOfAddress(v []byte) int {
	quoted := false
	for i, c := range v {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return i
		}
	}
	return len(v)
}

func list(o *eve.Object, key string, at func(int) ([]byte, bool)) {
	if _, ok := at(0); !ok {
		return
	}
	o.BeginArray(key)
	for i := 0; ; i++ {
		v, ok := at(i)
		if !ok {
			break
		}
		o.ItemText(v)
	}
	o.EndArray()
}
