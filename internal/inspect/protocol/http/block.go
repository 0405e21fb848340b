package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// block reads the header block of a message line by line. What has been read
// stands in headers.raw; the field being read is kept until the next line
// shows that it is not folded.
type block struct {
	start   int  // where the line being read begins in raw
	pending bool // a field waits for the line after it
	field   span
	crSeen  bool // the line before ended in LF CR
}

// lineEnd finds the end of the line that begins b: the index after its LF.
// Response lines end at a CR too. 0 says that there is none yet.
func lineEnd(b []byte, d packet.Direction, final bool) int {
	lf := bytes.IndexByte(b, '\n')
	if d == packet.ToServer {
		return lf + 1
	}
	head := b
	if lf >= 0 {
		head = b[:lf]
	}
	for from := 0; ; {
		cr := bytes.IndexByte(head[from:], '\r')
		if cr < 0 {
			return lf + 1
		}
		cr += from
		if cr+1 == len(head) {
			if lf >= 0 || !final {
				return lf + 1
			}
			return cr + 1
		}
		if head[cr+1] != '\r' && cr > 0 {
			return cr + 1
		}
		from = cr + 1
	}
}

// blockPiece is how much is looked at in one go, so that not too much of a
// body is copied for nothing.
const blockPiece = 2 << 10

// headerLines takes what has come of a header block. It returns how many bytes
// of data it took and whether the block has ended.
func (m *message) headerLines(data []byte, final bool) (int, bool) {
	h := &m.headers
	taken := 0
	for {
		n := min(len(data)-taken, blockPiece)
		h.raw = append(h.raw, data[taken:taken+n]...)
		taken += n
		if over, done := m.splitLines(final && taken == len(data)); done {
			h.raw = h.raw[:len(h.raw)-over]
			return max(0, taken-over), true
		}
		if len(h.raw)-m.block.start > m.p.cfg.fieldLimit || len(h.raw) > maxHeaderBytes {
			m.event(evReqFieldTooLong, evRespFieldTooLong)
			m.p.side[m.dir].failed = true
		}
		if taken == len(data) || m.p.side[m.dir].failed {
			return taken, false
		}
	}
}

// splitLines handles the whole lines at the end of raw. When the block has
// ended it says how many bytes of raw are beyond it.
func (m *message) splitLines(final bool) (over int, done bool) {
	b := &m.block
	for {
		raw := m.headers.raw
		n := lineEnd(raw[b.start:], m.dir, final)
		if n == 0 {
			return 0, false
		}
		line := raw[b.start : b.start+n]
		next := b.start + n
		if m.dir == packet.ToClient && n > 1 {
			skip, wait := oddEnd(line, raw[next:], final)
			if wait {
				return 0, false
			}
			next += skip
		}
		if m.isTerminator(line, raw[next:]) {
			m.flushField()
			if b.crSeen && len(line) == 2 && bytes.HasPrefix(raw[next:], crlf) {
				next += 2
			}
			return len(raw) - next, true
		}
		m.headerLine(b.start, len(chomp(line)))
		b.crSeen = next > b.start+n
		b.start = next
	}
}

var crlf = []byte("\r\n")

// oddEnd knows a line end that only browsers take: after a line that ends in LF
// alone a CR belongs to its end, unless that CR begins an empty line.
func oddEnd(line, rest []byte, final bool) (skip int, wait bool) {
	if line[len(line)-1] == '\r' || len(line) >= 2 && line[len(line)-2] == '\r' {
		return 0, false
	}
	if len(rest) == 0 {
		return 0, !final
	}
	if rest[0] != '\r' {
		return 0, false
	}
	if len(rest) == 1 {
		return 0, !final
	}
	if rest[1] == '\n' {
		return 0, false
	}
	return 1, false
}

