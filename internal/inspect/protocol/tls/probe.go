package tls

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// probe looks for a record head of SSL 3.0 or TLS, or for an SSL 2.0 hello.
func probe(d packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if len(data) == 0 {
		return protocol.More
	}
	if data[0]&0x80 != 0 {
		return probeV2(d, data)
	}
	if data[0] < recordChangeCipher || data[0] > recordHeartbeat {
		return protocol.No
	}
	if len(data) > 1 && data[1] != 3 || len(data) > 2 && data[2] > 4 {
		return protocol.No
	}
	if len(data) < 6 {
		return protocol.More
	}
	if n := binary.BigEndian.Uint16(data[3:]); n == 0 || n > maxRecord {
		return protocol.No
	}
	if data[0] == recordHandshake || data[0] == recordAlert {
		return protocol.Yes
	}
	return protocol.Maybe
}

func probeV2(d packet.Direction, data []byte) protocol.Verdict {
	if len(data) < 5 {
		if len(data) > 2 && data[2] != v2ClientHello && data[2] != v2ServerHello {
			return protocol.No
		}
		return protocol.More
	}
	version := binary.BigEndian.Uint16(data[3:])
	if version != 0x0002 && version>>8 != 3 {
		if d == packet.ToClient && data[2] == v2ServerHello && len(data) >= 7 && binary.BigEndian.Uint16(data[5:]) == 0x0002 {
			return protocol.Yes
		}
		return protocol.No
	}
	if d == packet.ToServer && data[2] == v2ClientHello {
		if len(data) >= 7 && binary.BigEndian.Uint16(data[5:])%3 != 0 {
			return protocol.No
		}
		return protocol.Yes
	}
	return protocol.No
}

// reversed says whether a hello comes from the wrong side.
func reversed(d packet.Direction, data []byte, _ bool) bool {
	if len(data) < 6 || data[0] != recordHandshake {
		return false
	}
	return d == packet.ToServer && data[5] == msgServerHello || d == packet.ToClient && data[5] == msgClientHello
}
