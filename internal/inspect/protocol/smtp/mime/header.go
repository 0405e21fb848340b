package mime

import "bytes"

// headerLine takes a line while headers are read.
func (m *Reader) headerLine(text []byte, continued bool) {
	switch {
	case len(text) == 0 && !continued:
		m.endHeader()
		m.startBody()
	case continued:
		m.appendHeader(text)
	case (text[0] == ' ' || text[0] == '\t') && len(m.header) > 0:
		m.appendHeader(text)
	case len(text) >= 2 && text[0] == '-' && text[1] == '-' && m.delimiter(text[2:]):
		// A part without an empty line after its headers.
	default:
		m.endHeader()
		m.startHeader(text)
	}
}

func (m *Reader) startHeader(text []byte) {
	colon := bytes.IndexByte(text, ':')
	if colon <= 0 {
		m.event(MalformedMsg)
		return
	}
	if colon > maxHeaderName {
		m.event(LongHeaderName)
	}
	m.header = m.header[:0]
	m.appendHeader(text)
}

// appendHeader adds to the header being unfolded, up to the depth.
func (m *Reader) appendHeader(text []byte) {
	room := m.cfg.HeaderDepth + maxHeaderName - len(m.header)
	if room < len(text) {
		m.event(LongHeaderValue)
		text = text[:max(room, 0)]
	}
	m.header = append(m.header, text...)
}

// endHeader takes the unfolded header.
func (m *Reader) endHeader() {
	h := m.header
	m.header = m.header[:0]
	colon := bytes.IndexByte(h, ':')
	if colon <= 0 {
		return
	}
	name, value := bytes.TrimRight(h[:colon], " \t"), bytes.Trim(h[colon+1:], " \t")
	if len(value) > m.cfg.HeaderDepth {
		m.event(LongHeaderValue)
		value = value[:m.cfg.HeaderDepth]
	}
	if m.depth == 0 {
		m.keep(name, value)
	}
	m.part.header(m, name, value)
}

// headerNames are the kept headers, lower case.
var headerNames = [numHeaders]string{From: "from", Subject: "subject", To: "to", Cc: "cc", Date: "date", MessageID: "message-id", XMailer: "x-mailer"}

// keep stores the headers that rules and records name; the first of a kind counts.
func (m *Reader) keep(name, value []byte) {
	if is(name, "received") {
		m.lists[listReceived].add(value)
		return
	}
	for h := range headerNames {
		if is(name, headerNames[h]) && !m.has[h] {
			m.values[h], m.has[h] = append(m.values[h][:0], value...), true
			return
		}
	}
}

// is compares b with lower, which is lower case, without regard to case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		if low(b[i]) != lower[i] {
			return false
		}
	}
	return true
}

func low(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// hasPrefix says whether b begins with lower without regard to case.
func hasPrefix(b []byte, lower string) bool {
	return len(b) >= len(lower) && is(b[:len(lower)], lower)
}
