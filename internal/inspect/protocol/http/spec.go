// Package http follows HTTP/1 connections (RFC 9112, and HTTP/0.9): requests
// and responses with pipelining, chunked bodies, content encodings, form
// uploads, tunnels and upgrades. It reads what real servers and browsers read,
// not only what the standards allow, so that no odd spelling hides anything.
// It knows nothing of rules and of HTTP/2. The inspection engine calls it
// through Spec.
package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Spec describes the parser. All parsers made by what one call of Open returns
// belong to one goroutine: they share memory for bodies.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.HTTP1,
		Transport: protocol.OverTCP,
		Ports:     []uint16{80, 8080, 8000, 8008, 8888, 3128, 1080, 81, 591},
		Probe:     probe,
		Tells:     tells,
		Reversed:  reversed,
		Open: func(s protocol.Settings) (func() protocol.Parser, error) {
			c, err := readConfig(s)
			if err != nil {
				return nil, err
			}
			pool := new(pool)
			return func() protocol.Parser { return newParser(c, pool) }, nil
		},
		Events: eventNames[:],
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_line": protocol.StageLine, "request_headers": protocol.StageHeaders,
			"request_body": protocol.StageBody, "request_trailer": protocol.StageTrailer, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_line": protocol.StageLine, "response_headers": protocol.StageHeaders,
			"response_body": protocol.StageBody, "response_trailer": protocol.StageTrailer, "response_complete": protocol.StageDone,
		},
		Record: "http",
		Files:  true,
	}
}

// probe looks at the first bytes of one direction. It takes a whole message of
// the other side too: see reversed.
func probe(d packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	own, other := probeRequest(data), probeStatus(data)
	if d == packet.ToClient {
		own, other = other, own
	}
	if own == protocol.No && other == protocol.Yes {
		return protocol.Yes
	}
	return own
}

// tells says whether first bytes are those of HTTP whatever the other side says:
// a request with a method that is not known is so only beside a response.
func tells(d packet.Direction, first []byte) bool {
	if d == packet.ToClient {
		return true
	}
	n := bytes.IndexAny(first, " \t")
	return n > 0 && methodOf(first[:n]) != methodUnknown
}

// reversed says whether the bytes are a response where a request should be, or
// the other way round.
func reversed(d packet.Direction, data []byte, _ bool) bool {
	if d == packet.ToServer {
		return probeRequest(data) == protocol.No && probeStatus(data) == protocol.Yes
	}
	return probeStatus(data) == protocol.No && probeRequest(data) == protocol.Yes
}

var statusStart = []byte("HTTP/")

func probeStatus(data []byte) protocol.Verdict {
	data = bytes.TrimLeft(data, "\r\n ")
	n := min(len(data), len(statusStart))
	if !bytes.EqualFold(data[:n], statusStart[:n]) {
		return protocol.No
	}
	if len(data) < 9 {
		return protocol.More
	}
	return protocol.Yes
}

// maxMethod is the longest method that the probe waits for.
const maxMethod = 20

// probeRequest takes a known method, or any word when the line ends in a
// version.
func probeRequest(data []byte) protocol.Verdict {
	for len(data) > 0 && (data[0] == '\r' || data[0] == '\n') {
		data = data[1:]
	}
	if bytes.HasPrefix(data, []byte("PRI * ")) {
		return protocol.No
	}
	n := bytes.IndexAny(data[:min(len(data), maxMethod)], " \t")
	if n < 0 {
		if len(data) < maxMethod && isToken(data) {
			return protocol.More
		}
		return protocol.No
	}
	if n == 0 || !isToken(data[:n]) {
		return protocol.No
	}
	if m := methodOf(data[:n]); m != methodUnknown && m != methodOther {
		return probeVersion(data)
	}
	line, whole := data, false
	if lf := bytes.IndexByte(data, '\n'); lf >= 0 {
		line, whole = data[:lf], true
	}
	switch {
	case bytes.Contains(line, []byte(" HTTP/")):
		return protocol.Yes
	case !whole && len(data) < maxProbe && methodOf(data[:n]) != methodUnknown:
		return protocol.More
	}
	return protocol.No
}

// maxProbe is how much of a first line the probe waits for.
const maxProbe = 4 << 10

// probeVersion makes sure that a line with a common method is not one of
// another protocol that has the same methods (RTSP, SIP).
func probeVersion(data []byte) protocol.Verdict {
	line := data
	if lf := bytes.IndexByte(data, '\n'); lf >= 0 {
		line = data[:lf]
	}
	if bytes.Contains(line, []byte(" RTSP/")) || bytes.Contains(line, []byte(" SIP/")) || bytes.Contains(line, []byte(" ICY/")) {
		return protocol.No
	}
	return protocol.Yes
}
