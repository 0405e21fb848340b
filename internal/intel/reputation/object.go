package reputation

import (
	"net/netip"
)

// Type is what an Object is.
type Type uint8

// The types.
const (
	TypeNone     Type = iota
	TypePrefix        // IPv4 or IPv6 address or prefix
	TypeASN           // autonomous system
	TypeDomain        // name, with or without all names below it
	TypeURL           // URL in canonical form, or an expression: host suffix and path prefix; a path alone, which begins with "/", on every host
	TypeFile          // hash of a file: MD5, SHA-1 or SHA-256
	TypeTLSH          // similarity digest of a file
	TypeJA4           // client fingerprint of TLS
	TypeCert          // SHA-1 or SHA-256 of a certificate
	TypeEmail         // address of mail
	TypeDevice        // make and model of a device, "maker/model"; Below: all models of the maker, "maker/"
	TypeEndpoint      // address or name with a port, "192.0.2.1:443"
	NumTypes
)

var typeNames = [NumTypes]string{"none", "ip", "asn", "domain", "url", "file", "tlsh", "ja4", "certificate", "email", "device", "endpoint"}

// String is the type's word in APIs and files.
func (t Type) String() string {
	if t < NumTypes {
		return typeNames[t]
	}
	return typeNames[0]
}

// ParseType reads a type's word; ok is false when there is none such.
func ParseType(s string) (Type, bool) {
	for t := TypePrefix; t < NumTypes; t++ {
		if typeNames[t] == s {
			return t, true
		}
	}
	return TypeNone, false
}

// Object is one thing that can have a reputation, in canonical form: two
// Objects are the same thing exactly when they are equal. Make them with the
// Parse functions of package canon, which say what is wrong with bad input.
type Object struct {
	Type   Type
	Below  bool         // domain: all names below it as well; URL: all that begins with it
	Prefix netip.Prefix // TypePrefix: masked; IPv4 never in IPv6 form
	Number uint32       // TypeASN
	Text   string       // domain, URL, e-mail, JA4, TLSH, device, endpoint: canonical text; file, certificate: lower-case hexadecimal digits
}

// String is the object as people write it.
func (o Object) String() string {
	switch o.Type {
	case TypePrefix:
		if o.Prefix.IsSingleIP() {
			return o.Prefix.Addr().String()
		}
		return o.Prefix.String()
	case TypeASN:
		return "AS" + uitoa(o.Number)
	case TypeDomain:
		if o.Below {
			return "*." + o.Text
		}
	case TypeURL, TypeDevice:
		if o.Below {
			return o.Text + "*"
		}
	}
	return o.Text
}

func uitoa(n uint32) string {
	var b [10]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}
