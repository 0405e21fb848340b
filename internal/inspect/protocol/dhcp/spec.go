package dhcp

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Spec describes DHCP. The setting eve.extended (no) makes records of all
// messages with all they have.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.DHCP, Transport: protocol.OverUDP, Ports: []uint16{67, 68}, Probe: probe, Open: open,
		Events: []string{"truncated_options", "malformed_options"},
		Record: "dhcp", Packetwise: true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	extended := false
	if s != nil {
		v, _ := s.Lookup("eve.extended")
		extended = v == "yes" || v == "true" || v == "1"
	}
	parse := func(t *Tx, b []byte, env *protocol.Env) bool {
		t.extended = extended
		return fill(t, b, env)
	}
	return func() protocol.Parser { return &single.Datagrams[Tx, *Tx]{Fill: parse, Malformed: single.NoEvent} }, nil
}

// probe tells DHCP by its magic cookie.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if len(data) >= headerLen && string(data[236:240]) == "\x63\x82\x53\x63" && data[0] >= bootRequest && data[0] <= bootReply && data[2] <= 16 {
		return protocol.Yes
	}
	return protocol.No
}
