package tls

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// AppendEve appends the handshake's record, which stands under "tls". There is
// one when a hello or a certificate was seen.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	c, s := &t.ends[packet.ToServer], &t.ends[packet.ToClient]
	if !c.has && !s.has && !s.cert.known {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	if s.cert.known {
		appendCertificate(&o, &s.cert)
	}
	if t.resumed {
		o.Bool("session_resumed", true)
	}
	if len(c.hello.ServerName) > 0 {
		o.Text("sni", c.hello.ServerName)
	}
	version := uint16(0)
	if s.has || s.cert.known {
		version = s.version
	}
	o.Str("version", versionText(version))
	if s.cert.known {
		appendValidity(&o, &s.cert)
	}
	t.appendFingerprints(&o)
	appendList(&o, "client_alpns", c.hello.Protocol)
	appendList(&o, "server_alpns", s.hello.Protocol)
	if c.cert.known {
		o.BeginObject("client")
		appendCertificate(&o, &c.cert)
		appendValidity(&o, &c.cert)
		o.End()
	}
	o.End()
	return o.B
}

func appendCertificate(o *eve.Object, c *certificate) {
	o.Text("subject", c.subject.of(c.text))
	o.Text("issuerdn", c.issuer.of(c.text))
	if len(c.names) > 0 {
		appendList(o, "subjectaltname", func(i int) ([]byte, bool) {
			if i >= len(c.names) {
				return nil, false
			}
			return c.names[i].of(c.text), true
		})
	}
	o.Text("serial", c.serial.of(c.text))
	o.Text("fingerprint", c.fingerprint.of(c.text))
}

func appendValidity(o *eve.Object, c *certificate) {
	var b [24]byte
	o.Text("notbefore", appendTime(b[:0], c.before))
	o.Text("notafter", appendTime(b[:0], c.after))
}

// appendFingerprints writes those that are always wanted, or that a rule has
// asked for.
func (t *Tx) appendFingerprints(o *eve.Object) {
	if t.cfg.ja3 {
		t.fingerprint(protocol.JA3Hash)
		t.fingerprint(protocol.JA3SHash)
	}
	if t.cfg.ja4 {
		t.fingerprint(protocol.JA4Hash)
	}
	pair(o, "ja3", t.ja3Hash, t.ja3)
	pair(o, "ja3s", t.ja3sHash, t.ja3s)
	if len(t.ja4) > 0 {
		o.Text("ja4", t.ja4)
	}
}

func pair(o *eve.Object, name string, hash, text []byte) {
	if len(text) == 0 {
		return
	}
	o.BeginObject(name)
	o.Text("hash", hash)
	o.Text("string", text)
	o.End()
}

func appendList(o *eve.Object, name string, at func(int) ([]byte, bool)) {
	v, ok := at(0)
	if !ok {
		return
	}
	o.BeginArray(name)
	for i := 1; ok; i++ {
		o.ItemText(v)
		v, ok = at(i)
	}
	o.EndArray()
}

// versionText is eve.json's name of a version.
func versionText(v uint16) string {
	switch v {
	case 0x0002:
		return "SSLv2"
	case 0x0300:
		return "SSLv3"
	case 0x0301:
		return "TLSv1"
	case 0x0302:
		return "TLS 1.1"
	case 0x0303:
		return "TLS 1.2"
	case 0x0304:
		return "TLS 1.3"
	case 0:
		return "UNDETERMINED"
	}
	if v>>8 == 0xfb {
		return "TLS 1.3 draft-" + strconv.Itoa(int(v&0xff)) + "-fb"
	}
	if v>>8 == 0x7f {
		return "TLS 1.3 draft-" + strconv.Itoa(int(v&0xff))
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}
