package quic

import (
	"encoding/binary"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/tls"
)

// AppendEve appends the packet's record, which stands under "quic".
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	t.fingerprint()
	o := eve.Object{B: dst}
	o.Begin()
	var b [8]byte
	o.Text("version", appendVersion(b[:0], t.number()))
	if v := t.serverName(); len(v) > 0 {
		o.Text("sni", v)
	}
	if len(t.agent) > 0 {
		o.Text("ua", t.agent)
	}
	if len(t.cyu) > 0 {
		o.BeginArray("cyu")
		o.Begin()
		o.Text("hash", t.cyuHash)
		o.Text("string", t.cyu)
		o.End()
		o.EndArray()
	}
	if len(t.ja3) > 0 {
		name := "ja3"
		if t.Dir == packet.ToClient {
			name = "ja3s"
		}
		o.BeginObject(name)
		o.Text("hash", t.ja3Hash)
		o.Text("string", t.ja3)
		o.End()
	}
	if len(t.ja4) > 0 {
		o.Text("ja4", t.ja4)
	}
	t.appendExtensions(&o)
	o.End()
	return o.B
}

// appendVersion writes a version's name, or its number in hexadecimal.
func appendVersion(dst []byte, v uint32) []byte {
	switch {
	case v == version2:
		return append(dst, "v2"...)
	case v>>8 == 'Q'<<16|'0'<<8|'4' && byte(v) >= '3' && byte(v) <= '6', v == 'Q'<<24|'0'<<16|'3'<<8|'9':
		return binary.BigEndian.AppendUint32(dst, v)
	}
	return strconv.AppendUint(dst, uint64(v), 16)
}

// appendExtensions writes the hello's extensions with the values of some.
func (t *Tx) appendExtensions(o *eve.Object) {
	if !t.has || len(t.hello.Extensions) == 0 {
		return
	}
	o.BeginArray("extensions")
	c := reader{b: t.hello.Extensions}
	for len(c.b) >= 4 {
		kind := binary.BigEndian.Uint16(c.b)
		n := int(binary.BigEndian.Uint16(c.b[2:]))
		c.take(4)
		c.take(min(n, len(c.b)))
		if tls.IsGREASE(kind) {
			continue
		}
		o.Begin()
		if name := extensionName(kind); name != "" {
			o.Str("name", name)
		}
		o.Uint("type", uint64(kind))
		t.appendValues(o, kind)
		o.End()
	}
	o.EndArray()
}

func (t *Tx) appendValues(o *eve.Object, kind uint16) {
	h := &t.hello
	switch {
	case kind == 0 && len(h.ServerName) > 0:
		o.BeginArray("values")
		o.ItemText(h.ServerName)
		o.EndArray()
	case kind == 16 && len(h.Protocols) > 0:
		o.BeginArray("values")
		for i := 0; ; i++ {
			v, ok := h.Protocol(i)
			if !ok {
				break
			}
			o.ItemText(v)
		}
		o.EndArray()
	case kind == 13 && len(h.SignatureAlgs) > 0:
		var b [8]byte
		o.BeginArray("values")
		for l := h.SignatureAlgs; len(l) >= 2; l = l[2:] {
			o.ItemText(strconv.AppendUint(b[:0], uint64(binary.BigEndian.Uint16(l)), 10))
		}
		o.EndArray()
	case kind == 43:
		t.appendTLSVersions(o)
	}
}

func (t *Tx) appendTLSVersions(o *eve.Object) {
	o.BeginArray("values")
	var b [40]byte
	if t.hello.Selected != 0 {
		o.ItemText(appendTLSVersion(b[:0], t.hello.Selected))
	}
	for l := t.hello.Versions; len(l) >= 2; l = l[2:] {
		if v := binary.BigEndian.Uint16(l); !tls.IsGREASE(v) {
			o.ItemText(appendTLSVersion(b[:0], v))
		}
	}
	o.EndArray()
}

func appendTLSVersion(dst []byte, v uint16) []byte {
	if v >= 0x0301 && v <= 0x0304 {
		return append(append(dst, "Tls1"...), '0'+byte(v)-1)
	}
	dst = append(dst, "TlsVersion("...)
	dst = strconv.AppendUint(dst, uint64(v), 10)
	dst = append(dst, " / 0x"...)
	dst = strconv.AppendUint(dst, uint64(v), 16)
	return append(dst, ')')
}

// extensionNames are names of the registry "TLS ExtensionType Values".
var extensionNames = [...]string{
	0: "server_name", 1: "max_fragment_length", 2: "client_certificate_url", 3: "trusted_ca_keys", 4: "truncated_hmac", 5: "status_request",
	10: "supported_groups", 11: "ec_point_formats", 13: "signature_algorithms", 14: "use_srtp", 15: "heartbeat", 16: "alpn",
	17: "status_request_v2", 18: "signed_certificate_timestamp", 19: "client_certificate_type", 20: "server_certificate_type", 21: "padding",
	22: "encrypt_then_mac", 23: "extended_master_secret", 24: "token_binding", 25: "cached_info", 27: "compress_certificate", 28: "record_size_limit",
	35: "session_ticket", 41: "pre_shared_key", 42: "early_data", 43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes",
	47: "certificate_authorities", 48: "oid_filters", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share",
	57: "quic_transport_parameters",
}

func extensionName(kind uint16) string {
	switch {
	case int(kind) < len(extensionNames):
		return extensionNames[kind]
	case kind == 65281:
		return "renegotiation_info"
	case kind == 65486:
		return "encrypted_server_name"
	}
	return ""
}
