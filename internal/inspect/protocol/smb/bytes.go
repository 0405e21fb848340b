package smb

import (
	"encoding/binary"
	"unicode/utf8"
)

// record is an SMB message; reads beyond its end give zero.
type record []byte

func (r record) u8(at int) byte {
	if at < 0 || at >= len(r) {
		return 0
	}
	return r[at]
}

func (r record) u16(at int) uint16 {
	if at < 0 || at+2 > len(r) {
		return 0
	}
	return binary.LittleEndian.Uint16(r[at:])
}

func (r record) u32(at int) uint32 {
	if at < 0 || at+4 > len(r) {
		return 0
	}
	return binary.LittleEndian.Uint32(r[at:])
}

func (r record) u64(at int) uint64 {
	if at < 0 || at+8 > len(r) {
		return 0
	}
	return binary.LittleEndian.Uint64(r[at:])
}

// slice is n bytes from at on, fewer at the end of the record.
func (r record) slice(at, n int) []byte {
	if at < 0 || n <= 0 || at >= len(r) {
		return nil
	}
	return r[at:min(len(r), at+min(n, len(r)))]
}

// id is the file identity at a place.
func (r record) id(at int) (id [16]byte) {
	copy(id[:], r.slice(at, 16))
	return id
}

// appendUTF16 appends little-endian UTF-16 as UTF-8, without NUL.
func appendUTF16(dst, b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		c := rune(binary.LittleEndian.Uint16(b[i:]))
		if c >= 0xd800 && c < 0xdc00 && i+3 < len(b) {
			if low := rune(binary.LittleEndian.Uint16(b[i+2:])); low >= 0xdc00 && low < 0xe000 {
				c = (c-0xd800)<<10 + (low - 0xdc00) + 0x10000
				i += 2
			}
		}
		if c != 0 {
			dst = utf8.AppendRune(dst, c)
		}
	}
	return dst
}

// appendText appends text in either form, without NUL.
func appendText(dst, b []byte, unicode bool) []byte {
	if unicode {
		return appendUTF16(dst, b)
	}
	for _, c := range b {
		if c != 0 {
			dst = append(dst, c)
		}
	}
	return dst
}

// cutString takes a NUL-terminated string off b.
func cutString(b []byte, unicode bool) (text, rest []byte) {
	if !unicode {
		for i, c := range b {
			if c == 0 {
				return b[:i], b[i+1:]
			}
		}
		return b, nil
	}
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return b[:i], b[i+2:]
		}
	}
	return b, nil
}
