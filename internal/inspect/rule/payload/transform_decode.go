package payload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/masugata/masugata/internal/inspect/rule/pcre"
)

// unpacker is the memory of gunzip and zlib_deflate.
type unpacker struct {
	source bytes.Reader
	buffer *bufio.Reader
	gzip   *gzip.Reader
	zlib   io.ReadCloser
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

// feed makes in the source of the unpackers.
func (w *Workspace) feed(in []byte) *bufio.Reader {
	w.source.Reset(in)
	if w.buffer == nil {
		w.buffer = bufio.NewReaderSize(&w.source, 512)
	}
	w.buffer.Reset(&w.source)
	return w.buffer
}

func gunzip(t *Transform, in []byte, w *Workspace) []byte {
	src := w.feed(in)
	var err error
	if w.gzip == nil {
		w.gzip, err = gzip.NewReader(src)
	} else {
		err = w.gzip.Reset(src)
	}
	if err != nil {
		return in[:0]
	}
	return w.drain(w.gzip, t.count)
}

func inflate(t *Transform, in []byte, w *Workspace) []byte {
	src := w.feed(in)
	var err error
	if w.zlib == nil {
		w.zlib, err = zlib.NewReader(src)
	} else {
		err = w.zlib.(zlib.Resetter).Reset(src, nil)
	}
	if err != nil {
		return in[:0]
	}
	return w.drain(w.zlib, t.count)
}

// drain reads at most limit bytes, also those before an error.
func (w *Workspace) drain(r io.Reader, limit int) []byte {
	const atOnce = 4096
	out := w.a[:0]
	for len(out) < limit {
		out = slices.Grow(out, min(limit-len(out), atOnce))
		n, err := r.Read(out[len(out):min(cap(out), limit)])
		if out = out[:len(out)+n]; err != nil {
			break
		}
	}
	return w.keep(out)
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
func domainOf(_ *Transform, in []byte, w *Workspace) []byte {
	name := w.name(in)
	suffix, _ := publicsuffix.PublicSuffix(name)
	cut := len(name) - len(suffix)
	if cut < 2 || len(in) != len(name) {
		return in
	}
	return in[strings.LastIndexByte(name[:cut-1], '.')+1:]
}

// topLevelOf gives the public suffix.
func topLevelOf(_ *Transform, in []byte, w *Workspace) []byte {
	name := w.name(in)
	suffix, _ := publicsuffix.PublicSuffix(name)
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
