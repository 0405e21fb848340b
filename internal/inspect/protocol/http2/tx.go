package http2

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/byterange"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

const maxNotes = 128 // values of each kind that are kept of a transaction's frames

// Tx is a stream, or one frame of the connection as a whole.
type Tx struct {
	inspection protocol.Inspection
	stream     uint32
	acked      bool   // settings that were acknowledged
	newID      uint32 // of a file that is put together
	hashes     protocol.Hashes
	sides      [2]side
	scratch    []byte // of views
}

// side is one direction of a stream.
type side struct {
	stage   protocol.Stage
	ended   bool
	headers headers
	frames  []uint8
	errors  []uint32
	reset   bool // the error code came in RST_STREAM
	weights []uint8
	windows []uint32
	setting []uint64
	body    file.Tracker
	files   []*protocol.File
	bytes   uint64 // of the body as sent
	coding  coding
	dns     message
	ranged  *byterange.File // the file that the body is a part of, nil for none
	at      uint64          // where in it the next bytes belong
	whole   file.Tracker    // that file, once the body has made it whole
	views   [viewCount]view
}

// view is a text made of the header fields when it is first asked for.
type view struct {
	text []byte
	of   int // number of fields it was made of, +1
}

// Clear makes the transaction ready for the next use.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.stream, t.acked = 0, false
	for i := range t.sides {
		s := &t.sides[i]
		s.headers.reset()
		s.body.Reset()
		s.coding.reset()
		s.dns.reset()
		s.whole.Reset()
		views := s.views
		for i := range views {
			views[i] = view{text: views[i].text[:0]}
		}
		*s = side{
			headers: s.headers, frames: s.frames[:0], errors: s.errors[:0], weights: s.weights[:0], windows: s.windows[:0],
			setting: s.setting[:0], body: s.body, files: s.files[:0], coding: s.coding, dns: s.dns, whole: s.whole, views: views,
		}
	}
}

// Stage is how far the stream has come in d.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.sides[d].stage }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files is the body.
func (t *Tx) Files(d packet.Direction) []*protocol.File { return t.sides[d].files }

// Window is the body.
func (t *Tx) Window(f protocol.Field, d packet.Direction, i int) (protocol.Window, bool) {
	want := protocol.HTTPRequestBody
	if d == packet.ToClient {
		want = protocol.HTTPResponseBody
	}
	s := &t.sides[d]
	if f != want || i != 0 || len(s.files) == 0 {
		return protocol.Window{}, false
	}
	w := s.body.File().Data
	return w, len(w.Data) > 0 || w.Final
}

// Uint answers what frames carry.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	s := &t.sides[d]
	if s.dns.whole {
		if v, ok := s.dns.tx.Uint(f, d, i); ok {
			return v, true
		}
	}
	switch f {
	case protocol.HTTP2FrameType:
		return at(s.frames, i)
	case protocol.HTTP2ErrorCode:
		return at(s.errors, i)
	case protocol.HTTP2Priority:
		return at(s.weights, i)
	case protocol.HTTP2Window:
		return at(s.windows, i)
	case protocol.HTTP2Setting:
		return at(s.setting, i)
	case protocol.HTTP2SizeUpdate:
		return s.headers.sizeUpdate(i)
	}
	return 0, false
}

func at[T uint8 | uint32 | uint64](list []T, i int) (uint64, bool) {
	if i >= len(list) {
		return 0, false
	}
	return uint64(list[i]), true
}

func (h *headers) sizeUpdate(i int) (uint64, bool) {
	for k := range h.fields {
		if !h.fields[k].isSize {
			continue
		}
		if i == 0 {
			return uint64(h.fields[k].size), true
		}
		i--
	}
	return 0, false
}

// note adds a value of a frame, within the bound.
func note[T any](list []T, v T) []T {
	if len(list) >= maxNotes {
		return list
	}
	return append(list, v)
}

func (t *Tx) event(n uint8) { t.inspection.Raise(n) }

func (t *Tx) reach(d packet.Direction, s protocol.Stage) {
	t.sides[d].stage = max(t.sides[d].stage, s)
}

// touch notes that more of the stream has come: each frame counts for both
// directions. A direction that has not ended is still at the stage of its last
// frame.
func (t *Tx) touch() {
	for d := range t.sides {
		t.inspection.Fresh[d] = t.inspection.Fresh[d] || t.sides[d].ended
	}
}

// finish ends one direction. The stream is done when both have ended: until
// then control frames may follow in either.
func (t *Tx) finish(d packet.Direction) {
	s := &t.sides[d]
	if s.ended {
		return
	}
	s.ended = true
	if len(s.files) > 0 {
		s.coding.finish(t, d)
		s.body.Close(protocol.FileClosed)
		t.closeRange(s)
	}
	s.stage = max(s.stage, protocol.StageTrailer)
	t.touch()
	if s.dns.wanted {
		t.readDNS(d)
	}
	if s.dns.whole {
		s.stage = protocol.StageDone
		t.inspection.Again(d)
	}
	if t.sides[d.Other()].ended {
		t.sides[0].stage, t.sides[1].stage = protocol.StageDone, protocol.StageDone
	}
}

// abort ends one direction whose body is not whole.
func (t *Tx) abort(d packet.Direction) {
	t.sides[d].body.Close(protocol.FileTruncated)
	t.finish(d)
}

// trim frees what the engine has scanned of a body.
func (t *Tx) trim(d packet.Direction) {
	s := &t.sides[d]
	upto, any := ^uint64(0), false
	for i := range t.inspection.Scanned[d] {
		p := &t.inspection.Scanned[d][i]
		if p.Field == protocol.HTTPRequestBody || p.Field == protocol.HTTPResponseBody || p.Field == protocol.FileData && p.Index == 0 {
			upto, any = min(upto, p.Upto), true
		}
	}
	if any {
		s.body.Scanned(upto)
	}
}
