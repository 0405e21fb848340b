package bittorrentdht

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

const (
	nodeLen  = 20 + 4 + 2
	node6Len = 20 + 16 + 2
)

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	hexText(&o, "transaction_id", t.id)
	if len(t.version) > 0 {
		hexText(&o, "client_version", t.version)
	}
	if len(t.kind) > 0 {
		o.Text("request_type", t.kind)
	}
	if t.failed {
		o.BeginObject("error")
		o.Uint("num", uint64(t.number))
		o.Text("msg", t.reason)
		o.End()
	}
	if t.query.there {
		o.BeginObject("request")
		t.query.eve(&o)
		o.End()
	}
	if t.response.there {
		o.BeginObject("response")
		t.response.eve(&o)
		o.End()
	}
	o.End()
	return o.B
}

func (a *arguments) eve(o *eve.Object) {
	hexText(o, "id", a.id)
	if len(a.target) > 0 {
		hexText(o, "target", a.target)
	}
	if len(a.hash) > 0 {
		hexText(o, "info_hash", a.hash)
	}
	if a.hasTok {
		hexText(o, "token", a.token)
	}
	if a.hasImplied {
		o.Uint("implied_port", uint64(a.implied))
	}
	if a.hasPort {
		o.Uint("port", uint64(a.port))
	}
	eveNodes(o, "nodes", a.nodes, nodeLen)
	eveNodes(o, "nodes6", a.nodes6, node6Len)
	a.eveValues(o)
}

func eveNodes(o *eve.Object, key string, b []byte, size int) {
	if len(b) < size {
		return
	}
	o.BeginArray(key)
	for ; len(b) >= size; b = b[size:] {
		o.Begin()
		hexText(o, "id", b[:20])
		eveEnd(o, b[20:size])
		o.End()
	}
	o.EndArray()
}

// eveEnd writes an address with its port.
func eveEnd(o *eve.Object, b []byte) {
	addr, ok := netip.AddrFromSlice(b[:len(b)-2])
	if !ok {
		return
	}
	var text [64]byte
	o.Text("ip", addr.AppendTo(text[:0]))
	o.Uint("port", uint64(binary.BigEndian.Uint16(b[len(b)-2:])))
}

func (a *arguments) eveValues(o *eve.Object) {
	if len(a.values) == 0 {
		return
	}
	o.BeginArray("values")
	for b := a.values; len(b) > 0; {
		v, rest, ok := next(b, 0)
		if !ok {
			break
		}
		if len(v.data) == 6 || len(v.data) == 18 {
			o.Begin()
			eveEnd(o, v.data)
			o.End()
		}
		b = rest
	}
	o.EndArray()
}

func hexText(o *eve.Object, key string, b []byte) {
	o.Str(key, "")
	o.B = hex.AppendEncode(o.B[:len(o.B)-1], b)
	o.B = append(o.B, '"')
}
