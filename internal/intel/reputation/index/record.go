package index

import (
	"encoding/hex"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// A record is what the table keeps of an object with a text: a byte with type
// and flags, two with the packed brief, one or two with the length, the text.
// Records lie in chunks of 4 MB; a ref is chunk and place, plus one.

const (
	chunkBits = 22
	chunkSize = 1 << chunkBits
	maxChunks = 1 << (32 - chunkBits)
	// MaxText is the longest text of an object in bytes.
	MaxText = 8192

	flagBelow  = 0x10 // Object.Below
	flagBinary = 0x20 // hexadecimal digits are kept as bytes
	headSize   = 5
)

// entry is a record that has been read.
type entry struct {
	typ   reputation.Type
	below bool
	hex   bool
	brief packed
	text  string // bytes of a hash when hex is set
}

func (e entry) object() reputation.Object {
	o := reputation.Object{Type: e.typ, Below: e.below, Text: e.text}
	if e.hex {
		o.Text = hex.EncodeToString([]byte(e.text))
	}
	return o
}

// textEntry is the entry of an object that has a text; hexadecimal digits of
// files and certificates become bytes.
func textEntry(o reputation.Object) entry {
	e := entry{typ: o.Type, below: o.Below, text: o.Text}
	if isDigest(o.Type, o.Text) {
		raw := make([]byte, len(o.Text)/2)
		e.hex, e.text = true, view(unhex(raw, o.Text))
	}
	return e
}

// appendRecord writes a record.
func appendRecord(dst []byte, o reputation.Object, p packed) []byte {
	head := byte(o.Type)
	if o.Below {
		head |= flagBelow
	}
	n, digest := len(o.Text), isDigest(o.Type, o.Text)
	if digest {
		head |= flagBinary
		n /= 2
	}
	dst = append(dst, head, byte(p), byte(p>>8), byte(n), byte(n>>8))
	if !digest {
		return append(dst, o.Text...)
	}
	dst = append(dst, o.Text[:n]...) // room for the bytes
	unhex(dst[len(dst)-n:], o.Text)
	return dst
}

// readRecord reads the record at the start of s and says how long it is.
func readRecord(s string) (e entry, size int) {
	n := int(s[3]) | int(s[4])<<8
	e = entry{
		typ:   reputation.Type(s[0] & 15),
		below: s[0]&flagBelow != 0,
		hex:   s[0]&flagBinary != 0,
		brief: packed(s[1]) | packed(s[2])<<8,
		text:  s[headSize : headSize+n],
	}
	return e, headSize + n
}

// maxDigest is the longest hash of a file or certificate in bytes.
const maxDigest = 64

// isDigest says whether a text is kept as bytes: that of a file or certificate
// which is an even number of lower-case hexadecimal digits.
func isDigest(typ reputation.Type, s string) bool {
	if typ != reputation.TypeFile && typ != reputation.TypeCert || len(s)%2 != 0 || len(s) > 2*maxDigest {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c-'0' > 9 && c-'a' > 5 {
			return false
		}
	}
	return true
}

// unhex writes the bytes of hexadecimal digits to raw, which is long enough.
func unhex(raw []byte, s string) []byte {
	for i := range len(s) / 2 {
		raw[i] = nibble(s[2*i])<<4 | nibble(s[2*i+1])
	}
	return raw[:len(s)/2]
}

func nibble(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// locator is a URL in its parts: host, port with its colon, and path with query.
type locator struct{ host, port, path string }

// split takes a canonical URL or expression apart; scheme and user are left out.
func split(url string) locator {
	slash := strings.IndexByte(url, '/')
	if slash > 0 && url[slash-1] == ':' && strings.HasPrefix(url[slash:], "//") {
		url = url[slash+2:]
		slash = strings.IndexByte(url, '/')
	}
	l := locator{host: url}
	if slash >= 0 {
		l.host, l.path = url[:slash], url[slash:]
	}
	for i := len(l.host) - 1; i >= 0; i-- {
		switch l.host[i] {
		case ':':
			if l.port == "" && l.host[len(l.host)-1] != ']' {
				l.host, l.port = l.host[:i], l.host[i:]
			}
		case '@':
			l.host = l.host[i+1:]
			return l
		}
	}
	return l
}
