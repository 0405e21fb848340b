package sip

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/protocol"
)

const maxSDPLines = 512

// medium is where the values of one media description are in Tx.values.
type medium struct{ from, to int }

// describe reads a session description line by line (RFC 8866, 5). Lines after
// the first m= belong to media.
func (t *Tx) describe(body []byte) {
	for n := 0; len(body) > 0 && n < maxSDPLines; n++ {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		line = bytes.TrimRight(line, "\r")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		if n == 0 && line[0] != 'v' {
			return
		}
		t.hasSDP = true
		t.sdpLine(line[0], line[2:])
	}
	if k := len(t.media); k > 0 {
		t.media[k-1].to = len(t.values)
	}
}

func (t *Tx) sdpLine(kind byte, text []byte) {
	if kind == 'm' {
		if k := len(t.media); k > 0 {
			t.media[k-1].to = len(t.values)
		}
		t.media = append(t.media, medium{from: len(t.values)})
		t.values = append(t.values, value{protocol.SDPMedia, text})
		return
	}
	f := sessionField(kind)
	if len(t.media) > 0 {
		f = mediumField(kind)
	}
	if f != 0 {
		t.values = append(t.values, value{f, text})
	}
}

// sdpVersion and the next two stand for lines that only records show.
const (
	sdpVersion protocol.Field = 1<<16 - 1 - iota
	sdpMediaBandwidth
	sdpMediaAttribute
)

func sessionField(kind byte) protocol.Field {
	switch kind {
	case 'v':
		return sdpVersion
	case 'o':
		return protocol.SDPOrigin
	case 's':
		return protocol.SDPSessionName
	case 'i':
		return protocol.SDPSessionInfo
	case 'u':
		return protocol.SDPURI
	case 'e':
		return protocol.SDPEmail
	case 'p':
		return protocol.SDPPhone
	case 'c':
		return protocol.SDPConnection
	case 'b':
		return protocol.SDPBandwidth
	case 't':
		return protocol.SDPTime
	case 'r':
		return protocol.SDPRepeatTime
	case 'z':
		return protocol.SDPTimezone
	case 'k':
		return protocol.SDPEncryptionKey
	case 'a':
		return protocol.SDPAttribute
	}
	return 0
}

func mediumField(kind byte) protocol.Field {
	switch kind {
	case 'i':
		return protocol.SDPMediaInfo
	case 'c':
		return protocol.SDPMediaConnection
	case 'k':
		return protocol.SDPMediaKey
	case 'b':
		return sdpMediaBandwidth
	case 'a':
		return sdpMediaAttribute
	}
	return 0
}
