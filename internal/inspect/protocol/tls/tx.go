package tls

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const (
	maxHello = 32 << 10 // bytes kept of a hello
	maxChain = 64 << 10 // bytes kept of a certificate chain
	maxCerts = 32       // certificates kept of a chain
)

// Tx is the handshake: a flow has one.
type Tx struct {
	cfg        *config
	inspection protocol.Inspection
	stage      [2]protocol.Stage
	ends       [2]end
	resumed    bool
	shown      bool  // the server's certificate was read, and the record that it came in
	asks       bool  // the server wants a certificate of the client
	now        int64 // nanoseconds since 1970, of the last bytes
	v13        bool
	latest     stateFlags

	ja3, ja3Hash   []byte
	ja3s, ja3sHash []byte
	ja4            []byte
}

// end is what one side has shown.
type end struct {
	raw     []byte // its hello, which hello points into
	hello   Hello
	has     bool   // hello is valid
	version uint16 // of the last record or hello
	cert    certificate
	chain   []byte // DER, one after the other
	certs   []span
	chained uint64 // certificates in the chain, also those not kept
}

// stateFlags are what ssl_state tests: the kind of the latest message.
type stateFlags uint8

const (
	sawClientHello stateFlags = 1 << iota
	sawServerHello
	sawClientKeys
	sawServerKeys
	sawUnknown
)

func (t *Tx) clear() {
	t.inspection.Reset(0)
	*t = Tx{cfg: t.cfg, inspection: t.inspection, ends: t.ends, ja3: t.ja3[:0], ja3Hash: t.ja3Hash[:0], ja3s: t.ja3s[:0], ja3sHash: t.ja3sHash[:0], ja4: t.ja4[:0]}
	for i := range t.ends {
		e := &t.ends[i]
		e.cert.clear()
		*e = end{raw: e.raw[:0], cert: e.cert, chain: e.chain[:0], certs: e.certs[:0]}
	}
}

// Stage is how far the handshake has come in d.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Recordable says that the record with the server's certificate has ended, and
// none is asked of the client.
func (t *Tx) Recordable() bool { return t.shown && !t.asks }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are none.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

// Window is never there.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Uint answers the length of the certificate chain.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	e := &t.ends[d]
	if f != protocol.TLSCertChainLen || i != 0 || e.chained == 0 {
		return 0, false
	}
	return e.chained, true
}

// Bytes answers the fields of TLS.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	e := &t.ends[d]
	switch f {
	case protocol.TLSALPN:
		return e.hello.Protocol(i)
	case protocol.TLSCertificates:
		if i >= len(e.certs) {
			return nil, false
		}
		return e.certs[i].of(e.chain), true
	case protocol.TLSSubjectAltName:
		if i >= len(e.cert.names) {
			return nil, false
		}
		return e.cert.names[i].of(e.cert.text), true
	}
	if i != 0 {
		return nil, false
	}
	if v := e.single(f); v != nil {
		return v, true
	}
	v := t.fingerprint(f)
	return v, len(v) > 0
}

// single is the value of a field that there is once in each direction.
func (e *end) single(f protocol.Field) []byte {
	switch f {
	case protocol.TLSSNI:
		return e.hello.ServerName
	case protocol.TLSRandom:
		return e.hello.Random
	case protocol.TLSRandomTime:
		if e.hello.Random != nil {
			return e.hello.Random[:4]
		}
	case protocol.TLSRandomBytes:
		if e.hello.Random != nil {
			return e.hello.Random[4:]
		}
	case protocol.TLSCertSubject:
		return e.certText(e.cert.subject)
	case protocol.TLSCertIssuer:
		return e.certText(e.cert.issuer)
	case protocol.TLSCertSerial:
		return e.certText(e.cert.serial)
	case protocol.TLSCertFingerprint:
		return e.certText(e.cert.fingerprint)
	}
	return nil
}

func (e *end) certText(s span) []byte {
	if s.empty() {
		return nil
	}
	return s.of(e.cert.text)
}

// fingerprint computes fingerprints when they are first asked for.
func (t *Tx) fingerprint(f protocol.Field) []byte {
	c, s := &t.ends[packet.ToServer], &t.ends[packet.ToClient]
	switch f {
	case protocol.JA3String, protocol.JA3Hash:
		if c.has && len(t.ja3) == 0 && !t.cfg.noJA3 {
			t.ja3 = AppendJA3(t.ja3, &c.hello)
			t.ja3Hash = AppendMD5(t.ja3Hash, t.ja3)
		}
		if f == protocol.JA3String {
			return t.ja3
		}
		return t.ja3Hash
	case protocol.JA3SString, protocol.JA3SHash:
		if s.has && len(t.ja3s) == 0 && !t.cfg.noJA3 {
			t.ja3s = AppendJA3S(t.ja3s, &s.hello)
			t.ja3sHash = AppendMD5(t.ja3sHash, t.ja3s)
		}
		if f == protocol.JA3SString {
			return t.ja3s
		}
		return t.ja3sHash
	case protocol.JA4Hash:
		if c.has && len(t.ja4) == 0 && !t.cfg.noJA4 {
			t.ja4 = AppendJA4(t.ja4, &c.hello, false)
		}
		return t.ja4
	}
	return nil
}

func (t *Tx) event(n uint8) {
	if n != eventNone {
		t.inspection.Raise(n)
	}
}

// reach raises the stage in d.
func (t *Tx) reach(d packet.Direction, s protocol.Stage) { t.stage[d] = max(t.stage[d], s) }
