package mime

import "bytes"

// addText collects decoded text up to the end of its line and looks for URLs
// there. Lines longer than the bound are looked at in pieces.
func (m *Reader) addText(data []byte) {
	for len(data) > 0 {
		lf := bytes.IndexByte(data, '\n')
		piece := data
		if lf >= 0 {
			piece = data[:lf]
		}
		room := maxText - len(m.text)
		if len(piece) > room {
			m.text = append(m.text, piece[:room]...)
			data = data[room:]
			m.endText()
			continue
		}
		m.text = append(m.text, piece...)
		if lf < 0 {
			return
		}
		m.endText()
		data = data[lf+1:]
	}
}

// endText looks for URLs in the collected line.
func (m *Reader) endText() {
	text := m.text
	m.text = m.text[:0]
	for len(text) > 0 {
		colon := bytes.Index(text, colonSlashes)
		if colon < 0 {
			return
		}
		from, scheme := m.scheme(text, colon)
		text = text[colon+len(colonSlashes):]
		if !scheme {
			continue
		}
		n := urlLength(text)
		if n > 0 {
			m.addURL(text[:n], from)
		}
		text = text[n:]
	}
}

var colonSlashes = []byte("://")

// scheme says which of the wanted schemes ends at text[at:].
func (m *Reader) scheme(text []byte, at int) (from []byte, ok bool) {
	for _, s := range m.cfg.Schemes {
		n := len(s) - len(colonSlashes)
		if at >= n && equalFold(text[at-n:at], s[:n]) {
			return s, true
		}
	}
	return nil, false
}

func equalFold(b, lower []byte) bool {
	for i := range b {
		if low(b[i]) != lower[i] {
			return false
		}
	}
	return true
}

// addURL keeps a URL in lower case, each only once.
func (m *Reader) addURL(rest, scheme []byte) {
	url := m.url[:0]
	if m.cfg.URLScheme {
		url = append(url, scheme...)
	}
	for _, c := range rest {
		url = append(url, low(c))
	}
	m.url = url
	for i := 0; ; i++ {
		have, ok := m.URL(i)
		if !ok {
			break
		}
		if bytes.Equal(have, url) {
			return
		}
	}
	m.lists[listURL].add(url)
}

// urlLength is how far a URL goes: to a byte that cannot be in one, without
// the punctuation of the sentence around it.
func urlLength(text []byte) int {
	n := 0
	for n < len(text) && text[n] > ' ' && text[n] < 0x7f && bytes.IndexByte(urlEnds, text[n]) < 0 {
		n++
	}
	return n
}

var urlEnds = []byte("\"'<>{}|\\^`")
