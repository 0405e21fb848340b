package http

import (
	"bytes"
)

// span is a piece of a message's header block, or of its text arena when
// inText is set in off.
type span struct{ off, n uint32 }

const inText = 1 << 31

// known is a header field that the parser itself looks for.
type known uint8

// The known fields.
const (
	knownNone known = iota
	knownHost
	knownCookie
	knownSetCookie
	knownUserAgent
	knownAccept
	knownAcceptEncoding
	knownAcceptLanguage
	knownReferer
	knownConnection
	knownContentLength
	knownContentType
	knownContentEncoding
	knownContentDisposition
	knownContentRange
	knownTransferEncoding
	knownLocation
	knownServer
	knownUpgrade
	knownExpect
	knownAuthorization
	knownXForwardedFor
	numKnown
)

// recognise tells which known field a name is. NUL bytes in the name are
// skipped, as browsers do.
func recognise(name []byte) known {
	if bytes.IndexByte(name, 0) >= 0 {
		var b [32]byte
		n := 0
		for _, c := range name {
			if c != 0 && n < len(b) {
				b[n] = c
				n++
			}
		}
		name = b[:n]
	}
	var b [24]byte
	if len(name) > len(b) || len(name) < 4 {
		return knownNone
	}
	for i, c := range name {
		b[i] = lower(c)
	}
	switch string(b[:len(name)]) {
	case "host":
		return knownHost
	case "cookie":
		return knownCookie
	case "set-cookie":
		return knownSetCookie
	case "user-agent":
		return knownUserAgent
	case "accept":
		return knownAccept
	case "accept-encoding":
		return knownAcceptEncoding
	case "accept-language":
		return knownAcceptLanguage
	case "referer":
		return knownReferer
	case "connection":
		return knownConnection
	}
	return recogniseContent(b[:len(name)])
}

func recogniseContent(name []byte) known {
	switch string(name) {
	case "content-length":
		return knownContentLength
	case "content-type":
		return knownContentType
	case "content-encoding":
		return knownContentEncoding
	case "content-disposition":
		return knownContentDisposition
	case "content-range":
		return knownContentRange
	case "transfer-encoding":
		return knownTransferEncoding
	case "location":
		return knownLocation
	case "server":
		return knownServer
	case "upgrade":
		return knownUpgrade
	case "expect":
		return knownExpect
	case "authorization":
		return knownAuthorization
	case "x-forwarded-for":
		return knownXForwardedFor
	}
	return knownNone
}

// header is one field of a message; repeated fields are one.
type header struct {
	name, value span
	hash        uint32
	known       known
	repeated    bool
}

// headers are the fields of one message, in the order in which they first came.
type headers struct {
	raw  []byte // the block as sent, with the empty line
	text []byte // values that had to be put together
	list []header
	at   [numKnown]uint16 // 1 + index in list
	reps int
}

// maxRepetitions bounds how often values are joined, for each message.
const maxRepetitions = 64

func (h *headers) reset() {
	h.raw, h.text, h.list = empty(h.raw), empty(h.text), h.list[:0]
	h.at = [numKnown]uint16{}
	h.reps = 0
}

// maxKept bounds the memory that a buffer keeps from message to message.
const maxKept = 32 << 10

// empty is b without content, and without memory beyond maxKept.
func empty(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

// again makes ready for the block of the next response to the same request and
// keeps what was sent.
func (h *headers) again() {
	raw := h.raw
	h.raw = nil
	h.reset()
	h.raw = raw
}

func (h *headers) bytes(s span) []byte {
	if s.off&inText != 0 {
		off := s.off &^ inText
		return h.text[off : off+s.n]
	}
	return h.raw[s.off : s.off+s.n]
}

// get is the value of a known field.
func (h *headers) get(k known) ([]byte, bool) {
	i := h.at[k]
	if i == 0 {
		return nil, false
	}
	return h.bytes(h.list[i-1].value), true
}

// find looks for a field of the same name.
func (h *headers) find(name []byte, hash uint32) int {
	for i := range h.list {
		if h.list[i].hash == hash && bytes.EqualFold(h.bytes(h.list[i].name), name) {
			return i
		}
	}
	return -1
}

// add enters a field that stands at name and value in raw or text. It says
// whether there are too many repetitions, or too many fields.
func (h *headers) add(name, value span, limit int) (excess, tooMany bool) {
	n := h.bytes(name)
	hash := foldHash(n)
	if i := h.find(n, hash); i >= 0 {
		return h.join(&h.list[i], value), false
	}
	if len(h.list) > limit {
		return false, true
	}
	k := recognise(n)
	h.list = append(h.list, header{name: name, value: value, hash: hash, known: k})
	if k != knownNone && h.at[k] == 0 {
		h.at[k] = uint16(len(h.list))
	}
	return false, false
}

// join adds the value of a repeated field to the first one, unless there were
// too many repetitions.
func (h *headers) join(to *header, value span) (excess bool) {
	if h.reps > maxRepetitions {
		return true
	}
	h.reps++
	to.repeated = true
	if to.known == knownContentLength {
		return false
	}
	if to.value.off&inText == 0 || int(to.value.off&^inText+to.value.n) != len(h.text) {
		to.value = h.toText(to.value)
	}
	h.text = append(h.text, ", "...)
	h.text = append(h.text, h.bytes(value)...)
	to.value.n = uint32(len(h.text)) - to.value.off&^inText
	return false
}

// toText copies a piece to the end of the text arena.
func (h *headers) toText(s span) span {
	off := uint32(len(h.text))
	h.text = append(h.text, h.bytes(s)...)
	return span{off | inText, s.n}
}

func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// foldHash hashes a name without regard to case (FNV-1a).
func foldHash(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return h
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c-9 < 5 }

// isLWS says whether c may stand where linear white space may.
func isLWS(c byte) bool { return c == ' ' || c == '\t' }

// isFolding says whether a line that begins with c continues the one before.
func isFolding(c byte) bool { return c == ' ' || c == '\t' || c == 0 }

// isToken says whether all of b may stand in a token (RFC 2616 section 2.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= 0x20 || c >= 0x7f || separators[c>>6]&(1<<(c&63)) != 0 {
			return false
		}
	}
	return true
}

// separators is the set of ( ) < > @ , ; : \ " / [ ] ? = { }.
var separators = [2]uint64{
	1<<'(' | 1<<')' | 1<<'<' | 1<<'>' | 1<<',' | 1<<';' | 1<<':' | 1<<'"' | 1<<'/' | 1<<'?' | 1<<'=',
	1<<('@'-64) | 1<<('\\'-64) | 1<<('['-64) | 1<<(']'-64) | 1<<('{'-64) | 1<<('}'-64),
}

// chomp cuts line ends from the end of a line.
func chomp(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

// containsFold says whether b contains the lower case word, without regard to
// case and to NUL bytes in b.
func containsFold(b []byte, word string) bool {
	for i := range b {
		if foldPrefix(b[i:], word) {
			return true
		}
	}
	return false
}

func foldPrefix(b []byte, word string) bool {
	j := 0
	for _, c := range b {
		if j == len(word) {
			return true
		}
		if c == 0 && j > 0 {
			continue
		}
		if lower(c) != word[j] {
			return false
		}
		j++
	}
	return j == len(word)
}

// equalFold says whether b is the lower case word, without regard to case.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if lower(c) != word[i] {
			return false
		}
	}
	return true
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
