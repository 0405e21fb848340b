package dhcp

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Options that are read.
const (
	optPad        = 0
	optSubnetMask = 1
	optRouters    = 3
	optDNS        = 6
	optHostname   = 12
	optRequested  = 50
	optLease      = 51
	optType       = 53
	optParams     = 55
	optRenewal    = 58
	optRebinding  = 59
	optVendor     = 60
	optClientID   = 61
	optEnd        = 255
)

const (
	headerLen = 240 // with the magic cookie
	maxKept   = 1500

	eventTruncated = 0
	eventMalformed = 1

	typeAck = 5
)

// Tx is one message. It holds a copy of it.
type Tx struct {
	single.Message
	extended bool // records show all messages with all they have
	msg      []byte
	lease    uint32
	renewal  uint32
	rebind   uint32
	has      uint8 // bits for lease, renewal, rebind
	kind     uint8 // message type, 0 for none
}

const (
	hasLease = 1 << iota
	hasRenewal
	hasRebind
)

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, msg: t.msg[:0]}
}

// Bytes has nothing: all keywords of DHCP are numbers.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint answers the times.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.Dir || i > 0 {
		return 0, false
	}
	switch f {
	case protocol.DHCPLease:
		return uint64(t.lease), t.has&hasLease != 0
	case protocol.DHCPRenewal:
		return uint64(t.renewal), t.has&hasRenewal != 0
	case protocol.DHCPRebinding:
		return uint64(t.rebind), t.has&hasRebind != 0
	}
	return 0, false
}

// fill parses a message.
func fill(t *Tx, b []byte, _ *protocol.Env) bool {
	if len(b) < headerLen {
		return false
	}
	t.msg = append(t.msg, b[:min(len(b), maxKept)]...)
	rest := t.msg[headerLen:]
	for len(rest) > 0 {
		code, data, next, ok := option(rest)
		if !ok {
			t.Event(eventTruncated)
			return true
		}
		if code == optEnd {
			return true
		}
		t.note(code, data)
		rest = next
	}
	t.Event(eventTruncated)
	return true
}

// option cuts the first option off.
func option(b []byte) (code uint8, data, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, nil, false
	}
	if b[0] == optPad || b[0] == optEnd {
		return b[0], nil, b[1:], true
	}
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return 0, nil, nil, false
	}
	n := 2 + int(b[1])
	return b[0], b[2:n], b[n:], true
}

func (t *Tx) note(code uint8, data []byte) {
	switch code {
	case optType:
		if len(data) > 0 {
			t.kind = data[0]
		}
	case optLease:
		t.time(&t.lease, hasLease, data)
	case optRenewal:
		t.time(&t.renewal, hasRenewal, data)
	case optRebinding:
		t.time(&t.rebind, hasRebind, data)
	case optClientID:
		if len(data) < 2 {
			t.Event(eventMalformed)
		}
	}
}

func (t *Tx) time(to *uint32, bit uint8, data []byte) {
	if len(data) != 4 {
		t.Event(eventMalformed)
		return
	}
	*to, t.has = binary.BigEndian.Uint32(data), t.has|bit
}
