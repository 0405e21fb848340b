package dhcp

import (
	"encoding/binary"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

const (
	bootRequest = 1
	bootReply   = 2
)

var kinds = [...]string{1: "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"}

// AppendEve appends the record. Unless extended records are asked for, only
// messages that give an address have one.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	if !t.extended && t.kind != typeAck {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	switch t.msg[0] {
	case bootRequest:
		o.Str("type", "request")
	case bootReply:
		o.Str("type", "reply")
	default:
		o.Str("type", "<unknown>")
	}
	o.Uint("id", uint64(binary.BigEndian.Uint32(t.msg[4:])))
	hex(&o, "client_mac", t.msg[28:28+min(t.msg[2], 16)])
	addr(&o, "assigned_ip", t.msg[16:20])
	if t.extended {
		addr(&o, "client_ip", t.msg[12:16])
		if t.msg[0] == bootReply {
			addr(&o, "relay_ip", t.msg[24:28])
			addr(&o, "next_server_ip", t.msg[20:24])
		}
	}
	rest := t.msg[headerLen:]
	var written [4]uint64
	for len(rest) > 0 {
		code, data, next, ok := option(rest)
		if !ok || code == optEnd {
			break
		}
		if bit := uint64(1) << (code & 63); written[code>>6]&bit == 0 {
			written[code>>6] |= bit
			t.eveOption(&o, code, data)
		}
		rest = next
	}
	o.End()
	return o.B
}

func (t *Tx) eveOption(o *eve.Object, code uint8, data []byte) {
	switch code {
	case optClientID:
		if len(data) > 1 {
			hex(o, "client_id", data[1:])
		}
	case optRenewal:
		number(o, "renewal_time", data)
	case optHostname:
		if len(data) > 0 {
			o.Text("hostname", data)
		}
	case optType:
		if len(data) == 0 {
			return
		}
		name := "unknown"
		if n := int(data[0]); n > 0 && n < len(kinds) {
			name = kinds[n]
		}
		o.Str("dhcp_type", name)
	default:
		if t.extended {
			eveExtended(o, code, data)
		}
	}
}

func eveExtended(o *eve.Object, code uint8, data []byte) {
	switch code {
	case optLease:
		number(o, "lease_time", data)
	case optRebinding:
		number(o, "rebinding_time", data)
	case optSubnetMask:
		addr(o, "subnet_mask", data)
	case optRequested:
		addr(o, "requested_ip", data)
	case optVendor:
		if len(data) > 0 {
			o.Text("vendor_class_identifier", data)
		}
	case optDNS:
		addrs(o, "dns_servers", data)
	case optRouters:
		addrs(o, "routers", data)
	case optParams:
		o.BeginArray("params")
		for _, p := range data {
			if name := param(p); name != "" {
				o.ItemStr(name)
			}
		}
		o.EndArray()
	}
}

// param is the name of a parameter that a client asks for.
func param(code uint8) string {
	switch code {
	case 1:
		return "subnet_mask"
	case 3:
		return "router"
	case 6:
		return "dns_server"
	case 15:
		return "domain"
	case 35:
		return "arp_timeout"
	case 42:
		return "ntp_server"
	case 66:
		return "tftp_server_name"
	case 150:
		return "tftp_server_ip"
	}
	return ""
}

func number(o *eve.Object, key string, b []byte) {
	if len(b) == 4 {
		o.Uint(key, uint64(binary.BigEndian.Uint32(b)))
	}
}

func addr(o *eve.Object, key string, b []byte) {
	var text [16]byte
	if len(b) == 4 {
		o.Text(key, netip.AddrFrom4([4]byte(b)).AppendTo(text[:0]))
	} else {
		o.Str(key, "")
	}
}

func addrs(o *eve.Object, key string, b []byte) {
	o.BeginArray(key)
	var text [16]byte
	for ; len(b) >= 4; b = b[4:] {
		o.ItemText(netip.AddrFrom4([4]byte(b[:4])).AppendTo(text[:0]))
	}
	o.EndArray()
}

// hex writes bytes as xx:xx:…
func hex(o *eve.Object, key string, b []byte) {
	const digits = "0123456789abcdef"
	var text [3 * 255]byte
	s := text[:0]
	for i, c := range b {
		if i > 0 {
			s = append(s, ':')
		}
		s = append(s, digits[c>>4], digits[c&15])
	}
	o.Text(key, s)
}
