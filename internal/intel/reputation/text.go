package reputation

import "fmt"

// MarshalText implements encoding.TextMarshaler.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Type) UnmarshalText(b []byte) error {
	v, ok := ParseType(string(b))
	if !ok {
		return fmt.Errorf("unknown type %q: write ip, asn, domain, url, file, tlsh, ja4, certificate, email, device or endpoint", b)
	}
	*t = v
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	v, ok := ParseKind(string(b))
	if !ok {
		return fmt.Errorf("unknown kind %q: write benign, known, suspicious, anonymizer, scanner, spam, brute-force, exploit, flood, mining, phishing, bot, distribution, malware, c2, vulnerable or default-login", b)
	}
	*k = v
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b Band) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (l Local) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String is "", "allow" or "deny".
func (l Local) String() string { return [...]string{"", "allow", "deny", ""}[l&3] }

// MarshalText implements encoding.TextMarshaler.
func (o Object) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
