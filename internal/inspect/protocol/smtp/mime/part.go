package mime

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// encoding is how a part's body is encoded for transfer.
type encoding uint8

const (
	plain encoding = iota
	base64
	quoted
)

// part is what is known of the part being read.
type part struct {
	encoding   encoding
	text       bool // a text part, in which URLs are looked for
	multipart  bool
	message    bool // message/rfc822: a message inside
	bound      boundary
	attachment bool
	name       []byte
	open       bool    // its file is open at the sink
	quad       [4]byte // base64: sextets that wait for more
	quads      int
	padded     bool
}

func (p *part) reset() {
	*p = part{name: p.name[:0], text: true}
}

// header takes a header that says how the part is to be read.
func (p *part) header(m *Reader, name, value []byte) {
	switch {
	case is(name, "content-type"):
		p.contentType(m, value)
	case is(name, "content-transfer-encoding"):
		p.encoding = encodingOf(m.cfg, value)
	case is(name, "content-disposition"):
		if hasPrefix(value, "attachment") {
			p.attachment = true
		}
		p.filename(m, value, "filename")
	}
}

func encodingOf(cfg *Config, value []byte) encoding {
	switch {
	case cfg.Base64 && hasPrefix(value, "base64"):
		return base64
	case cfg.QuotedPrintable && hasPrefix(value, "quoted-printable"):
		return quoted
	}
	return plain
}

func (p *part) contentType(m *Reader, value []byte) {
	p.text = hasPrefix(value, "text/plain") || hasPrefix(value, "text/html")
	p.message = hasPrefix(value, "message/rfc822")
	if hasPrefix(value, "multipart/") {
		m.out, p.multipart = param(m.out, value, "boundary")
		if p.multipart {
			p.boundary(m, m.out)
		}
		return
	}
	p.filename(m, value, "name")
}

func (p *part) boundary(m *Reader, text []byte) {
	if len(text) > maxBoundary {
		m.event(LongBoundary)
	}
	if len(text) == 0 || len(text) > maxName || len(m.stack) >= maxDepth {
		p.multipart = false
		m.event(ParseFailed)
		return
	}
	p.bound.from = m.stackEnd()
	m.bounds = append(m.bounds[:p.bound.from], text...)
	p.bound.to = len(m.bounds)
}

func (p *part) filename(m *Reader, value []byte, key string) {
	if len(p.name) > 0 {
		return
	}
	name, found := param(m.out, value, key)
	m.out = name
	if !found || len(name) == 0 {
		return
	}
	if len(name) > maxName {
		m.event(LongFilename)
		name = name[:maxName]
	}
	p.name = append(p.name[:0], name...)
	p.attachment = true
}

// stackEnd is the end of the boundaries in use.
func (m *Reader) stackEnd() int {
	if n := len(m.stack); n > 0 {
		return m.stack[n-1].to
	}
	return 0
}

// startBody is called at the empty line after a part's headers.
func (m *Reader) startBody() {
	m.past = true
	p := &m.part
	switch {
	case p.multipart:
		m.stack = append(m.stack, p.bound)
		m.phase = inBetween
	case p.message && !p.attachment:
		m.depth++
		m.phase = inHeaders
		p.reset()
	default:
		m.phase = inBody
		if p.attachment && len(p.name) > 0 {
			p.open = true
			m.lists[listAttachment].add(p.name)
			m.sink.FileOpen(p.name)
		}
	}
}

// delimiter looks whether a line, whose "--" was taken off, ends a part.
func (m *Reader) delimiter(text []byte) bool {
	for i := len(m.stack) - 1; i >= 0; i-- {
		b := m.bounds[m.stack[i].from:m.stack[i].to]
		if !bytes.HasPrefix(text, b) {
			continue
		}
		tail := bytes.TrimRight(text[len(b):], " \t")
		last := len(tail) >= 2 && tail[0] == '-' && tail[1] == '-'
		if len(tail) > 0 && !last {
			continue
		}
		m.endPart(true)
		m.depth++
		m.part.reset()
		m.header = m.header[:0]
		if last {
			m.stack = m.stack[:i]
			m.phase = inBetween
			return true
		}
		m.stack = m.stack[:i+1]
		m.phase = inHeaders
		return true
	}
	return false
}

// endPart closes what the part had open.
func (m *Reader) endPart(whole bool) {
	p := &m.part
	if m.phase == inBody {
		if p.encoding == base64 {
			m.flushBase64()
		}
		m.endText()
	}
	if p.open {
		p.open = false
		m.sink.FileClose(whole)
	}
}

// body takes a line of a part's body.
func (m *Reader) body(text []byte, end line.Ending) {
	p := &m.part
	switch p.encoding {
	case base64:
		if len(text) > maxEncLine && (p.open || p.text) {
			m.event(LongEncLine)
		}
		m.emit(m.decodeBase64(text))
	case quoted:
		if len(text) > maxEncLine {
			m.event(LongEncLine)
		}
		m.emit(m.decodeQuoted(text, end))
	default:
		m.emit(text)
		m.emit(endings[2-end.Len():])
	}
}

// endings is CR LF, LF from its second byte on.
var endings = [2]byte{'\r', '\n'}

// emit gives decoded bytes to the file and to the search for URLs.
func (m *Reader) emit(data []byte) {
	if len(data) == 0 {
		return
	}
	if m.part.open {
		m.sink.FileData(data)
	}
	if m.part.text && m.cfg.URLs {
		m.addText(data)
	}
}
