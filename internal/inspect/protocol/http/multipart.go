package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// multipart reads the parts of a form upload (RFC 7578): a part with a file
// name is a file.
type multipart struct {
	active   bool
	state    partState
	boundary []byte // with the dashes before it
	held     []byte // bytes whose meaning the next ones decide
	part     *file.Tracker
	wrote    bool // the part has had bytes
}

type partState uint8

const (
	partPreamble partState = iota
	partHeaders
	partBody
	partEpilogue
)

// Bounds of a form upload.
const (
	maxBoundary    = 200
	maxPartHeaders = 8 << 10
)

func (f *multipart) reset() {
	*f = multipart{boundary: f.boundary[:0], held: f.held[:0]}
}

// begin looks whether the message is a form upload.
func (f *multipart) begin(m *message) bool {
	ct, ok := m.headers.get(knownContentType)
	if !ok || !containsFold(ct, "multipart/form-data") {
		return false
	}
	b := parameter(ct, "boundary")
	if len(b) == 0 || len(b) > maxBoundary {
		return false
	}
	f.active, f.state = true, partPreamble
	f.boundary = append(append(f.boundary[:0], "--"...), b...)
	return true
}

// write takes the next bytes of the body.
func (f *multipart) write(m *message, data []byte) {
	if len(f.held) > 0 {
		f.held = append(f.held, data...)
		data = f.held
	}
	n := 0
	for n < len(data) {
		took := f.step(m, data[n:])
		if took == 0 {
			break
		}
		n += took
	}
	rest := data[n:]
	if len(rest) > maxPartHeaders {
		m.tx.insp.Events.Set(evMultipartError)
		f.closePart(m, protocol.FileTruncated)
		f.state, rest = partEpilogue, nil
	}
	f.held = append(f.held[:0], rest...)
}

// step lets the present part take bytes; 0 means that it needs more.
func (f *multipart) step(m *message, data []byte) int {
	switch f.state {
	case partPreamble:
		return f.preamble(data)
	case partHeaders:
		return f.headers(m, data)
	case partBody:
		return f.body(m, data)
	}
	return len(data)
}

// delimiter handles the bytes after a boundary at i: the end of the form, or
// the next part's header. 0 means that more is needed.
func (f *multipart) delimiter(data []byte, i int) int {
	after := i + len(f.boundary)
	if len(data) < after+2 {
		return 0
	}
	if data[after] == '-' && data[after+1] == '-' {
		f.state = partEpilogue
		return after + 2
	}
	lf := bytes.IndexByte(data[after:], '\n')
	if lf < 0 {
		return 0
	}
	f.state = partHeaders
	return after + lf + 1
}

func (f *multipart) preamble(data []byte) int {
	i := bytes.Index(data, f.boundary)
	if i < 0 {
		return max(0, len(data)-len(f.boundary))
	}
	if n := f.delimiter(data, i); n > 0 {
		return n
	}
	return i
}

// headers reads a part's header block.
func (f *multipart) headers(m *message, data []byte) int {
	end, n := 0, 0
	for {
		lf := bytes.IndexByte(data[end:], '\n')
		if lf < 0 {
			return 0
		}
		n = end + lf + 1
		if len(chomp(data[end:n])) == 0 {
			break
		}
		end = n
	}
	f.openPart(m, data[:end])
	f.state = partBody
	return n
}

// openPart begins a part; it is a file when its header names one.
func (f *multipart) openPart(m *message, block []byte) {
	f.part, f.wrote = nil, false
	for len(block) > 0 {
		lf := bytes.IndexByte(block, '\n')
		line := chomp(block[:lf+1])
		block = block[lf+1:]
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			m.tx.insp.Events.Set(evMultipartHeader)
			continue
		}
		if !equalFold(trimSpace(line[:colon]), "content-disposition") {
			continue
		}
		name := parameter(line[colon+1:], "filename")
		if len(name) == 0 {
			continue
		}
		c := m.p.cfg
		m.p.fileID++
		d := packet.ToServer
		f.part = m.parts.Open(m.limitName(name), m.p.fileID, m.p.env.Hashes,
			file.Limits{Inspect: c.bodyInspect[d], Back: c.bodyWindow[d], Depth: c.bodyLimit[d]})
		return
	}
}

// body takes the bytes of a part up to the next boundary.
func (f *multipart) body(m *message, data []byte) int {
	i := bytes.Index(data, f.boundary)
	if i < 0 {
		keep := min(len(data), len(f.boundary)+1)
		f.give(m, data[:len(data)-keep])
		return len(data) - keep
	}
	end := i
	if end > 0 && data[end-1] == '\n' {
		end--
		if end > 0 && data[end-1] == '\r' {
			end--
		}
	}
	n := f.delimiter(data, i)
	if end > 0 {
		f.wrote = true
	}
	if n == 0 {
		f.give(m, data[:end])
		return end
	}
	f.wrote = f.wrote || i > 0
	f.give(m, data[:end])
	f.closePart(m, protocol.FileClosed)
	return n
}

func (f *multipart) give(m *message, b []byte) {
	if f.part == nil || len(b) == 0 {
		return
	}
	f.wrote = true
	m.parts.Trim(&m.tx.insp, m.dir)
	f.part.Write(b)
}

func (f *multipart) closePart(m *message, state protocol.FileState) {
	if f.part == nil {
		return
	}
	if !f.wrote {
		m.tx.insp.Events.Set(evMultipartNoFile)
	}
	f.part.Close(state)
	f.part = nil
}

// gap notes a hole of n bytes.
func (f *multipart) gap(n uint64) {
	f.held = f.held[:0]
	if f.part != nil {
		f.part.Gap(n)
	}
}

// finish ends the form at the end of the body.
func (f *multipart) finish(m *message, state protocol.FileState) {
	if f.state == partBody && len(f.held) > 0 {
		f.give(m, f.held)
	}
	f.closePart(m, state)
	f.active = false
}

// parameter is the value of a parameter of a header field, without quotes.
func parameter(v []byte, name string) []byte {
	for {
		semi := bytes.IndexByte(v, ';')
		if semi < 0 {
			return nil
		}
		v = trimSpace(v[semi+1:])
		if len(v) <= len(name) || !equalFold(v[:len(name)], name) {
			continue
		}
		rest := trimSpace(v[len(name):])
		if len(rest) == 0 || rest[0] != '=' {
			continue
		}
		return unquote(trimSpace(rest[1:]))
	}
}

// unquote takes a quoted string, or a word up to the next semicolon.
func unquote(b []byte) []byte {
	if len(b) > 0 && b[0] == '"' {
		b = b[1:]
		for i, c := range b {
			if c == '"' && (i == 0 || b[i-1] != '\\') {
				return b[:i]
			}
		}
		return b
	}
	if i := bytes.IndexByte(b, ';'); i >= 0 {
		b = b[:i]
	}
	return trimSpace(b)
}
