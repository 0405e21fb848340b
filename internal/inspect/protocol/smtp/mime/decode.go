package mime

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// sextets gives a base64 digit's value plus one, 0 for bytes that are none.
var sextets = func() (t [256]byte) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(digits) {
		t[digits[i]] = byte(i + 1)
	}
	return t
}()

// decodeBase64 decodes what is whole and keeps the remainder of a quantum for
// the next line. The result is valid until the next call.
func (m *Reader) decodeBase64(text []byte) []byte {
	p := &m.part
	out := m.out[:0]
	for _, c := range text {
		v := sextets[c]
		if v == 0 {
			switch c {
			case '=':
				p.padded = true
			case ' ', '\t', '\r':
			default:
				m.event(InvalidBase64)
			}
			continue
		}
		if p.padded { // digits behind padding begin anew
			out = appendQuantum(out, p)
			p.padded = false
		}
		p.quad[p.quads] = v - 1
		p.quads++
		if p.quads == 4 {
			out = append(out, p.quad[0]<<2|p.quad[1]>>4, p.quad[1]<<4|p.quad[2]>>2, p.quad[2]<<6|p.quad[3])
			p.quads = 0
		}
	}
	if p.padded {
		out = appendQuantum(out, p)
	}
	m.out = out
	return out
}

// appendQuantum decodes an incomplete quantum.
func appendQuantum(out []byte, p *part) []byte {
	if p.quads >= 2 {
		out = append(out, p.quad[0]<<2|p.quad[1]>>4)
	}
	if p.quads == 3 {
		out = append(out, p.quad[1]<<4|p.quad[2]>>2)
	}
	p.quads = 0
	return out
}

// flushBase64 gives on the rest of a body without its padding.
func (m *Reader) flushBase64() {
	m.out = appendQuantum(m.out[:0], &m.part)
	m.emit(m.out)
}

// decodeQuoted decodes a line of quoted-printable (RFC 2045 section 6.7).
func (m *Reader) decodeQuoted(text []byte, end line.Ending) []byte {
	out := m.out[:0]
	if end != line.Cut {
		text = bytes.TrimRight(text, " \t")
	}
	hard := end != line.Cut
	for i := 0; i < len(text); i++ {
		if text[i] != '=' {
			out = append(out, text[i])
			continue
		}
		if i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0 {
			out = append(out, byte(unhex(text[i+1])<<4|unhex(text[i+2])))
			i += 2
			continue
		}
		if i+1 == len(text) && end != line.Cut {
			hard = false // a soft line break
			break
		}
		m.event(InvalidQP)
		out = append(out, '=')
	}
	if hard {
		out = append(out, endings[:]...)
	}
	m.out = out
	return out
}
