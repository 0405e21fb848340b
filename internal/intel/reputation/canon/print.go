package canon

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// File reads the hash of a file: 32 (MD5), 40 (SHA-1) or 64 (SHA-256)
// hexadecimal digits of any case. Errors are *Error.
func File(s string) (reputation.Object, error) {
	t, ok := hexDigits(strings.TrimSpace(s))
	if !ok || len(t) != 32 && len(t) != 40 && len(t) != 64 {
		return reputation.Object{}, refuse(s, "not the hash of a file", "write 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")
	}
	return reputation.Object{Type: reputation.TypeFile, Text: t}, nil
}

// Cert reads the fingerprint of a certificate: 40 (SHA-1) or 64 (SHA-256)
// hexadecimal digits, with or without colons. Errors are *Error.
func Cert(s string) (reputation.Object, error) {
	t, ok := hexDigits(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if !ok || len(t) != 40 && len(t) != 64 {
		return reputation.Object{}, refuse(s, "not the fingerprint of a certificate", "write 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")
	}
	return reputation.Object{Type: reputation.TypeCert, Text: t}, nil
}

// TLSH reads the similarity digest of a file: 70 hexadecimal digits, with or
// without the "T1" of newer writers; the canonical form has it, and upper-case
// digits. Errors are *Error.
func TLSH(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	if len(t) == 72 && (t[0] == 'T' || t[0] == 't') && t[1] == '1' {
		t = t[2:]
	}
	if _, ok := hexDigits(t); !ok || len(t) != 70 {
		return reputation.Object{}, refuse(s, "not a TLSH digest", "write T1 and 70 hexadecimal digits")
	}
	return reputation.Object{Type: reputation.TypeTLSH, Text: "T1" + strings.ToUpper(t)}, nil
}

// JA4 reads a client fingerprint of TLS, "t13d1516h2_8daaf6152771_02713d6af862"
// (FoxIO's description of JA4). Letters become lower case except in the two
// characters of the ALPN. Errors are *Error.
func JA4(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	bad := refuse(s, "not a JA4 fingerprint", "write it like t13d1516h2_8daaf6152771_02713d6af862")
	if len(t) != 36 || t[10] != '_' || t[23] != '_' {
		return reputation.Object{}, bad
	}
	head, alpn, tail := strings.ToLower(t[:8]), t[8:10], strings.ToLower(t[10:])
	if strings.IndexByte("tqd", head[0]) < 0 || !isJA4Version(head[1:3]) || head[3] != 'd' && head[3] != 'i' {
		return reputation.Object{}, bad
	}
	for _, c := range []byte(head[4:8]) {
		if c < '0' || c > '9' {
			return reputation.Object{}, bad
		}
	}
	for _, c := range []byte(alpn) {
		if l := c | 0x20; (c < '0' || c > '9') && (l < 'a' || l > 'z') {
			return reputation.Object{}, bad
		}
	}
	if _, ok := hexDigits(tail[1:13]); !ok {
		return reputation.Object{}, bad
	}
	if _, ok := hexDigits(tail[14:]); !ok {
		return reputation.Object{}, bad
	}
	if text := head + alpn + tail; text != t {
		t = text
	}
	return reputation.Object{Type: reputation.TypeJA4, Text: t}, nil
}

func isJA4Version(v string) bool {
	switch v {
	case "13", "12", "11", "10", "s3", "s2", "00", "d1", "d2", "d3":
		return true
	}
	return false
}

// hexDigits is s in lower case; ok is false when it has other characters.
func hexDigits(s string) (lower string, ok bool) {
	clean := true
	for i := range len(s) {
		if !isHex(s[i]) {
			return "", false
		}
		if s[i] < 'a' && s[i] > '9' {
			clean = false
		}
	}
	if clean {
		return s, true
	}
	return strings.ToLower(s), true
}
