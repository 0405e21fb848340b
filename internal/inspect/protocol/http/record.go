package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// AppendEve appends the transaction's record.
func (t *transaction) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	req, resp := &t.msg[packet.ToServer], &t.msg[packet.ToClient]
	o.Begin()
	if len(t.host) > 0 {
		o.Text("hostname", t.host)
	}
	if t.hostPort >= 0 {
		o.Uint("http_port", uint64(t.hostPort))
	}
	if len(t.uri) > 0 {
		o.Text("url", t.uri)
	}
	text(&o, "http_user_agent", &req.headers, knownUserAgent)
	text(&o, "xff", &req.headers, knownXForwardedFor)
	if v, ok := resp.headers.get(knownContentType); ok {
		if i := bytes.IndexByte(v, ';'); i >= 0 {
			v = v[:i]
		}
		o.Text("http_content_type", v)
	}
	if v, ok := resp.headers.get(knownContentRange); ok {
		appendRange(&o, v)
	}
	text(&o, "http_refer", &req.headers, knownReferer)
	if len(t.method) > 0 {
		o.Text("http_method", t.method)
	}
	if len(t.protocol) > 0 {
		o.Text("protocol", t.protocol)
	}
	t.appendStatus(&o, &resp.headers)
	o.Uint("length", resp.taken)
	o.End()
	return o.B
}

func (t *transaction) appendStatus(o *eve.Object, h *headers) {
	if len(t.status) == 0 {
		return
	}
	n := uint64(0)
	for _, c := range t.status {
		if c-'0' > 9 || n > 1<<24 {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	if n == 0 {
		o.Text("status_string", t.status)
	} else {
		o.Uint("status", n)
	}
	if t.code > 300 && t.code < 400 {
		text(o, "redirect", h, knownLocation)
	}
}

func text(o *eve.Object, key string, h *headers, k known) {
	if v, ok := h.get(k); ok && len(v) > 0 {
		o.Text(key, v)
	}
}

// byteRange reads a Content-Range value ("bytes 0-99/200"); size is -1 when it
// is not told.
func byteRange(v []byte) (start, end, size int64, ok bool) {
	v = trimSpace(v)
	if len(v) < 6 || !equalFold(v[:5], "bytes") {
		return 0, 0, 0, false
	}
	v = trimSpace(v[5:])
	slash := bytes.IndexByte(v, '/')
	if slash < 0 {
		return 0, 0, 0, false
	}
	size = -1
	if total := trimSpace(v[slash+1:]); string(total) != "*" {
		if size, ok = decimal(total); !ok {
			return 0, 0, 0, false
		}
	}
	part := trimSpace(v[:slash])
	if string(part) == "*" {
		return -1, -1, size, true
	}
	dash := bytes.IndexByte(part, '-')
	if dash < 0 {
		return 0, 0, 0, false
	}
	start, ok = decimal(part[:dash])
	if ok {
		end, ok = decimal(part[dash+1:])
	}
	return start, end, size, ok
}

func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func appendRange(o *eve.Object, v []byte) {
	o.BeginObject("content_range")
	o.Text("raw", v)
	if start, end, size, ok := byteRange(v); ok {
		if start >= 0 {
			o.Int("start", start)
		}
		if end >= 0 {
			o.Int("end", end)
		}
		if size >= 0 {
			o.Int("size", size)
		}
	}
	o.End()
}

// setRange notes which part of a file a partial response carries.
func (m *message) setRange(f *protocol.File) {
	if m.dir != packet.ToClient {
		return
	}
	v, ok := m.headers.get(knownContentRange)
	if !ok {
		return
	}
	start, end, size, ok := byteRange(v)
	if start == 0 && size > 0 && end == size-1 {
		return // all of it
	}
	if !ok || start >= 0 && end < start {
		m.tx.insp.Events.Set(evRangeInvalid)
		return
	}
	if start < 0 {
		return
	}
	f.Start, f.End = uint64(start), uint64(end)
	if _, coded := m.headers.get(knownContentEncoding); size <= 0 || coded {
		return
	}
	m.key = append(append(m.key[:0], m.tx.host...), ' ')
	m.key = append(m.key, m.tx.path...)
	m.ranged, m.at = m.p.pool.ranges.Open(m.key, uint64(size), m.p.env.Now), f.Start
}

// closeRange adds the file that the body was the last missing part of.
func (m *message) closeRange() {
	r := m.ranged
	if r == nil {
		return
	}
	m.ranged = nil
	data, ok := r.Take()
	if !ok || !m.asFile {
		return
	}
	m.p.fileID++
	m.files = append(m.files, m.whole.Open(m.body.File().Name, m.p.fileID, m.p.env.Hashes, file.Limits{Back: len(data), Max: len(data)}))
	m.whole.Write(data)
	m.whole.Close(protocol.FileClosed)
}
