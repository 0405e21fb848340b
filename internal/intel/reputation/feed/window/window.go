// Package window holds the part of a stream that is in memory while it is scanned:
// a buffer that slides and grows within a bound. The scanners of jsonscan and
// xmlscan read through it; what the bytes mean it does not know.
package window

import (
	"fmt"
	"io"
)

// room is the size of the buffer at first, in bytes.
const room = 64 << 10

// Window is what of a stream is in memory. Those who scan it move At. It is for one
// goroutine.
type Window struct {
	Buf     []byte
	At, End int   // what is not read is Buf[At:End]
	Err     error // that ended the reading; io.EOF at the stream's end

	r      io.Reader // nil when all is in Buf
	before int64     // bytes before Buf[0]
	piece  int       // bytes that one piece may take
	left   int       // of them
}

// New reads from r. Between two calls of Piece about piece bytes are read at most.
func New(r io.Reader, piece int) Window {
	return Window{r: r, Buf: make([]byte, min(room, piece)), piece: piece, left: piece}
}

// Of is the window of all of b, which is not copied.
func Of(b []byte) Window { return Window{Buf: b, End: len(b)} }

// Piece begins a piece.
func (w *Window) Piece() { w.left = w.piece }

// Offset is the number of the byte at At, from 0.
func (w *Window) Offset() int64 { return w.before + int64(w.At) }

// Fill reads more bytes and keeps those from Buf[from] on, which moves to Buf[0]; At
// and End move with it. It says whether there are more; Err says why not.
func (w *Window) Fill(from int) bool {
	if w.r == nil && w.Err == nil {
		w.Err = io.EOF
	}
	if w.Err != nil {
		return false
	}
	if w.left <= 0 {
		w.Err = fmt.Errorf("an object of more than %d MB in the document", w.piece>>20)
		return false
	}
	if from > 0 {
		copy(w.Buf, w.Buf[from:w.End])
		w.At, w.End, w.before = w.At-from, w.End-from, w.before+int64(from)
	}
	if w.End == len(w.Buf) {
		w.Buf = append(w.Buf, make([]byte, len(w.Buf))...)
	}
	for tries := 0; ; tries++ {
		n, err := w.r.Read(w.Buf[w.End:min(len(w.Buf), w.End+w.left)])
		if w.End, w.left = w.End+n, w.left-n; n > 0 {
			return true // an error comes again
		}
		if err == nil && tries > 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			w.Err = err
			return false
		}
	}
}

// Have makes sure that n bytes are there from At on.
func (w *Window) Have(n int) bool {
	for w.End-w.At < n {
		if !w.Fill(w.At) {
			return false
		}
	}
	return true
}

// Stop is the error for a document that ends too early or cannot be read.
func (w *Window) Stop() error {
	if w.Err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return w.Err
}
