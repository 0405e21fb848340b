package dns

import (
	"encoding/binary"
	"fmt"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

// Events, by their number in Spec.Events.
const (
	eventMalformed = iota
	eventNotRequest
	eventNotResponse
	eventZFlag
	eventInvalidOpcode
	eventNameTooLong
	eventInfiniteLoop
	eventTooManyLabels
	eventInvalidAuthorities
	eventInvalidAdditionals
)

var events = []string{
	"malformed_data", "not_request", "not_response", "z_flag_set", "invalid_opcode", "name_too_long",
	"infinite_loop", "too_many_labels", "invalid_authorities", "invalid_additionals",
}

// Spec describes DNS. The setting eve.version chooses the layout of records: 2
// (the default: a query or an answer) or 3 (a request or a response with all
// sections).
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.DNS, Transport: protocol.OverTCP | protocol.OverUDP, Ports: []uint16{53}, Probe: probe, Reversed: reversed,
		Open:     func(s protocol.Settings) (func() protocol.Parser, error) { return open(s, false) },
		Keywords: []protocol.Keyword{rrtypeKeyword()},
		Events:   events, Record: "dns", RecordEach: true, Packetwise: true,
	}
}

// MDNSSpec describes multicast DNS.
func MDNSSpec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.MDNS, Transport: protocol.OverUDP, Ports: []uint16{5353}, Probe: probeMulticast,
		Open:   func(s protocol.Settings) (func() protocol.Parser, error) { return open(s, true) },
		Events: events, Record: "mdns", RecordEach: true, Packetwise: true,
	}
}

func open(s protocol.Settings, multicast bool) (func() protocol.Parser, error) {
	version := uint8(2)
	if multicast {
		version = 3
	}
	if s != nil {
		switch v, _ := s.Lookup("eve.version"); v {
		case "":
		case "2":
			version = 2
		case "3":
			version = 3
		default:
			return nil, fmt.Errorf("eve.version: %q is neither 2 nor 3", v)
		}
	}
	return func() protocol.Parser { return &parser{multicast: multicast, version: version} }, nil
}

func rrtypeKeyword() protocol.Keyword {
	return number.Keyword(protocol.DNS, protocol.DNSRrtype, "dns.rrtype", 16, typeNames(), protocol.BothWays,
		"type of a record: of the questions of a request, of the answers of a response")
}

// probe tells DNS by a header that fits its length and questions that can be
// read; away from its port the one question must look like an ordinary one.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	message := probeMessage(data, len(data))
	if srcPort == 53 || dstPort == 53 {
		if message != protocol.No {
			return message
		}
		return probeStream(data)
	}
	if message == protocol.Yes && !nearby(srcPort) && !nearby(dstPort) && ordinary(data) {
		return protocol.Yes
	}
	stream := probeStream(data)
	if stream == protocol.Yes && !ordinary(data[2:]) {
		return protocol.No
	}
	return stream
}

// reversed says whether the first message is a response in a request's place,
// or the other way round.
func reversed(d packet.Direction, data []byte, udp bool) bool {
	if !udp && len(data) >= 2 {
		data = data[2:]
	}
	h, ok := parseHeader(data)
	return ok && h.response() != (d == packet.ToClient)
}

// nearby says whether a port is of a protocol with the same messages: NetBIOS
// names, multicast DNS, link-local multicast names.
func nearby(port uint16) bool { return port == 137 || port == 138 || port == 5353 || port == 5355 }

// ordinary says whether a message has what chance bytes have not: one question
// for a known type in the Internet class, a name of the usual characters with a
// dot, no answers in a request, a known operation, no reserved bits.
func ordinary(data []byte) bool {
	h, ok := parseHeader(data)
	if !ok || h.counts[questions] != 1 || h.opcode() > 5 || h.flags&0x40 != 0 || !h.response() && h.counts[answers] != 0 {
		return false
	}
	pos, dots := headerLen, 0
	for pos < len(data) && data[pos] != 0 && data[pos] < 64 && pos+1+int(data[pos]) <= len(data) {
		for _, c := range data[pos+1 : pos+1+int(data[pos])] {
			if c <= ' ' || c >= 0x7f {
				return false
			}
		}
		pos += 1 + int(data[pos])
		dots++
	}
	if dots < 2 || pos+5 > len(data) || data[pos] != 0 {
		return false
	}
	return typeName(binary.BigEndian.Uint16(data[pos+1:])) != "" && binary.BigEndian.Uint16(data[pos+3:]) == 1
}

// probeStream is probe for a stream, where messages have their length before
// them. The length must be known whole: it decides.
func probeStream(data []byte) protocol.Verdict {
	if len(data) < 2 {
		return protocol.More
	}
	n := int(binary.BigEndian.Uint16(data))
	if n < headerLen {
		return protocol.No
	}
	if len(data) < 2+headerLen {
		return protocol.More
	}
	h, _ := parseHeader(data[2:])
	if h.counts[questions] == 0 || h.counts[questions] > 8 {
		return protocol.No
	}
	return probeMessage(data[2:], n)
}

// probeMessage looks at the beginning of a message of n bytes.
func probeMessage(data []byte, n int) protocol.Verdict {
	h, ok := parseHeader(data)
	if !ok || !h.plausible(n) || n > len(data)+1<<14 {
		return protocol.No
	}
	if h.counts[questions]|h.counts[answers]|h.counts[authorities] == 0 {
		return protocol.No
	}
	pos := headerLen
	for q := uint16(0); q < h.counts[questions]; q++ {
		next, more := skipName(data, pos)
		if more || next >= 0 && next+4 > len(data) {
			if n > len(data) {
				return protocol.More
			}
			return protocol.No
		}
		if next < 0 {
			return protocol.No
		}
		if class := binary.BigEndian.Uint16(data[next+2:]) & 0x7fff; q == 0 && (class == 0 || class > 4 && class != 254 && class != 255) {
			return protocol.No
		}
		pos = next + 4
	}
	return protocol.Yes
}

// skipName is the position after the name at pos: below 0 when it is none;
// more says that the data ends within it.
func skipName(data []byte, pos int) (next int, more bool) {
	for range maxLabels {
		if pos >= len(data) {
			return 0, true
		}
		n := int(data[pos])
		switch n & 0xc0 {
		case 0:
			pos += 1 + n
			if n == 0 {
				return pos, false
			}
		case 0xc0:
			return pos + 2, false
		default:
			return -1, false
		}
	}
	return -1, false
}

// probeMulticast takes DNS messages between the ports of multicast DNS.
func probeMulticast(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if srcPort != 5353 && dstPort != 5353 {
		return protocol.No
	}
	return probeMessage(data, len(data))
}
