package smb

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/protocol/krb5"
)

// auth is what a session setup says of who logs in.
type auth struct {
	ntlm                    bool
	user, domain, host      []byte
	version                 [8]byte
	hasVersion              bool
	kerberos                bool
	ticket                  krb5.Ticket
	os, lm, osAnswer, lmAns []byte // SMB 1: names of the systems
	systems                 bool
}

func (a *auth) cleared() auth {
	a.ticket.Reset()
	return auth{user: a.user[:0], domain: a.domain[:0], host: a.host[:0], os: a.os[:0], lm: a.lm[:0], osAnswer: a.osAnswer[:0], lmAns: a.lmAns[:0], ticket: a.ticket}
}

var ntlmSignature = []byte("NTLMSSP\x00")

// NTLM message types (MS-NLMP section 2.2.1).
const (
	ntlmNegotiate    = 1
	ntlmChallenge    = 2
	ntlmAuthenticate = 3
)

// security reads a security blob: NTLM, or Kerberos, bare or within SPNEGO. It
// gives the type of the NTLM message, 0 for none, and whether it is well made.
func (a *auth) security(blob []byte) (message uint32, ok bool) {
	i := bytes.Index(blob, ntlmSignature)
	if i < 0 {
		a.kerberos = a.ticket.Find(blob)
		return 0, true
	}
	m := record(blob[i:])
	if len(m) < 12 {
		return 0, false
	}
	message = m.u32(8)
	if message != ntlmAuthenticate {
		return message, message == ntlmNegotiate || message == ntlmChallenge
	}
	if len(m) < 64 {
		return message, false
	}
	unicode := m.u32(60)&1 != 0
	ok = true
	for i, dst := range [...]*[]byte{&a.domain, &a.user, &a.host} {
		at := 28 + 8*i
		n, from := int(m.u16(at)), int(m.u32(at+4))
		if n > 0 && (from < 52 || from+n > len(m)) {
			ok = false
			continue
		}
		*dst = appendText((*dst)[:0], m.slice(from, n), unicode)
	}
	const hasVersion = 1 << 25
	if m.u32(60)&hasVersion != 0 && len(m) >= 72 {
		a.hasVersion = true
		copy(a.version[:], m[64:72])
	}
	a.ntlm = ok
	return message, ok
}

// write writes what a session setup shows.
func (a *auth) write(o *eve.Object) {
	if a.ntlm {
		o.BeginObject("ntlmssp")
		o.Text("domain", a.domain)
		o.Text("user", a.user)
		o.Text("host", a.host)
		if a.hasVersion {
			var text [48]byte
			o.Text("version", a.appendVersion(text[:0]))
		}
		o.End()
	}
	if a.kerberos {
		o.BeginObject("kerberos")
		o.Text("realm", a.ticket.Realm)
		o.BeginArray("snames")
		for i := 0; ; i++ {
			name, ok := a.ticket.Name(i)
			if !ok {
				break
			}
			o.ItemText(name)
		}
		o.EndArray()
		o.End()
	}
	if !a.systems {
		return
	}
	writeSystem(o, "request", a.os, a.lm)
	writeSystem(o, "response", a.osAnswer, a.lmAns)
}

func writeSystem(o *eve.Object, key string, os, lm []byte) {
	if len(os) == 0 && len(lm) == 0 {
		return
	}
	o.BeginObject(key)
	o.Text("native_os", os)
	o.Text("native_lm", lm)
	o.End()
}

// appendVersion writes "6.1 build 7601 rev 15".
func (a *auth) appendVersion(dst []byte) []byte {
	v := record(a.version[:])
	dst = appendUint(dst, uint64(v[0]))
	dst = append(dst, '.')
	dst = appendUint(dst, uint64(v[1]))
	dst = append(dst, " build "...)
	dst = appendUint(dst, uint64(v.u16(2)))
	dst = append(dst, " rev "...)
	return appendUint(dst, uint64(v[7]))
}