// isTerminator says whether a line ends the header block: an empty one, or one
// that has only a blank and is not followed by an empty one.
func (m *message) isTerminator(line, rest []byte) bool {
	switch len(line) {
	case 1:
		return true
	case 2:
		if line[0] == '\r' {
			return true
		}
		return isLWS(line[0]) && line[1] == '\n' && m.dir == packet.ToClient && len(rest) > 0 && rest[0] != '\n'
	}
	return false
}

// headerLine takes a line of n bytes at off in raw: a new field, or one more
// line of the field before.
func (m *message) headerLine(off, n int) {
	b, h := &m.block, &m.headers
	if n == 0 {
		return
	}
	line := span{uint32(off), uint32(n)}
	if !isFolding(h.raw[off]) {
		m.flushField()
		b.field, b.pending = line, true
		return
	}
	if !b.pending {
		m.event(evReqFolding, evRespFolding)
		for line.n > 0 && isFolding(h.raw[line.off]) {
			line.off, line.n = line.off+1, line.n-1
		}
		b.field, b.pending = line, line.n > 0
		return
	}
	text := h.raw[off : off+n]
	if m.dir == packet.ToClient && m.version == version11 && bytes.IndexByte(text, ':') >= 0 && bytes.IndexByte(h.bytes(b.field), ':') >= 0 {
		m.event(evReqFolding, evRespFolding)
		m.flushField()
		b.field, b.pending = span{line.off + 1, line.n - 1}, true
		return
	}
	b.field = h.toText(b.field)
	h.text = append(h.text, text...)
	b.field.n += line.n
}

// flushField enters the field that was waiting.
func (m *message) flushField() {
	if !m.block.pending {
		return
	}
	m.block.pending = false
	m.parseField(m.block.field)
}

// parseField splits a field into name and value and enters it.
func (m *message) parseField(s span) {
	b := m.headers.bytes(s)
	colon := bytes.IndexByte(b, ':')
	request := m.dir == packet.ToServer
	if request && colon >= 0 && bytes.IndexByte(b[:colon], 0) >= 0 {
		colon = -1
	}
	if colon < 0 {
		m.event(evReqMissingColon, evRespMissingColon)
		m.enter(span{s.off, 0}, trimSpan(b, s, 0, !request))
		return
	}
	end := colon
	for end > 0 && isSpace(b[end-1]) {
		end--
	}
	start := 0
	for !request && start < end && b[start] == 0 {
		start++
	}
	if end != colon || end == 0 || !isToken(b[start:end]) {
		m.event(evReqHeaderInvalid, evRespHeaderInvalid)
	}
	value := trimSpan(b, s, colon+1, true)
	m.enter(span{s.off, uint32(end)}, value)
}

// trimSpan is the part of field s (whose bytes are b) from i on, without
// linear white space around it.
func trimSpan(b []byte, s span, i int, lead bool) span {
	end := len(b)
	for lead && i < end && isLWS(b[i]) {
		i++
	}
	for end > i && isLWS(b[end-1]) {
		end--
	}
	return span{s.off + uint32(i), uint32(end - i)}
}

// enter adds a field and raises what its repetition tells.
func (m *message) enter(name, value span) {
	h := &m.headers
	if len(h.text) > maxHeaderBytes {
		return
	}
	excess, tooMany := h.add(name, value, m.p.cfg.headersLimit)
	if tooMany {
		m.event(evReqTooManyHeaders, evRespTooManyHeaders)
		m.p.side[m.dir].failed = true
		return
	}
	if excess {
		m.event(evReqRepetition, evRespRepetition)
	}
	if i := h.at[knownContentLength]; i != 0 && h.list[i-1].repeated && recognise(h.bytes(name)) == knownContentLength {
		first, ok1 := contentLength(h.bytes(h.list[i-1].value))
		this, ok2 := contentLength(h.bytes(value))
		if !ok1 || !ok2 || first != this {
			m.event(evReqDuplicateLength, evRespDuplicateLength)
		}
	}
}

// maxHeaderBytes bounds the header block of a message.
const maxHeaderBytes = 1 << 20
