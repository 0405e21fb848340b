package tls

import "testing"

// TestBrokenCertificates tells a head that is cut short from contents that are
// not there, and both from another value.
func TestBrokenCertificates(t *testing.T) {
	for _, c := range []struct {
		name, der string
		want      uint8
	}{
		{"inner head cut short", "\x30\x05\x30\x84\xff\xff\xff", eventCertLength},
		{"inner contents missing", "\x30\x06\x30\x84\xff\xff\xff\xfa", eventCertificate},
		{"inner value of another kind", "\x30\x02\x04\x00", eventCertDER},
		{"nothing", "\x30", eventCertLength},
		{"outer contents missing", "\x30\x04\x30\x02", eventCertificate},
	} {
		var cert certificate
		if got := cert.read([]byte(c.der)); got != c.want {
			t.Errorf("%s: event %d, want %d", c.name, got, c.want)
		}
	}
}
