package dnsbl

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"
)

const (
	headerLen = 12
	ttl       = 300 // seconds that an answer holds, that nothing is listed as well
	// udpSize is what answers by UDP are kept to (DNS flag day 2020).
	udpSize = 1232
)

// wire reads a packet with one plain question for an address below the zone
// and appends the answer to out. It says false for everything else, which then
// goes the long way. room is for the name, 256 bytes. It allocates nothing.
func (z *Zones) wire(out, packet, room []byte) ([]byte, bool) {
	end, ok := z.plain(packet)
	if !ok {
		return out, false
	}
	name, ok := dotted(room[:0], packet[headerLen:end-4])
	if !ok || len(name) <= len(z.suffix) || !bytes.HasSuffix(name, z.suffix) || z.ofPolicy(name) {
		return out, false
	}
	q, ok := parse(name[:len(name)-len(z.suffix)])
	if !ok {
		return out, false
	}
	code := q.code(z.source, z.least)
	edns := packet[11] == 1
	start := len(out)
	out = append(out, packet[:end]...)
	h := out[start:]
	h[2] = 0x84 | packet[2]&1 // answer, authoritative, RD as asked
	h[3] = 0
	clear(h[6:headerLen])
	if code != 0 {
		h[7] = 1
		out = append(out, 0xc0, headerLen, 0, 1, 0, 1, 0, 0, ttl>>8, ttl&0xff, 0, 4, 127, 0, 0, code)
	} else {
		if !q.within {
			h[3] = dns.RcodeNameError
		}
		h[9] = 1
		out = append(out, z.soaWire...)
		binary.BigEndian.PutUint32(out[len(out)-20:], z.source.Serial())
	}
	if edns {
		out[start+11] = 1
		out = append(out, 0, 0, byte(dns.TypeOPT), udpSize>>8, udpSize&0xff, 0, 0, 0, 0, 0, 0)
	}
	return out, true
}

// plain says whether a packet holds one question of type A, class IN, without
// more than an empty OPT record of version 0 behind it, and where the question
// ends.
func (z *Zones) plain(p []byte) (end int, ok bool) {
	if len(p) < headerLen+5 || p[2]&0xfe != 0 || p[3]&0x0f != 0 || p[4] != 0 || p[5] != 1 ||
		p[6]|p[7]|p[8]|p[9]|p[10] != 0 || p[11] > 1 {
		return 0, false
	}
	at := headerLen
	for p[at] != 0 {
		if p[at] > 63 {
			return 0, false
		}
		if at += int(p[at]) + 1; at >= len(p) {
			return 0, false
		}
	}
	end = at + 5
	if end > len(p) || at-headerLen > 254 || !bytes.Equal(p[at+1:end], []byte{0, 1, 0, 1}) {
		return 0, false
	}
	if p[11] == 0 {
		return end, len(p) == end
	}
	// The root name, OPT, size, extended code, version, flags (DO means nothing
	// here, as nothing is signed), length.
	if len(p) < end+11 || p[end] != 0 || p[end+1] != 0 || p[end+2] != byte(dns.TypeOPT) || p[end+6] != 0 {
		return 0, false
	}
	return end, len(p) == end+11+int(p[end+9])<<8+int(p[end+10])
}

// dotted writes a name of the wire without its last dot and in lower case;
// false when a label has bytes that a listed name cannot have.
func dotted(out, name []byte) ([]byte, bool) {
	for at := 0; name[at] != 0; {
		n := int(name[at])
		if at > 0 {
			out = append(out, '.')
		}
		for _, c := range name[at+1 : at+1+n] {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c <= ' ' || c == '.' || c == '\\' || c >= 0x7f {
				return out, false
			}
			out = append(out, c)
		}
		at += n + 1
	}
	return out, true
}
