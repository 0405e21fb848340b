// Package bittorrentdht parses the messages of BitTorrent's distributed hash
// table (BEP 5, BEP 32): queries, responses and errors in bencoding over UDP.
// It builds no table of nodes. protocol/all lists it for the inspection engine.
package bittorrentdht

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const (
	maxDepth   = 8
	maxMessage = 4096
)

// arguments are those of a query or a response.
type arguments struct {
	there                       bool
	id, target, hash, token     []byte
	nodes, nodes6, values       []byte // values: the bencoded list
	implied, port               uint32
	hasImplied, hasPort, hasTok bool
}

// Tx is one message. It holds a copy of it.
type Tx struct {
	single.Message
	msg             []byte
	id, version     []byte
	kind            []byte // of a query
	query, response arguments
	failed          bool
	number          uint32
	reason          []byte
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, msg: t.msg[:0]}
}

// Bytes has nothing: there are no keywords for this protocol.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// item is one bencoded value: a text, a number, or the inside of a list or
// dictionary.
type item struct {
	kind   byte // 's', 'i', 'l' or 'd'
	data   []byte
	number uint32
}

// next cuts the first value off.
func next(b []byte, depth int) (v item, rest []byte, ok bool) {
	if len(b) == 0 || depth > maxDepth {
		return v, nil, false
	}
	switch c := b[0]; {
	case c >= '0' && c <= '9':
		return text(b)
	case c == 'i':
		return integer(b)
	case c == 'l' || c == 'd':
		rest = b[1:]
		for len(rest) > 0 && rest[0] != 'e' {
			if _, rest, ok = next(rest, depth+1); !ok {
				return v, nil, false
			}
		}
		if len(rest) == 0 {
			return v, nil, false
		}
		return item{kind: c, data: b[1 : len(b)-len(rest)]}, rest[1:], true
	}
	return v, nil, false
}

func text(b []byte) (v item, rest []byte, ok bool) {
	n, i := 0, 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' && n < maxMessage {
		n = 10*n + int(b[i]-'0')
		i++
	}
	if i >= len(b) || b[i] != ':' || i+1+n > len(b) {
		return v, nil, false
	}
	return item{kind: 's', data: b[i+1 : i+1+n]}, b[i+1+n:], true
}

func integer(b []byte) (v item, rest []byte, ok bool) {
	end := bytes.IndexByte(b, 'e')
	if end < 2 || end > 20 {
		return v, nil, false
	}
	v.kind = 'i'
	for i, c := range b[1:end] {
		if c == '-' && i == 0 {
			continue
		}
		if c < '0' || c > '9' {
			return v, nil, false
		}
		v.number = 10*v.number + uint32(c-'0')
	}
	return v, b[end+1:], true
}

// each calls f for every entry of a dictionary.
func each(b []byte, f func(key []byte, v item)) bool {
	for len(b) > 0 {
		key, rest, ok := next(b, 0)
		if !ok || key.kind != 's' {
			return false
		}
		v, rest, ok := next(rest, 0)
		if !ok {
			return false
		}
		f(key.data, v)
		b = rest
	}
	return true
}

// fill parses a message.
func fill(t *Tx, b []byte, _ *protocol.Env) bool {
	t.msg = append(t.msg[:0], b[:min(len(b), maxMessage)]...)
	outer, _, ok := next(t.msg, 0)
	if !ok || outer.kind != 'd' {
		return false
	}
	ok = each(outer.data, func(key []byte, v item) {
		if len(key) != 1 {
			return
		}
		switch key[0] {
		case 't':
			t.id = v.data
		case 'v':
			t.version = v.data
		case 'q':
			t.kind = v.data
		case 'a':
			t.query.read(v)
		case 'r':
			t.response.read(v)
		case 'e':
			t.failure(v)
		}
	})
	return ok && (t.query.there || t.response.there || t.failed)
}

func (t *Tx) failure(v item) {
	if v.kind != 'l' {
		return
	}
	number, rest, ok := next(v.data, 0)
	if !ok || number.kind != 'i' {
		return
	}
	t.failed, t.number = true, number.number
	if reason, _, ok := next(rest, 0); ok {
		t.reason = reason.data
	}
}

func (a *arguments) read(v item) {
	if v.kind != 'd' {
		return
	}
	a.there = each(v.data, func(key []byte, v item) {
		switch string(key) {
		case "id":
			a.id = v.data
		case "target":
			a.target = v.data
		case "info_hash":
			a.hash = v.data
		case "token":
			a.token, a.hasTok = v.data, true
		case "nodes":
			a.nodes = v.data
		case "nodes6":
			a.nodes6 = v.data
		case "values":
			if v.kind == 'l' {
				a.values = v.data
			}
		case "implied_port":
			a.implied, a.hasImplied = v.number, true
		case "port":
			a.port, a.hasPort = v.number, true
		}
	})
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	for _, begin := range [...]string{"d1:ad2:id20:", "d1:rd2:id20:", "d2:ip", "d1:el"} {
		if bytes.HasPrefix(data, []byte(begin)) && bytes.Contains(data[:min(len(data), maxMessage)], []byte("1:y1:")) {
			return protocol.Yes
		}
	}
	return protocol.No
}

const eventMalformed = 0

// Spec describes the protocol.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.BitTorrentDHT, Transport: protocol.OverUDP, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &single.Datagrams[Tx, *Tx]{Fill: fill, Malformed: eventMalformed} }, nil
		},
		Events: []string{"malformed_packet"},
		Record: "bittorrent_dht", Packetwise: true,
	}
}
