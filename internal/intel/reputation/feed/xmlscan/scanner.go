// Package xmlscan reads XML 1.0 in UTF-8 tag by tag from a stream, in memory that
// does not grow with the document. It knows tags, attributes and text, and
// neither whether tags match nor namespaces nor what a document type declares. The
// reader of OpenIOC calls it.
package xmlscan

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation/feed/window"
)

// Kind is what a token is.
type Kind uint8

// The kinds.
const (
	Start Kind = iota // of an element
	End               // of an element; also of one that ended where it started
	Text              // between tags
)

// Scanner reads one document. What it returns is good until the next call. It is for
// one goroutine.
type Scanner struct {
	w      window.Window
	name   []byte
	attrs  []attr
	text   []byte // without references
	ending bool   // an element that was given ends at once
}

type attr struct {
	name, value []byte
}

// New reads from r. One piece of the document, which is what lies between two calls
// of Piece, takes about piece bytes at most.
func New(r io.Reader, piece int) *Scanner { return &Scanner{w: window.New(r, piece)} }

// Piece begins a piece.
func (s *Scanner) Piece() { s.w.Piece() }

// Next reads the next token. b is its text, or the name of the element without its
// prefix. Comments, instructions and document types are passed over. The error is
// io.EOF at the end, wherever that is: io.ErrUnexpectedEOF within a token.
func (s *Scanner) Next() (k Kind, b []byte, err error) {
	if s.ending {
		s.ending = false
		return End, s.name, nil
	}
	for {
		if !s.w.Have(1) {
			return 0, nil, s.w.Err
		}
		if s.w.Buf[s.w.At] != '<' {
			b, err = s.chars()
			return Text, b, err
		}
		if !s.w.Have(2) {
			return 0, nil, s.w.Stop()
		}
		switch s.w.Buf[s.w.At+1] {
		case '?':
			err = s.instruction()
		case '!':
			if b, err = s.declaration(); b != nil || err != nil {
				return Text, b, err
			}
		case '/':
			b, err = s.endTag()
			return End, b, err
		default:
			err = s.startTag()
			return Start, s.name, err
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// Attr is the value of an attribute of the element that Next has started, by its name
// without prefix; nil when it has none such.
func (s *Scanner) Attr(name string) []byte {
	for i := range s.attrs {
		if string(s.attrs[i].name) == name {
			return s.attrs[i].value
		}
	}
	return nil
}

func (s *Scanner) wrong(problem string) error {
	if s.w.Err == nil || s.w.Err == io.EOF {
		s.w.Err = fmt.Errorf("not XML: %s at byte %d", problem, s.w.Offset())
	}
	return s.w.Err
}

// until gives what is before the next end and goes behind it.
func (s *Scanner) until(end string) ([]byte, error) {
	for from := 0; ; {
		if i := bytes.Index(s.w.Buf[s.w.At+from:s.w.End], []byte(end)); i >= 0 {
			b := s.w.Buf[s.w.At : s.w.At+from+i]
			s.w.At += from + i + len(end)
			return b, nil
		}
		from = max(0, s.w.End-s.w.At-len(end)+1)
		if !s.w.Fill(s.w.At) {
			return nil, s.w.Stop()
		}
	}
}

// instruction passes over <?…?>, and refuses what is not in UTF-8.
func (s *Scanner) instruction() error {
	s.w.At += 2
	b, err := s.until("?>")
	if err != nil || !bytes.HasPrefix(b, []byte("xml")) {
		return err
	}
	if _, after, found := strings.Cut(string(b), "encoding"); found {
		after = strings.TrimLeft(after, " \t\r\n=\"'")
		if after, _, _ = strings.Cut(strings.ReplaceAll(after, "'", `"`), `"`); !strings.EqualFold(after, "utf-8") && !strings.EqualFold(after, "us-ascii") {
			return s.wrong(fmt.Sprintf("the encoding %.20q, only UTF-8 is read,", after))
		}
	}
	return nil
}

// declaration passes over comments and document types; the text of a CDATA section
// is returned.
func (s *Scanner) declaration() ([]byte, error) {
	if s.w.Have(4) && string(s.w.Buf[s.w.At:s.w.At+4]) == "<!--" {
		s.w.At += 4
		b, err := s.until("-->")
		if err == nil && (bytes.Contains(b, []byte("--")) || bytes.HasSuffix(b, []byte("-"))) {
			err = s.wrong("two hyphens in a comment")
		}
		return nil, err
	}
	if s.w.Have(9) && string(s.w.Buf[s.w.At:s.w.At+9]) == "<![CDATA[" {
		s.w.At += 9
		b, err := s.until("]]>")
		if err != nil {
			return nil, err
		}
		return s.clean(b, true)
	}
	return nil, s.documentType()
}

// documentType passes over <!…>, with what stands in quotes and brackets.
func (s *Scanner) documentType() error {
	depth := 0
	var quote byte
	for s.w.At++; ; s.w.At++ {
		if !s.w.Have(1) {
			return s.w.Stop()
		}
		switch ch := s.w.Buf[s.w.At]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '"' || ch == '\'':
			quote = ch
		case ch == '<':
			depth++
		case ch == '>' && depth > 0:
			depth--
		case ch == '>':
			s.w.At++
			return nil
		}
	}
}

// tag makes the whole of a tag be in the buffer and gives it without its brackets.
func (s *Scanner) tag() ([]byte, error) {
	var quote byte
	for i := 1; ; i++ {
		if s.w.At+i == s.w.End && !s.w.Fill(s.w.At) {
			return nil, s.w.Stop()
		}
		switch ch := s.w.Buf[s.w.At+i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			} else if ch == '<' {
				return nil, s.wrong("'<' in the value of an attribute")
			}
		case ch == '"' || ch == '\'':
			quote = ch
		case ch == '>':
			b := s.w.Buf[s.w.At+1 : s.w.At+i]
			s.w.At += i + 1
			return b, nil
		case ch == '<':
			return nil, s.wrong("a tag that does not end")
		}
	}
}

func (s *Scanner) endTag() ([]byte, error) {
	b, err := s.tag()
	if err != nil {
		return nil, err
	}
	name, rest := nameOf(b[1:])
	if len(name) == 0 || len(blank(rest)) > 0 {
		return nil, s.wrong("a bad end tag")
	}
	return local(name), nil
}

func (s *Scanner) startTag() error {
	b, err := s.tag()
	if err != nil {
		return err
	}
	s.attrs, s.text = s.attrs[:0], s.text[:0]
	if s.ending = len(b) > 0 && b[len(b)-1] == '/'; s.ending {
		b = b[:len(b)-1]
	}
	name, rest := nameOf(b)
	if len(name) == 0 {
		return s.wrong("a bad tag")
	}
	s.name = local(name)
	for {
		if rest = blank(rest); len(rest) == 0 {
			return nil
		}
		var a attr
		name, rest = nameOf(rest)
		rest = blank(rest)
		if len(name) == 0 || len(rest) == 0 || rest[0] != '=' {
			return s.wrong("a bad attribute")
		}
		rest = blank(rest[1:])
		if len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
			return s.wrong("an attribute without quotes")
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return s.wrong("an attribute without quotes")
		}
		if a.value, err = s.clean(rest[1:1+end], false); err != nil {
			return err
		}
		a.name, rest = local(name), rest[end+2:]
		s.attrs = append(s.attrs, a)
	}
}
