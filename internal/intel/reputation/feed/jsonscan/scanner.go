package jsonscan

import (
	"errors"
	"fmt"
	"io"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 100

// room is the size of the buffer at first, in bytes.
const room = 64 << 10

// Scanner reads one document, or several that follow each other. The caller walks
// it: Peek says what comes next, Object and Array go into a value, Key and Item
// to each of its members and out at its end, and Text, Number, Bool, Null and Skip
// read a member. What they return is good until the next call. The first error
// ends the reading; every later call may return it again. It is for one
// goroutine.
type Scanner struct {
	r       io.Reader // nil when all is in buf
	buf     []byte
	at, end int   // what is not read is buf[at:end]
	before  int64 // bytes before buf[0]
	piece   int   // bytes that one piece may take
	left    int   // of them
	depth   int
	fresh   bool // nothing has been read of the array or object that is open
	err     error
	text    []byte // of a string with escapes
	key     []byte
}

// New reads from r. One piece of the document, which is what lies between two
// calls of Piece, takes about piece bytes at most.
func New(r io.Reader, piece int) *Scanner {
	return &Scanner{r: r, buf: make([]byte, min(room, piece)), piece: piece, left: piece}
}

// Reset makes the scanner read b alone, from its beginning. Nothing is copied.
func (s *Scanner) Reset(b []byte) {
	s.r, s.buf, s.at, s.end, s.before, s.depth, s.fresh, s.err = nil, b, 0, len(b), 0, 0, false, nil
}

// Piece begins a piece.
func (s *Scanner) Piece() { s.left = s.piece }

// Offset is the number of the byte that is read next, from 0.
func (s *Scanner) Offset() int64 { return s.before + int64(s.at) }

// Depth is how many arrays and objects are open.
func (s *Scanner) Depth() int { return s.depth }

// fill reads more bytes and keeps those from buf[from], which moves to buf[0].
// It says whether there are more.
func (s *Scanner) fill(from int) bool {
	if s.r == nil || s.err != nil {
		if s.err == nil {
			s.err = io.EOF
		}
		return false
	}
	if from > 0 {
		copy(s.buf, s.buf[from:s.end])
		s.at, s.end, s.before = s.at-from, s.end-from, s.before+int64(from)
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	if s.left <= 0 {
		s.err = fmt.Errorf("an object of more than %d MB in the document", s.piece>>20)
		return false
	}
	for tries := 0; ; tries++ {
		n, err := s.r.Read(s.buf[s.end:min(len(s.buf), s.end+s.left)])
		if s.end, s.left = s.end+n, s.left-n; n > 0 {
			return true // the error comes again
		}
		if err == nil && tries > 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			s.err = err
			return false
		}
	}
}

// stop is the error for a document that ends too early or cannot be read.
func (s *Scanner) stop() error {
	if s.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// wrong is the error for what JSON does not allow.
func (s *Scanner) wrong(problem string) error {
	if s.err == nil || s.err == io.EOF {
		s.err = fmt.Errorf("not JSON: %s at byte %d", problem, s.Offset())
	}
	return s.err
}

// Peek gives the first byte of the next value or of what stands in its place: '{',
// '[', '"', a digit or '-', 't', 'f', 'n'. The error is io.EOF when nothing but
// blanks follows and no array or object is open.
func (s *Scanner) Peek() (byte, error) {
	for {
		for ; s.at < s.end; s.at++ {
			if ch := s.buf[s.at]; ch > ' ' || ch != ' ' && ch != '\n' && ch != '\t' && ch != '\r' {
				return ch, nil
			}
		}
		if !s.fill(s.at) {
			if s.depth == 0 {
				return 0, s.err
			}
			return 0, s.stop()
		}
	}
}

// must is Peek where a value has to follow.
func (s *Scanner) must() (byte, error) {
	ch, err := s.Peek()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return ch, err
}

// Object goes into an object.
func (s *Scanner) Object() error { return s.open('{') }

// Array goes into an array.
func (s *Scanner) Array() error { return s.open('[') }

func (s *Scanner) open(want byte) error {
	ch, err := s.must()
	if err != nil {
		return err
	}
	if ch != want {
		return s.wrong(fmt.Sprintf("%q is missing", want))
	}
	if s.depth++; s.depth > MaxDepth {
		return s.wrong(fmt.Sprintf("objects nested more than %d deep", MaxDepth))
	}
	s.at++
	s.fresh = true
	return nil
}

// Item goes to the next value of the array that is open; ok is false at its end,
// which is passed over.
func (s *Scanner) Item() (ok bool, err error) { return s.next(']') }

// Key goes to the next member of the object that is open and gives its name; ok is
// false at its end, which is passed over.
func (s *Scanner) Key() (name []byte, ok bool, err error) {
	if ok, err = s.next('}'); !ok {
		return nil, false, err
	}
	if name, err = s.Text(); err != nil {
		return nil, false, err
	}
	if s.at < s.end && s.buf[s.at] == ':' { // the common form
		s.at++
		return name, true, nil
	}
	s.key = append(s.key[:0], name...)
	ch, err := s.must()
	if err == nil && ch != ':' {
		err = s.wrong("':' is missing")
	}
	s.at++
	return s.key, err == nil, err
}

// next passes over the comma before a member, or the end.
func (s *Scanner) next(end byte) (ok bool, err error) {
	ch, err := s.must()
	switch {
	case err != nil:
		return false, err
	case ch == end:
		s.at++
		s.depth--
		s.fresh = false
		return false, nil
	case s.fresh:
		s.fresh = false
		return true, nil
	case ch != ',':
		return false, s.wrong("',' is missing")
	}
	s.at++
	return true, nil
}

// End makes sure that nothing but blanks follows.
func (s *Scanner) End() error {
	_, err := s.Peek()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = s.wrong("more after the end of the document")
	}
	return err
}

// Skip passes over one value.
func (s *Scanner) Skip() error {
	ch, err := s.must()
	if err != nil {
		return err
	}
	switch ch {
	case '"':
		return s.skipText()
	case '{':
		if err = s.Object(); err != nil {
			return err
		}
		for {
			if _, ok, err := s.Key(); !ok {
				return err
			}
			if err := s.Skip(); err != nil {
				return err
			}
		}
	case '[':
		if err = s.Array(); err != nil {
			return err
		}
		for {
			if ok, err := s.Item(); !ok {
				return err
			}
			if err := s.Skip(); err != nil {
				return err
			}
		}
	}
	_, err = s.Scalar()
	return err
}
