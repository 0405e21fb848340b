package snmp

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/ber"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Spec describes SNMP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.SNMP, Transport: protocol.OverUDP, Ports: []uint16{161, 162}, Probe: probe, Open: open,
		Events: []string{"malformed_data", "unknown_security_model", "version_mismatch"},
		Record: "snmp", Packetwise: true,
	}
}

func open(protocol.Settings) (func() protocol.Parser, error) {
	return func() protocol.Parser {
		var version uint32 // of the flow's first message
		return &single.Datagrams[Tx, *Tx]{
			Malformed: eventMalformed,
			Forget:    func() { version = 0 },
			Fill: func(t *Tx, b []byte, _ *protocol.Env) bool {
				if !t.fill(b) {
					return false
				}
				if version == 0 {
					version = t.version
				}
				if t.version != version {
					t.Event(eventVersionMismatch)
				}
				return true
			},
		}
	}, nil
}

// probe tells SNMP by a sequence that is as long as the datagram and begins
// with a version and what follows it in that version.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	outer, o := ber.Read(data)
	if o != ber.OK || outer.Tag != ber.Sequence || outer.Size != len(data) {
		return protocol.No
	}
	r := ber.Reader{Rest: outer.Data}
	version := r.Uint()
	second, ok := r.Next()
	if r.Bad || !ok {
		return protocol.No
	}
	third, ok := r.Next()
	switch {
	case !ok:
		return protocol.No
	case version <= 1 && second.Tag == ber.OctetString && third.Tag&0xe0 == 0xa0:
		return protocol.Yes
	case version == 3 && second.Tag == ber.Sequence && third.Tag == ber.OctetString:
		return protocol.Yes
	}
	return protocol.No
}
