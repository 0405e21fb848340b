package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Versions (RFC 9000 section 15, RFC 9369).
const (
	version1 = 0x00000001
	version2 = 0x6b3343cf
)

// Salts of the initial secret (RFC 9001 section 5.2, RFC 9369 section 3.3.1 and
// the drafts of RFC 9001).
const (
	salt1  = "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	salt2  = "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
	salt29 = "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	salt23 = "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
	salt21 = "\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a"
	salt17 = "\xef\x4f\xb0\xab\xb4\x74\x70\xc4\x1b\xef\xcf\x80\x31\x33\x4f\xae\x48\x5e\x09\xa0"
)

// saltOf is the salt of a version, "" when it is not known.
func saltOf(version uint32) string {
	switch draft := version & 0xff; {
	case version == version1:
		return salt1
	case version == version2:
		return salt2
	case version == 0xfaceb001:
		return salt21
	case version == 0xfaceb002:
		return salt23
	case version>>8 != 0xff0000 || draft < 17:
		return ""
	case draft >= 33:
		return salt1
	case draft >= 29:
		return salt29
	case draft >= 23:
		return salt23
	case draft >= 21:
		return salt21
	}
	return salt17
}

// keys open the Initial packets of both directions.
type keys struct {
	sides [2]struct {
		aead   cipher.AEAD
		header cipher.Block
		iv     [12]byte
	}
}

// newKeys derives the keys from the first destination connection id. It
// allocates; there is one call a connection.
func newKeys(version uint32, dcid []byte) *keys {
	salt := saltOf(version)
	if salt == "" {
		return nil
	}
	secret, err := hkdf.Extract(sha256.New, dcid, []byte(salt))
	if err != nil {
		return nil
	}
	prefix := "quic "
	if version == version2 {
		prefix = "quicv2 "
	}
	k := &keys{}
	for d, name := range [...]string{packet.ToServer: "client in", packet.ToClient: "server in"} {
		side := &k.sides[d]
		own := expand(secret, name, sha256.Size)
		block, err := aes.NewCipher(expand(own, prefix+"key", 16))
		if err != nil {
			return nil
		}
		if side.aead, err = cipher.NewGCM(block); err != nil {
			return nil
		}
		if side.header, err = aes.NewCipher(expand(own, prefix+"hp", 16)); err != nil {
			return nil
		}
		copy(side.iv[:], expand(own, prefix+"iv", len(side.iv)))
	}
	return k
}

// expand is HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1) without context.
func expand(secret []byte, label string, n int) []byte {
	info := append([]byte{0, byte(n), byte(len("tls13 ") + len(label))}, "tls13 "...)
	info = append(append(info, label...), 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		return make([]byte, n)
	}
	return out
}

// maxPacket bounds a packet that is opened.
const maxPacket = 65535

// opener opens packets into memory of its own.
type opener struct {
	head  []byte // header without its protection: authenticated data
	plain []byte
	mask  [aes.BlockSize]byte
	nonce [12]byte
}

// open takes the protection off a packet (RFC 9001 sections 5.3 and 5.4): b is
// the packet, its packet number stands at pn. The result is valid until the next
// call.
func (o *opener) open(k *keys, d packet.Direction, b []byte, pn int) ([]byte, bool) {
	if pn+4+aes.BlockSize > len(b) || len(b) > maxPacket {
		return nil, false
	}
	side := &k.sides[d]
	side.header.Encrypt(o.mask[:], b[pn+4:pn+4+aes.BlockSize])
	first := b[0] ^ o.mask[0]&0x0f
	n := int(first&3) + 1
	o.head = append(o.head[:0], b[:pn+n]...)
	o.head[0] = first
	o.nonce = side.iv
	for i := range n {
		o.head[pn+i] ^= o.mask[1+i]
		o.nonce[12-n+i] ^= o.head[pn+i]
	}
	plain, err := side.aead.Open(o.plain[:0], o.nonce[:], b[pn+n:], o.head)
	if err != nil {
		return nil, false
	}
	o.plain = plain
	return plain, true
}
