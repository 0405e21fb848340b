package payload

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/pcre"
)

// Library is what some transforms need and not every program can afford to
// link; package library has it all. A transform whose part is nil is refused.
type Library struct {
	// PublicSuffix gives the public suffix of a lower-case name; domain and tld
	// need it.
	PublicSuffix func(name string) string
	// Gunzip and Inflate make a function, for one goroutine, that appends to dst
	// what src holds, at most limit bytes; gunzip and zlib_deflate need them.
	Gunzip, Inflate func() func(dst, src []byte, limit int) []byte
}

// lacks says whether the library has not what a transform needs.
func (l *Library) lacks(name string) bool {
	switch name {
	case "domain", "tld":
		return l.PublicSuffix == nil
	case "gunzip":
		return l.Gunzip == nil
	case "zlib_deflate":
		return l.Inflate == nil
	}
	return false
}

// unpackers are what the library made for a workspace.
type unpackers struct {
	gunzip, inflate func(dst, src []byte, limit int) []byte
}

func toMD5(_ *Transform, in []byte, w *Workspace) []byte {
	sum := md5.Sum(in)
	return w.keep(append(w.a[:0], sum[:]...))
}

func toSHA1(_ *Transform, in []byte, w *Workspace) []byte {
	sum := sha1.Sum(in)
	return w.keep(append(w.a[:0], sum[:]...))
}

func toSHA256(_ *Transform, in []byte, w *Workspace) []byte {
	sum := sha256.Sum256(in)
	return w.keep(append(w.a[:0], sum[:]...))
}

func parseXor(t *Transform) error {
	key, err := hex.DecodeString(strings.TrimPrefix(t.Arg, "0x"))
	if err != nil || len(key) == 0 || len(key) > 255 {
		return fmt.Errorf("xor wants its key in hexadecimal, 1 to 255 bytes: xor:\"0a0DC8ff\"")
	}
	t.bytes = key
	return nil
}

func parseExpression(t *Transform) (err error) {
	if t.expr, err = pcre.Compile(t.Arg, 0); err != nil {
		return err
	}
	if t.expr.Groups() < 1 {
		return fmt.Errorf("pcrexform wants one group (…) to take")
	}
	return nil
}

// capture gives what the expression's first group caught; the buffer itself
// when the expression does not match.
func capture(t *Transform, in []byte, w *Workspace) []byte {
	m := &w.regexp.scratch
	if !t.expr.Match(m, in, 0) || m.Caps[2] < 0 {
		return in
	}
	return in[m.Caps[2]:m.Caps[3]]
}

// options reads "key value, key value" arguments.
func options(arg string, set func(key, value string) error) error {
	if strings.TrimSpace(arg) == "" {
		return nil
	}
	for _, part := range strings.Split(arg, ",") {
		f := strings.Fields(part)
		if len(f) != 2 {
			return fmt.Errorf("%q: write a name, a blank and a value", strings.TrimSpace(part))
		}
		if err := set(f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

func parseFromBase64(t *Transform) error {
	return options(t.Arg, func(key, value string) (err error) {
		switch key {
		case "bytes":
			if t.count, err = strconv.Atoi(value); err != nil || t.count < 1 || t.count > 65535 {
				return fmt.Errorf("from_base64: bytes %s: want 1 to 65535", value)
			}
		case "offset":
			if t.from, err = strconv.Atoi(value); err != nil || t.from < 0 || t.from > 65535 {
				return fmt.Errorf("from_base64: offset %s: want 0 to 65535", value)
			}
		case "mode":
			modes := map[string]Base64Mode{"rfc4648": RFC4648, "rfc2045": RFC2045, "strict": Strict}
			mode, ok := modes[strings.ToLower(value)]
			if !ok {
				return fmt.Errorf("from_base64: mode %s: want rfc4648, rfc2045 or strict", value)
			}
			t.mode = mode
		default:
			return fmt.Errorf("from_base64: unknown option %q: want bytes, offset or mode", key)
		}
		return nil
	})
}

func fromBase64(t *Transform, in []byte, w *Workspace) []byte {
	b := in[min(t.from, len(in)):]
	if t.count > 0 && t.count < len(b) {
		b = b[:t.count]
	}
	out := w.keep(appendBase64(w.a[:0], b, t.mode, MaxTransformed))
	if len(out) == 0 {
		return in
	}
	return out
}

func parseUnpack(t *Transform) error {
	t.count = 1024
	return options(t.Arg, func(key, value string) (err error) {
		if key != "max-size" {
			return fmt.Errorf("%s: unknown option %q: want max-size", t.Name, key)
		}
		if t.count, err = sizeOf(value); err != nil || t.count < 1 || t.count > MaxTransformed {
			return fmt.Errorf("%s: max-size %s: want 1 to %d, or with a unit as in 64kb", t.Name, value, MaxTransformed)
		}
		return nil
	})
}

// sizeOf reads a number of bytes, perhaps with a unit.
func sizeOf(s string) (int, error) {
	s = strings.ToLower(s)
	unit := 1
	for suffix, n := range map[string]int{"kb": 1 << 10, "mb": 1 << 20, "kib": 1 << 10, "mib": 1 << 20} {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(digits), n
			break
		}
	}
	n, err := strconv.Atoi(s)
	if n > MaxTransformed {
		return 0, strconv.ErrRange
	}
	return n * unit, err
}

func gunzip(t *Transform, in []byte, w *Workspace) []byte {
	if w.gunzip == nil {
		w.gunzip = t.library.Gunzip()
	}
	return w.keep(w.gunzip(w.a[:0], in, t.count))
}

func inflate(t *Transform, in []byte, w *Workspace) []byte {
	if w.inflate == nil {
		w.inflate = t.library.Inflate()
	}
	return w.keep(w.inflate(w.a[:0], in, t.count))
}

func parseSubslice(t *Transform) (err error) {
	a, b, two := strings.Cut(t.Arg, ",")
	if t.from, err = strconv.Atoi(strings.TrimSpace(a)); err != nil {
		return fmt.Errorf("subslice wants OFFSET or OFFSET, LENGTH: %q is no number", strings.TrimSpace(a))
	}
	if !two {
		return nil
	}
	t.ends = true
	if t.count, err = strconv.Atoi(strings.TrimSpace(b)); err != nil {
		return fmt.Errorf("subslice wants OFFSET or OFFSET, LENGTH: %q is no number", strings.TrimSpace(b))
	}
	return nil
}

// domainOf gives the registrable domain: the public suffix and the label
// before it.
func domainOf(t *Transform, in []byte, w *Workspace) []byte {
	name := w.name(in)
	suffix := t.library.PublicSuffix(name)
	cut := len(name) - len(suffix)
	if cut < 2 || len(in) != len(name) {
		return in
	}
	return in[strings.LastIndexByte(name[:cut-1], '.')+1:]
}

// topLevelOf gives the public suffix.
func topLevelOf(t *Transform, in []byte, w *Workspace) []byte {
	name := w.name(in)
	suffix := t.library.PublicSuffix(name)
	if len(in) != len(name) {
		return in
	}
	return in[len(name)-len(suffix):]
}

// name is in as a lower-case name for look-up.
func (w *Workspace) name(in []byte) string {
	if len(in) > 255 {
		return ""
	}
	return strings.ToLower(string(in))
}
