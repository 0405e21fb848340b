package jsonscan

import (
	"errors"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation/feed/window"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 100

// Scanner reads one document, or several that follow each other. The caller walks
// it: Peek says what comes next, Object and Array go into a value, Key and Item
// to each of its members and out at its end, and Text, Number, Bool, Null and Skip
// read a member. What they return is good until the next call. The first error
// ends the reading; every later call may return it again. It is for one
// goroutine.
type Scanner struct {
	w     window.Window
	depth int
	fresh bool   // nothing has been read of the array or object that is open
	text  []byte // of a string with escapes
	key   []byte
}

// New reads from r. One piece of the document, which is what lies between two
// calls of Piece, takes about piece bytes at most.
func New(r io.Reader, piece int) *Scanner {
	return &Scanner{w: window.New(r, piece)}
}

// Reset makes the scanner read b alone, from its beginning. Nothing is copied.
func (s *Scanner) Reset(b []byte) {
	s.w, s.depth, s.fresh = window.Of(b), 0, false
}

// Piece begins a piece.
func (s *Scanner) Piece() { s.w.Piece() }

// Offset is the number of the byte that is read next, from 0.
func (s *Scanner) Offset() int64 { return s.w.Offset() }

// Depth is how many arrays and objects are open.
func (s *Scanner) Depth() int { return s.depth }

// wrong is the error for what JSON does not allow.
func (s *Scanner) wrong(problem string) error {
	if s.w.Err == nil || s.w.Err == io.EOF {
		s.w.Err = fmt.Errorf("not JSON: %s at byte %d", problem, s.Offset())
	}
	return s.w.Err
}

// Peek gives the first byte of the next value or of what stands in its place: '{',
// '[', '"', a digit or '-', 't', 'f', 'n'. The error is io.EOF when nothing but
// blanks follows and no array or object is open.
func (s *Scanner) Peek() (byte, error) {
	for {
		for ; s.w.At < s.w.End; s.w.At++ {
			if ch := s.w.Buf[s.w.At]; ch > ' ' || ch != ' ' && ch != '\n' && ch != '\t' && ch != '\r' {
				return ch, nil
			}
		}
		if !s.w.Fill(s.w.At) {
			if s.depth == 0 {
				return 0, s.w.Err
			}
			return 0, s.w.Stop()
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
	s.w.At++
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
	if s.w.At < s.w.End && s.w.Buf[s.w.At] == ':' { // the common form
		s.w.At++
		return name, true, nil
	}
	s.key = append(s.key[:0], name...)
	ch, err := s.must()
	if err == nil && ch != ':' {
		err = s.wrong("':' is missing")
	}
	s.w.At++
	return s.key, err == nil, err
}

// next passes over the comma before a member, or the end.
func (s *Scanner) next(end byte) (ok bool, err error) {
	ch, err := s.must()
	switch {
	case err != nil:
		return false, err
	case ch == end:
		s.w.At++
		s.depth--
		s.fresh = false
		return false, nil
	case s.fresh:
		s.fresh = false
		return true, nil
	case ch != ',':
		return false, s.wrong("',' is missing")
	}
	s.w.At++
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
