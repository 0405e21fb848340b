// Package mime reads a mail message line by line as it passes: headers with
// folding, nested multipart bodies, base64 and quoted-printable, attachments
// and the URLs in text (RFC 5322, RFC 2045 to 2047, RFC 2231). It knows nothing
// of SMTP, which calls it, and keeps no bodies: decoded attachments go to a
// Sink as they come. What it keeps is bounded.
package mime

import (
	"crypto/md5"
	"hash"

	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// Config is what a Reader does. The zero value decodes nothing.
type Config struct {
	Base64, QuotedPrintable bool
	URLs                    bool
	BodyMD5                 bool
	URLScheme               bool     // keep the scheme in front of a URL
	Schemes                 [][]byte // URL schemes to look for, lower case, with "://"
	HeaderDepth             int      // bytes of a header's value that are kept
}

// Sink takes the attachments of a message, one at a time. Slices are valid
// during the call only.
type Sink interface {
	FileOpen(name []byte)
	FileData(data []byte)
	FileClose(whole bool)
}

// Event is something wrong with a message.
type Event uint8

// The events, as bits of Reader.Events; named as the rule language names them
// behind "smtp.mime_".
const (
	ParseFailed Event = iota
	MalformedMsg
	InvalidBase64
	InvalidQP
	LongLine
	LongEncLine
	LongHeaderName
	LongHeaderValue
	LongBoundary
	LongFilename
	NumEvents = iota
)

// Limits of what standards allow, and of what is kept.
const (
	maxLine       = 998 // RFC 5322 section 2.1.1
	maxEncLine    = 76  // RFC 2045 section 6.7 and 6.8
	maxHeaderName = 75
	maxBoundary   = 70 // RFC 2046 section 5.1.1
	maxName       = 255
	maxDepth      = 16 // nested multiparts
	maxKept       = 64 // URLs, attachments and Received headers kept of one message
	maxText       = 4096
)

// Header is a kept header of the message.
type Header uint8

// The kept headers of which there is one.
const (
	From Header = iota
	Subject
	To
	Cc
	Date
	MessageID
	XMailer
	numHeaders = iota
)

// phase is where a message stands.
type phase uint8

const (
	inHeaders phase = iota
	inBody
	inBetween // a multipart's preamble or epilogue
)

// boundary is an open multipart; its text is Reader.bounds[from:to].
type boundary struct{ from, to int }

// Reader follows one message. It is not safe for concurrent use.
type Reader struct {
	cfg    *Config
	sink   Sink
	Events uint32 // bits 1<<Event

	phase   phase
	depth   int  // entities entered: 0 for the message itself
	past    bool // the message's own headers are complete
	done    bool
	ended   bool   // End was called
	cut     bool   // the last line given was a piece
	header  []byte // the header line being unfolded
	over    bool   // the header's value went beyond the depth
	values  [numHeaders][]byte
	has     [numHeaders]bool
	lists   [numLists]list
	part    part
	stack   []boundary
	bounds  []byte
	text    []byte // decoded text of the line in which URLs are looked for
	out     []byte // scratch for decoded bytes
	url     []byte // scratch for one URL
	started bool   // MD5: a line of the body was added
	sum     hash.Hash
	digest  [md5.Size]byte
}

// Reset makes the reader ready for a message. cfg and sink are kept.
func (m *Reader) Reset(cfg *Config, sink Sink) {
	sum := m.sum
	if sum == nil && cfg.BodyMD5 {
		sum = md5.New()
	}
	if sum != nil {
		sum.Reset()
	}
	fresh := Reader{cfg: cfg, sink: sink, sum: sum, header: m.header[:0], stack: m.stack[:0], bounds: m.bounds[:0], text: m.text[:0], out: m.out[:0], url: m.url[:0], values: m.values, lists: m.lists}
	for i := range fresh.values {
		fresh.values[i] = fresh.values[i][:0]
	}
	for i := range fresh.lists {
		fresh.lists[i].reset()
	}
	fresh.part.name = m.part.name[:0]
	fresh.part.reset()
	*m = fresh
}

// HeadersDone says whether the message's own headers are complete.
func (m *Reader) HeadersDone() bool { return m.past }

// Value is a header of the message, unfolded, false when it has none.
func (m *Reader) Value(h Header) ([]byte, bool) { return m.values[h], m.has[h] }

// BodyMD5 is the digest of the body once the message has ended and
// Config.BodyMD5 is set.
func (m *Reader) BodyMD5() ([md5.Size]byte, bool) {
	return m.digest, m.ended && m.cfg.BodyMD5
}

// Line takes the next line of the message without its ending, or a piece of
// an overlong one (line.Cut).
func (m *Reader) Line(text []byte, end line.Ending) {
	if len(text) > maxLine {
		m.event(LongLine)
	}
	continued := m.cut
	m.cut = end == line.Cut
	if m.phase == inHeaders {
		m.headerLine(text, continued)
		return
	}
	m.bodyMD5(text, continued)
	if !continued && len(text) >= 2 && text[0] == '-' && text[1] == '-' && m.delimiter(text[2:]) {
		return
	}
	if m.phase == inBody {
		m.body(text, end)
	}
}

// End says that the message is over; whole is false when it broke off.
func (m *Reader) End(whole bool) {
	if m.ended {
		return
	}
	m.ended = true
	if m.phase == inHeaders {
		m.endHeader()
		m.past = true
	}
	m.endPart(whole)
	if m.cfg.BodyMD5 {
		m.sum.Sum(m.digest[:0])
	}
}

func (m *Reader) event(e Event) { m.Events |= 1 << e }

// bodyMD5 adds a line of the message's body; the ending before a line counts,
// the one after the last does not.
func (m *Reader) bodyMD5(text []byte, continued bool) {
	if !m.cfg.BodyMD5 {
		return
	}
	if m.started && !continued {
		m.out = append(m.out[:0], '\r', '\n')
		m.sum.Write(m.out)
	}
	m.started = true
	m.sum.Write(text)
}

// Status is eve.json's word for how far the message was read.
func (m *Reader) Status() string {
	switch {
	case m.Events&(1<<ParseFailed) != 0:
		return "PARSE_ERROR"
	case m.ended:
		return "PARSE_DONE"
	case m.phase == inHeaders && m.depth == 0:
		return "HEADER_STARTED"
	}
	return "BODY_STARTED"
}

// Begun says whether any line of the message was read.
func (m *Reader) Begun() bool { return m.phase != inHeaders || m.past || len(m.header) > 0 }
