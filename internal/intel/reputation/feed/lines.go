package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// parser fills in the claim of one line. It leaves the object's type at none for
// a line without an entry, and returns a *Refusal (the line number is filled
// in) or a *canon.Error for an entry that cannot be taken. What it keeps of
// line it copies.
type parser func(r *lineReader, line []byte, c *reputation.Claim) error

// lineReader reads the formats in which a line holds an entry.
type lineReader struct {
	in       *bufio.Reader
	o        *Options
	parse    parser
	number   int
	count    int
	indented bool                // the line began with a blank
	last     reputation.Claim    // of the entry that more belongs to
	more     []reputation.Object // further objects of the last entry
	failed   []error             // refusals that come after the objects of the entry
}

func newLines(r io.Reader, o *Options, p parser) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, max(o.MaxLine, 512)), o: o, parse: p}
}

// each makes Format.open of a parser without state.
func each(p parser) func(io.Reader, *Options) (Reader, error) {
	return func(r io.Reader, o *Options) (Reader, error) { return newLines(r, o, p), nil }
}

// Next implements Reader.
func (r *lineReader) Next(c *reputation.Claim) error {
	for {
		if n := len(r.more); n > 0 {
			*c = r.last
			c.Object, r.more = r.more[0], r.more[1:]
			if host, ok := ofHost(&r.last); ok && host.Object == c.Object {
				*c = host
			}
			if err := settle(c, r.o); err != nil {
				return r.refused(err, []byte(c.Object.String()))
			}
			return r.counted()
		}
		if n := len(r.failed); n > 0 {
			err := r.failed[0]
			r.failed = r.failed[1:]
			return r.refused(err, nil)
		}
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue
		}
		*c = reputation.Claim{Source: r.o.Source.ID, Kind: r.o.Source.Kind, Note: r.o.Name}
		if err := r.parse(r, line, c); err != nil {
			r.more = r.more[:0]
			return r.refused(err, line)
		}
		if c.Object.Type == reputation.TypeNone {
			continue
		}
		if err := settle(c, r.o); err != nil {
			r.more = r.more[:0]
			return r.refused(err, line)
		}
		if host, ok := ofHost(c); ok {
			r.more = append(r.more, host.Object)
		}
		if len(r.more) > 0 {
			r.last = *c
		}
		return r.counted()
	}
}

func (r *lineReader) counted() error {
	r.count++
	return bound(r.o, r.count)
}

// refused makes the *Refusal of an entry; other errors end the feed.
func (r *lineReader) refused(err error, line []byte) error {
	if e := r.counted(); e != nil {
		return e
	}
	return refusal(err, r.number, line)
}

// refusal turns what a parser says into a *Refusal with its place.
func refusal(err error, number int, line []byte) error {
	var made *Refusal
	var bad *canon.Error
	switch {
	case errors.As(err, &made):
		made.Line = number
		if made.Text == "" {
			made.Text = excerpt(line)
		}
		return made
	case errors.As(err, &bad):
		return &Refusal{number, excerpt([]byte(bad.Text)), bad.Problem, bad.Mend}
	}
	return err
}

// line gives the next line without its end and the blanks around it. It is good
// until the next call. The error is io.EOF, a *Refusal for a line that is too
// long, or the reader's.
func (r *lineReader) line() ([]byte, error) {
	b, err := r.in.ReadSlice('\n')
	if len(b) == 0 && err != nil {
		return nil, err
	}
	r.number++
	if r.number == 1 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	switch {
	case err == bufio.ErrBufferFull || len(b) > r.o.MaxLine:
		text := excerpt(b)
		for err == bufio.ErrBufferFull {
			_, err = r.in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, r.refused(&Refusal{Text: text, Problem: "the line is too long", Mend: "is this the right format?"}, nil)
	case err != nil && err != io.EOF:
		return nil, err
	}
	r.indented = len(b) > 0 && (b[0] == ' ' || b[0] == '\t')
	return trim(b), nil
}

// trim is bytes.TrimSpace for ASCII.
func trim(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	return b
}

// field cuts the first word off, and the blanks around it.
func field(b []byte) (word, rest []byte) {
	b = trim(b)
	for i, ch := range b {
		if ch <= ' ' {
			return b[:i], trim(b[i:])
		}
	}
	return b, nil
}

// uncommented cuts a comment off that begins the line or follows a blank.
func uncommented(b []byte, mark byte) []byte {
	for i, ch := range b {
		if ch == mark && (i == 0 || b[i-1] <= ' ') {
			return trim(b[:i])
		}
	}
	return b
}
