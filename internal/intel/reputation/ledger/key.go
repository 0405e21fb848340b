package ledger

import (
	"encoding/hex"
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxText is the longest text of an object, in bytes; maxKey the longest key.
const (
	maxText = 2048
	maxKey  = maxText + 1
)

// Keys are what objects are kept and found by: a byte of type and Below, then
// the address and the length of the prefix, the number, the bytes of a hash, or
// the text.
const belowBit = 0x80

func tag(t reputation.Type, below bool) byte {
	if below {
		return byte(t) | belowBit
	}
	return byte(t)
}

// appendKey appends o's key to b; problem is "" when o can be kept.
func appendKey(b []byte, o *reputation.Object) (key []byte, problem string) {
	b = append(b, tag(o.Type, o.Below))
	switch o.Type {
	case reputation.TypePrefix:
		if !o.Prefix.IsValid() || o.Prefix.Bits() == 0 || o.Prefix != o.Prefix.Masked() || o.Prefix.Addr().Is4In6() || o.Below {
			return b, "not an address or prefix in canonical form"
		}
		return appendPrefix(b, o.Prefix), ""
	case reputation.TypeASN:
		n := o.Number
		return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), ""
	case reputation.TypeFile, reputation.TypeCert:
		return appendHash(b, o.Text)
	case reputation.TypeNone:
		return b, "an object without type"
	}
	if o.Type >= reputation.NumTypes {
		return b, "an object of an unknown type"
	}
	if o.Text == "" || len(o.Text) > maxText {
		return b, "a text that is empty or longer than 2048 bytes"
	}
	return append(b, o.Text...), ""
}

func appendPrefix(b []byte, p netip.Prefix) []byte {
	if a := p.Addr(); a.Is4() {
		x := a.As4()
		return append(append(b, x[:]...), byte(p.Bits()))
	}
	x := p.Addr().As16()
	return append(append(b, x[:]...), byte(p.Bits()))
}

func appendHash(b []byte, digits string) ([]byte, string) {
	const problem = "not a hash in lower-case hexadecimal digits"
	if len(digits) == 0 || len(digits) > 128 || len(digits)%2 != 0 {
		return b, problem
	}
	for i := 0; i < len(digits); i += 2 {
		hi, lo := nibble(digits[i]), nibble(digits[i+1])
		if hi > 15 || lo > 15 {
			return b, problem
		}
		b = append(b, hi<<4|lo)
	}
	return b, ""
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// typeOf is the type that a key is of.
func typeOf(key []byte) reputation.Type { return reputation.Type(key[0] &^ belowBit) }

// prefixOf is the prefix of a key of TypePrefix.
func prefixOf(key []byte) netip.Prefix {
	if len(key) == 6 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(key[1:5])), int(key[5]))
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(key[1:17])), int(key[17]))
}

// appendText appends the text of the object that a key stands for.
func appendText(b, key []byte) []byte {
	switch typeOf(key) {
	case reputation.TypePrefix, reputation.TypeASN:
		return b
	case reputation.TypeFile, reputation.TypeCert:
		return hex.AppendEncode(b, key[1:])
	}
	return append(b, key[1:]...)
}

// objectOf is the object that a key stands for, with the text that appendText
// gave.
func objectOf(key []byte, text string) reputation.Object {
	o := reputation.Object{Type: typeOf(key), Below: key[0]&belowBit != 0, Text: text}
	switch o.Type {
	case reputation.TypePrefix:
		o.Prefix = prefixOf(key)
	case reputation.TypeASN:
		o.Number = uint32(key[1])<<24 | uint32(key[2])<<16 | uint32(key[3])<<8 | uint32(key[4])
	}
	return o
}
