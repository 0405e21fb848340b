package tls

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
)

// AppendJA3 appends the JA3 text of a client hello: version, ciphers,
// extensions, groups and point formats in decimal, without GREASE.
func AppendJA3(dst []byte, h *Hello) []byte {
	dst = strconv.AppendUint(dst, uint64(h.Version), 10)
	dst = append(dst, ',')
	dst = appendNumbers(dst, h.Ciphers)
	dst = append(dst, ',')
	dst = appendExtensions(dst, h.Extensions)
	dst = append(dst, ',')
	dst = appendNumbers(dst, h.Groups)
	dst = append(dst, ',')
	for i, v := range h.PointFormats {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

// AppendJA3S appends the JA3S text of a server hello: version, cipher and
// extensions in decimal.
func AppendJA3S(dst []byte, h *Hello) []byte {
	dst = strconv.AppendUint(dst, uint64(h.Version), 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(h.Cipher), 10)
	dst = append(dst, ',')
	return appendExtensions(dst, h.Extensions)
}

// AppendMD5 appends the MD5 of text in hexadecimal: ja3.hash of ja3.string.
func AppendMD5(dst, text []byte) []byte {
	sum := md5.Sum(text)
	return hex.AppendEncode(dst, sum[:])
}

func appendNumbers(dst, list []byte) []byte {
	first := true
	for ; len(list) >= 2; list = list[2:] {
		dst, first = appendNumber(dst, binary.BigEndian.Uint16(list), first)
	}
	return dst
}

func appendNumber(dst []byte, v uint16, first bool) ([]byte, bool) {
	if IsGREASE(v) {
		return dst, first
	}
	if !first {
		dst = append(dst, '-')
	}
	return strconv.AppendUint(dst, uint64(v), 10), false
}

func appendExtensions(dst, list []byte) []byte {
	first := true
	for len(list) >= 4 {
		kind, n := binary.BigEndian.Uint16(list), int(binary.BigEndian.Uint16(list[2:]))
		dst, first = appendNumber(dst, kind, first)
		list = list[4:]
		list = list[min(n, len(list)):]
	}
	return dst
}

const maxSorted = 256 // numbers of a hello that JA4 looks at; real ones have fewer than 99

// AppendJA4 appends the JA4 of a client hello, as FoxIO describes JA4 (and JA4
// alone) in its public, BSD-licensed specification.
func AppendJA4(dst []byte, h *Hello, quic bool) []byte {
	var ciphers, exts [maxSorted]uint16
	nc, ne := collectCiphers(ciphers[:], h.Ciphers), collectExtensions(exts[:], h.Extensions)
	dst = append(dst, "tq"[b2i(quic)])
	dst = append(dst, ja4Version(h)...)
	dst = append(dst, "id"[b2i(h.HasServerName)])
	dst = appendTwoDigits(dst, nc)
	dst = appendTwoDigits(dst, ne)
	dst = appendALPNEnds(dst, h)
	dst = append(dst, '_')
	var scratch [maxSorted * 10]byte
	dst = appendDigest(dst, appendSorted(scratch[:0], ciphers[:nc]))
	dst = append(dst, '_')
	kept := exts[:0]
	for _, e := range exts[:ne] {
		if e != extServerName && e != extALPN {
			kept = append(kept, e)
		}
	}
	text := appendSorted(scratch[:0], kept)
	if len(h.SignatureAlgs) > 1 {
		text = append(text, '_')
		text = appendHexList(text, h.SignatureAlgs)
	}
	return appendDigest(dst, text)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func collectCiphers(dst []uint16, list []byte) int {
	n := 0
	for ; len(list) >= 2 && n < len(dst); list = list[2:] {
		if v := binary.BigEndian.Uint16(list); !IsGREASE(v) {
			dst[n] = v
			n++
		}
	}
	return n
}

func collectExtensions(dst []uint16, list []byte) int {
	n := 0
	for len(list) >= 4 && n < len(dst) {
		if v := binary.BigEndian.Uint16(list); !IsGREASE(v) {
			dst[n] = v
			n++
		}
		size := int(binary.BigEndian.Uint16(list[2:]))
		list = list[4:]
		list = list[min(size, len(list)):]
	}
	return n
}

func ja4Version(h *Hello) string {
	best := h.Version
	if len(h.Versions) >= 2 {
		best = 0
		for l := h.Versions; len(l) >= 2; l = l[2:] {
			if v := binary.BigEndian.Uint16(l); !IsGREASE(v) && v > best {
				best = v
			}
		}
	}
	switch best {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

func appendTwoDigits(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, '0'+byte(n/10), '0'+byte(n%10))
}

// appendALPNEnds appends the first and last character of the first ALPN name;
// when one of them is neither letter nor digit, the ends of its hexadecimal form.
func appendALPNEnds(dst []byte, h *Hello) []byte {
	name, ok := h.Protocol(0)
	if !ok || len(name) == 0 {
		return append(dst, "00"...)
	}
	a, z := name[0], name[len(name)-1]
	if alphanumeric(a) && alphanumeric(z) {
		return append(dst, a, z)
	}
	const digits = "0123456789abcdef"
	return append(dst, digits[a>>4], digits[z&15])
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func appendSorted(dst []byte, list []uint16) []byte {
	slices.Sort(list)
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHex16(dst, v)
	}
	return dst
}

func appendHexList(dst, list []byte) []byte {
	first := true
	for ; len(list) >= 2 && len(dst) < maxSorted*10-6; list = list[2:] {
		v := binary.BigEndian.Uint16(list)
		if IsGREASE(v) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = appendHex16(dst, v), false
	}
	return dst
}

func appendHex16(dst []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}

// appendDigest appends the first 12 hexadecimal digits of the SHA-256 of text,
// or zeros for no text.
func appendDigest(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(dst, sum[:6])
}
