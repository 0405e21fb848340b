// Package eve appends JSON in the layout of eve.json to byte slices without
// reflection and, once the slice has grown, without allocating. It knows JSON
// and nothing of what is written; the protocol parsers and the engine's
// outputs use it.
package eve

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// Object writes one JSON object into B. The zero value with a B to append to
// is ready: Begin, fields, End. Objects and arrays nest.
type Object struct {
	B     []byte
	comma bool
}

// Begin opens an object (at the top or as an array element).
func (o *Object) Begin() { o.sep(); o.B = append(o.B, '{'); o.comma = false }

// End closes the innermost object.
func (o *Object) End() { o.B = append(o.B, '}'); o.comma = true }

// BeginObject opens an object as the value of a field.
func (o *Object) BeginObject(key string) { o.key(key); o.B = append(o.B, '{'); o.comma = false }

// BeginArray opens an array as the value of a field.
func (o *Object) BeginArray(key string) { o.key(key); o.B = append(o.B, '['); o.comma = false }

// EndArray closes the innermost array.
func (o *Object) EndArray() { o.B = append(o.B, ']'); o.comma = true }

// Str writes a string field.
func (o *Object) Str(key, v string) { o.key(key); o.B = AppendString(o.B, v) }

// Text writes bytes as a string field; see AppendString for those that are not UTF-8.
func (o *Object) Text(key string, v []byte) { o.key(key); o.B = AppendString(o.B, v) }

// Base64 writes bytes as a standard base64 string field.
func (o *Object) Base64(key string, v []byte) {
	o.key(key)
	o.B = append(o.B, '"')
	o.B = base64.StdEncoding.AppendEncode(o.B, v)
	o.B = append(o.B, '"')
}

// Uint writes a number field.
func (o *Object) Uint(key string, v uint64) { o.key(key); o.B = strconv.AppendUint(o.B, v, 10) }

// Int writes a signed number field.
func (o *Object) Int(key string, v int64) { o.key(key); o.B = strconv.AppendInt(o.B, v, 10) }

// Bool writes a truth value field.
func (o *Object) Bool(key string, v bool) { o.key(key); o.B = strconv.AppendBool(o.B, v) }

// Raw writes a field whose value is JSON already.
func (o *Object) Raw(key string, json []byte) { o.key(key); o.B = append(o.B, json...) }

// ItemStr writes a string as an array element.
func (o *Object) ItemStr(v string) { o.sep(); o.B = AppendString(o.B, v) }

// ItemText writes bytes as a string array element.
func (o *Object) ItemText(v []byte) { o.sep(); o.B = AppendString(o.B, v) }

// ItemUint writes a number as an array element.
func (o *Object) ItemUint(v uint64) { o.sep(); o.B = strconv.AppendUint(o.B, v, 10) }

// RawKey begins a field whose name is a JSON string already, with its quotes;
// the caller appends the value to B.
func (o *Object) RawKey(json []byte) {
	o.sep()
	o.B = append(o.B, json...)
	o.B = append(o.B, ':')
}

func (o *Object) sep() {
	if o.comma {
		o.B = append(o.B, ',')
	}
	o.comma = true
}

func (o *Object) key(key string) {
	o.sep()
	o.B = append(o.B, '"')
	o.B = append(o.B, key...)
	o.B = append(o.B, '"', ':')
}

const hex = "0123456789abcdef"

// AppendString appends v as a JSON string. Control bytes and DEL are written as
// \u00XX. When v is not UTF-8 throughout, each byte above 0x7f is written as the
// four characters \xXX, as eve.json does.
func AppendString[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, '"')
	text := isText(v)
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20 || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < 0x80:
			dst = append(dst, c)
		default:
			if !text {
				dst = append(dst, '\\', '\\', 'x', hex[c>>4], hex[c&15])
				break
			}
			n := runeLen(v[i:min(len(v), i+utf8.UTFMax)])
			dst = append(dst, v[i:i+n]...)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}

// isText says whether v is UTF-8 throughout.
func isText[T string | []byte](v T) bool {
	for i := 0; i < len(v); {
		if v[i] < 0x80 {
			i++
			continue
		}
		n := runeLen(v[i:min(len(v), i+utf8.UTFMax)])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// runeLen is the length of the valid rune that v begins with, 0 for none.
func runeLen[T string | []byte](v T) int {
	var b [utf8.UTFMax]byte
	n := copy(b[:], v)
	r, size := utf8.DecodeRune(b[:n])
	if r == utf8.RuneError && size <= 1 {
		return 0
	}
	return size
}
