package http2

import (
	"bytes"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// maxDNS is the longest DNS message over HTTP (RFC 8484 section 6).
const maxDNS = 65535

// beginData begins a DATA frame.
func (p *parser) beginData(d packet.Direction) {
	r := &p.flows[d]
	if r.frame.stream == 0 {
		p.event(eventDataStream0)
		r.skip = true
		return
	}
	t := p.find(r.frame.stream)
	if t == nil {
		t = p.streamTx(r.frame.stream)
	}
	p.last = t
	p.mark(t, d, frameData)
	if r.frame.flags&flagPadded != 0 {
		r.pad = -1
	}
}

// data takes bytes of a DATA frame.
func (p *parser) data(d packet.Direction, data []byte, env *protocol.Env) {
	r := &p.flows[d]
	if r.pad < 0 && len(data) > 0 {
		r.pad = int(data[0])
		data = data[1:]
		if r.pad > r.left+len(data) {
			p.event(eventFrameData)
			r.pad = r.left + len(data)
		}
	}
	whole := r.left + len(data) - max(r.pad, 0) // bytes of the body from data on
	p.content(d, data[:max(min(len(data), whole), 0)], env)
	if r.left == 0 {
		p.endData(d)
		env.TriggerRawStream = true
	}
}

// content takes bytes of a stream's body.
func (p *parser) content(d packet.Direction, data []byte, env *protocol.Env) {
	t := p.find(p.flows[d].frame.stream)
	if t == nil || len(data) == 0 || t.sides[d].ended {
		return
	}
	s := &t.sides[d]
	t.trim(d)
	if len(s.files) == 0 {
		p.openBody(t, d, env)
	}
	s.bytes += uint64(len(data))
	s.gatherDNS(data)
	s.rangeBytes(data)
	s.coding.write(t, d, data)
	t.reach(d, protocol.StageBody)
	if s.bytes > maxDNS && s.bytes-uint64(len(data)) <= maxDNS {
		t.checkDNS(d)
	}
}

// checkDNS raises an event when a body too long for it should be a DNS message.
func (t *Tx) checkDNS(d packet.Direction) {
	if kind, ok := t.sides[d].headers.find("content-type", 0); !ok || !equalFold(kind, "application/dns-message") {
		return
	}
	if d == packet.ToServer {
		t.event(eventDNSRequest)
	} else {
		t.event(eventDNSResponse)
	}
}

// openBody begins the file that a body is.
func (p *parser) openBody(t *Tx, d packet.Direction, env *protocol.Env) {
	s := &t.sides[d]
	p.files++
	name := fileName(&s.headers)
	f := s.body.Open(name, p.files, env.Hashes, file.Limits{})
	if v, ok := s.headers.find("content-range", 0); ok {
		var good bool
		var total uint64
		if f.Start, f.End, total, good = contentRange(v); !good {
			t.event(eventRange)
		}
		if good && f.Start == 0 && total > 0 && f.End == total-1 {
			f.End = 0 // all of it
		} else if good && total > 0 {
			p.files++
			p.openRange(t, d, f.Start, total, env)
		}
	}
	s.files = append(s.files, f)
	s.coding.begin(&s.headers, &s.body)
}

// fileName is the name in Content-Disposition, if any.
func fileName(h *headers) []byte {
	v, ok := h.find("content-disposition", 0)
	if !ok {
		return nil
	}
	_, v, ok = bytes.Cut(v, []byte("filename="))
	if !ok {
		return nil
	}
	if len(v) > 0 && v[0] == '"' {
		if end := bytes.IndexByte(v[1:], '"'); end >= 0 {
			return v[1 : 1+end]
		}
	}
	if end := bytes.IndexByte(v, ';'); end >= 0 {
		v = v[:end]
	}
	return bytes.TrimSpace(v)
}

// contentRange reads "bytes 0-99/1234" (RFC 9110 section 14.4).
func contentRange(v []byte) (start, end, total uint64, ok bool) {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(v), []byte("bytes"))
	if !ok {
		return 0, 0, 0, false
	}
	span, size, ok := bytes.Cut(bytes.TrimSpace(rest), []byte("/"))
	if !ok {
		return 0, 0, 0, false
	}
	if string(span) == "*" {
		_, err := strconv.ParseUint(string(size), 10, 63)
		return 0, 0, 0, err == nil
	}
	a, b, ok := bytes.Cut(span, []byte("-"))
	if !ok {
		return 0, 0, 0, false
	}
	start, err1 := strconv.ParseUint(string(a), 10, 63)
	end, err2 := strconv.ParseUint(string(b), 10, 63)
	if err1 != nil || err2 != nil || end < start {
		return 0, 0, 0, false
	}
	if string(size) != "*" {
		var err error
		if total, err = strconv.ParseUint(string(size), 10, 63); err != nil || end >= total {
			return 0, 0, 0, false
		}
	}
	return start, end, total, true
}

// endData ends a DATA frame.
func (p *parser) endData(d packet.Direction) {
	r := &p.flows[d]
	if t := p.find(r.frame.stream); t != nil && r.frame.flags&flagEndStream != 0 {
		t.finish(d)
	}
}
