package http

import (
	"bytes"
	"errors"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// decoder undoes the content encodings of the body that is being read in one
// direction, and hands what comes out to the message.
type decoder struct {
	m      *message
	layers []*layer
	used   int
	stop   bool   // the body has become a bomb, or is not wanted any more
	inner  uint64 // bytes that went from layer to layer
}

// begin reads the encodings that the message names.
func (x *decoder) begin(m *message) {
	x.m, x.used, x.stop, x.inner = m, 0, false, 0
	v, ok := m.headers.get(knownContentEncoding)
	if !ok {
		return
	}
	lzma := 0
	for len(v) > 0 {
		n := bytes.IndexAny(v, ", \t")
		word := v
		if n >= 0 {
			word, v = v[:n], v[n+1:]
		} else {
			v = nil
		}
		if len(word) == 0 {
			continue
		}
		e, known := x.encodingOf(word)
		if !known {
			m.tx.insp.Events.Set(evAbnormalCE)
		}
		if e == encodingLZMA {
			if lzma++; lzma > 1 {
				m.event(evReqTooManyLZMA, evRespTooManyLZMA)
				return
			}
		}
		if !x.push(e) {
			m.tx.insp.Events.Set(evTooManyLayers)
			return
		}
	}
}

// encodingOf tells an encoding; known is false for odd spellings.
func (x *decoder) encodingOf(word []byte) (e encoding, known bool) {
	c := x.m.p.cfg
	var b [16]byte
	word = withoutNUL(b[:0], word)
	switch {
	case equalFold(word, "gzip"), equalFold(word, "x-gzip"):
		return encodingGzip, true
	case equalFold(word, "deflate"), equalFold(word, "x-deflate"):
		return encodingDeflate, true
	case equalFold(word, "lzma"):
		if !c.lzma {
			return encodingNone, true
		}
		return encodingLZMA, true
	case c.brotli && equalFold(word, "br"):
		return encodingBrotli, true
	case equalFold(word, "inflate"), equalFold(word, "none"):
		return encodingNone, true
	case containsFold(word, "gzip"):
		return encodingGzip, false
	case containsFold(word, "deflate"):
		return encodingDeflate, false
	}
	return encodingNone, false
}

// withoutNUL is word without NUL bytes, in dst when there are any.
func withoutNUL(dst, word []byte) []byte {
	if bytes.IndexByte(word, 0) < 0 {
		return word
	}
	for _, c := range word {
		if c != 0 && len(dst) < cap(dst) {
			dst = append(dst, c)
		}
	}
	return dst
}

// push adds a layer, false when there are too many.
func (x *decoder) push(e encoding) bool {
	if x.used >= min(x.m.p.cfg.layers, maxLayers) {
		return false
	}
	if e == encodingNone {
		return true
	}
	if x.used == len(x.layers) {
		x.layers = append(x.layers, x.newLayer(x.used))
	}
	x.layers[x.used].reset(e)
	x.used++
	return true
}

// newLayer makes the i-th layer. The last encoding named was applied last, so
// layer i hands on to layer i-1, and layer 0 to the message.
func (x *decoder) newLayer(i int) *layer {
	l := &layer{memory: x.m.p.cfg.lzmaMemory, pool: x.m.p.pool}
	l.output = l.emit
	l.next = x.deliver
	if i > 0 {
		l.next = func(b []byte) error { return x.between(i-1, b) }
	}
	l.failed = func(memory bool) {
		if memory {
			x.m.tx.insp.Events.Set(evLZMAMemory)
			return
		}
		x.m.tx.insp.Events.Set(evGzipFailed)
	}
	return l
}

// Bounds of what goes from layer to layer: a body whose layers grow without
// anything coming out of them only costs time.
const (
	innerFree  = 8 << 20
	innerRatio = 64
)

// between hands bytes on to layer i.
func (x *decoder) between(i int, b []byte) error {
	x.inner += uint64(len(b))
	if x.inner > innerFree && x.inner > innerRatio*x.m.taken {
		x.m.tx.insp.Events.Set(evCompressionBomb)
		return errStop
	}
	return x.layers[i].write(b)
}

// write takes the next bytes of the body as sent.
func (x *decoder) write(data []byte) {
	x.m.taken += uint64(len(data))
	if x.stop {
		return
	}
	if x.used == 0 {
		_ = x.deliver(data)
		return
	}
	if err := x.layers[x.used-1].write(data); err != nil {
		x.stop = true
	}
}

// finish says that the body has ended.
func (x *decoder) finish() {
	for i := x.used - 1; i >= 0 && !x.stop; i-- {
		l := x.layers[i]
		err := l.finish()
		if l.format == formatLZMA && err == nil {
			err = l.lzma.finish(l.output)
		}
		if err != nil && !errors.Is(err, errBroken) {
			x.stop = true
		}
	}
	x.used = 0
	x.release()
}

// deliver takes bytes of the decoded body.
func (x *decoder) deliver(b []byte) error {
	m := x.m
	m.decoded += uint64(len(b))
	if x.used > 0 && m.decoded > m.p.cfg.bombLimit && m.decoded > bombRatio*m.taken {
		m.tx.insp.Events.Set(evCompressionBomb)
		return errStop
	}
	m.bodyBytes(b)
	if limit := m.p.cfg.bodyLimit[m.dir]; limit > 0 && m.decoded > limit && x.used > 0 {
		return errStop
	}
	return nil
}

// openBody begins the body of the message. Whether it is a file depends on the
// direction and on the method.
func (m *message) openBody() {
	if m.hasBody {
		return
	}
	m.hasBody = true
	m.advance(protocol.StageBody)
	name, asFile := m.fileName()
	hashes := m.p.env.Hashes
	if !asFile {
		hashes = 0
	}
	id := uint32(0)
	if asFile {
		m.p.fileID++
		id = m.p.fileID
	}
	c := m.p.cfg
	f := m.body.Open(name, id, hashes, file.Limits{Inspect: c.bodyInspect[m.dir], Back: c.bodyWindow[m.dir], Depth: c.bodyLimit[m.dir]})
	m.body.Lend(m.p.pool.window())
	if asFile {
		m.asFile = true
		m.files = append(m.files[:0], f)
		m.setRange(f)
	}
}

// fileName is the name of the file that the body is, and whether it is one:
// responses are files, and the bodies of PUT and POST but for forms in parts.
func (m *message) fileName() ([]byte, bool) {
	if m.dir == packet.ToClient {
		if v, ok := m.headers.get(knownContentDisposition); ok {
			if name := parameter(v, "filename"); len(name) > 0 {
				return m.limitName(name), true
			}
		}
		return m.limitName(m.tx.path), len(m.tx.path) > 0
	}
	if m.tx.multipart.begin(m) {
		return nil, false
	}
	put := m.tx.methodID == methodPut || m.tx.methodID == methodPost
	return m.limitName(m.tx.path), put && len(m.tx.path) > 0
}

// maxFileName is the longest file name that is taken whole.
const maxFileName = 4096

func (m *message) limitName(name []byte) []byte {
	if len(name) > maxFileName {
		m.tx.insp.Events.Set(evFileNameTooLong)
		name = name[:maxFileName]
	}
	return name
}

// bodyBytes takes the next bytes of the decoded body.
func (m *message) bodyBytes(b []byte) {
	m.openBody()
	m.trim()
	over := !m.body.IsOpen()
	m.body.Write(b)
	if m.ranged != nil {
		m.ranged.Write(m.at, b)
		m.at += uint64(len(b))
	}
	if m.dir == packet.ToServer && m.tx.multipart.active && !over {
		m.tx.multipart.write(m, b)
	}
}

// trim frees what the engine has scanned of the body.
func (m *message) trim() {
	if !m.body.IsOpen() {
		return
	}
	in := &m.tx.insp
	upto, any := ^uint64(0), false
	for i := range in.Scanned[m.dir] {
		p := &in.Scanned[m.dir][i]
		body := p.Field == protocol.HTTPRequestBody || p.Field == protocol.HTTPResponseBody
		if body || p.Field == protocol.FileData && p.Index == 0 && m.asFile {
			upto, any = min(upto, p.Upto), true
		}
	}
	if any {
		m.body.Scanned(upto)
	}
}

// closeBody ends the body.
func (m *message) closeBody(state protocol.FileState) {
	if !m.hasBody {
		return
	}
	m.trim()
	if m.tx.multipart.active && m.dir == packet.ToServer {
		m.tx.multipart.finish(m, state)
	}
	m.body.Close(state)
	m.closeRange()
	m.advance(protocol.StageBodyDone)
}
