package attack

import "encoding/binary"

// What attack packets carry, so that the lab can count each one exactly.
const (
	Magic     = "MGTX"  // begins the payload of UDP and ICMP packets, followed by the device's mark
	DNSPrefix = "mgtx-" // begins the name asked for, followed by the mark as a hexadecimal digit
	Window    = 0x4d40  // TCP window of raw segments, plus the mark

	UDPPort  = 27015
	TCPPort  = 443 // of SYN and ACK floods
	HTTPPort = 80
)

// Mark gives the device's mark of an attack packet, 0 for any other packet.
// ip begins with the IPv4 or IPv6 header and may be cut behind 100 bytes.
// Packets of an HTTP flood carry no mark: home gives the mark by the last byte
// of the source address.
func Mark(ip []byte, home func(last byte) uint8) uint8 {
	proto, body, last, ok := split(ip)
	if !ok {
		return 0
	}
	switch proto {
	case 17:
		return markUDP(body)
	case 1, 58:
		if len(body) >= 13 {
			return markPayload(body[8:])
		}
	case 6:
		return markTCP(body, last, home)
	}
	return 0
}

// split gives the protocol, what follows the IP header, and the last byte of
// the source.
func split(ip []byte) (proto uint8, body []byte, last byte, ok bool) {
	if len(ip) < 20 {
		return 0, nil, 0, false
	}
	switch ip[0] >> 4 {
	case 4:
		n := int(ip[0]&15) * 4
		if n < 20 || len(ip) < n {
			return 0, nil, 0, false
		}
		return ip[9], ip[n:], ip[15], true
	case 6:
		if len(ip) < 40 {
			return 0, nil, 0, false
		}
		return ip[6], ip[40:], ip[23], true
	}
	return 0, nil, 0, false
}

func markUDP(b []byte) uint8 {
	if len(b) < 13 {
		return 0
	}
	if binary.BigEndian.Uint16(b[2:]) != 53 {
		return markPayload(b[8:])
	}
	if q := b[8:]; len(q) >= 13+len(DNSPrefix)+1 && string(q[13:13+len(DNSPrefix)]) == DNSPrefix {
		return hexDigit(q[13+len(DNSPrefix)])
	}
	return 0
}

func markPayload(b []byte) uint8 {
	if len(b) > len(Magic) && string(b[:len(Magic)]) == Magic && b[len(Magic)] < 16 {
		return b[len(Magic)]
	}
	return 0
}

func markTCP(b []byte, last byte, home func(byte) uint8) uint8 {
	if len(b) < 20 {
		return 0
	}
	if w := binary.BigEndian.Uint16(b[14:]); w&0xfff0 == Window {
		return uint8(w & 15)
	}
	if binary.BigEndian.Uint16(b[2:]) == HTTPPort {
		return home(last)
	}
	return 0
}

func hexDigit(c byte) uint8 {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0
}
