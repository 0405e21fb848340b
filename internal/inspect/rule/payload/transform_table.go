package payload

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/rule/needle"
)

// transformRow is one transform keyword. parse is nil when it has no argument.
// apply writes to w.a (from its begin) or returns a part of in.
type transformRow struct {
	name  string
	parse func(t *Transform) error
	apply func(t *Transform, in []byte, w *Workspace) []byte
}

var transformTable = []transformRow{
	{"dotprefix", nil, dotPrefix},
	{"domain", nil, domainOf},
	{"tld", nil, topLevelOf},
	{"strip_whitespace", nil, stripWhitespace},
	{"compress_whitespace", nil, compressWhitespace},
	{"to_lowercase", nil, mapBytes(needle.Lower)},
	{"to_uppercase", nil, mapBytes(needle.Upper)},
	{"header_lowercase", nil, headerLowercase},
	{"strip_pseudo_headers", nil, stripPseudoHeaders},
	{"to_md5", nil, toMD5},
	{"to_sha1", nil, toSHA1},
	{"to_sha256", nil, toSHA256},
	{"url_decode", nil, urlDecode},
	{"xor", parseXor, xorKey},
	{"pcrexform", parseExpression, capture},
	{"from_base64", parseFromBase64, fromBase64},
	{"gunzip", parseUnpack, gunzip},
	{"zlib_deflate", parseUnpack, inflate},
	{"subslice", parseSubslice, subslice},
}

func (w *Workspace) keep(out []byte) []byte {
	w.a, w.wrote = out, true
	return out
}

func dotPrefix(_ *Transform, in []byte, w *Workspace) []byte {
	return w.keep(append(append(w.a[:0], '.'), in...))
}

func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

func stripWhitespace(_ *Transform, in []byte, w *Workspace) []byte {
	out := w.a[:0]
	for _, c := range in {
		if !isSpace(c) {
			out = append(out, c)
		}
	}
	return w.keep(out)
}

// compressWhitespace keeps the first of consecutive blanks.
func compressWhitespace(_ *Transform, in []byte, w *Workspace) []byte {
	out := w.a[:0]
	for i, c := range in {
		if i == 0 || !isSpace(c) || !isSpace(in[i-1]) {
			out = append(out, c)
		}
	}
	return w.keep(out)
}

func mapBytes(f func(byte) byte) func(*Transform, []byte, *Workspace) []byte {
	return func(_ *Transform, in []byte, w *Workspace) []byte {
		out := w.a[:0]
		for _, c := range in {
			out = append(out, f(c))
		}
		return w.keep(out)
	}
}

// headerLowercase makes the names of "Name: value" lines lower case.
func headerLowercase(_ *Transform, in []byte, w *Workspace) []byte {
	out, name := w.a[:0], true
	for _, c := range in {
		switch {
		case c == ':':
			name = false
		case c == '\n':
			name = true
		case name:
			c = needle.Lower(c)
		}
		out = append(out, c)
	}
	return w.keep(out)
}

// stripPseudoHeaders removes the lines that begin with a colon (HTTP/2's
// pseudo headers).
func stripPseudoHeaders(_ *Transform, in []byte, w *Workspace) []byte {
	out := w.a[:0]
	for len(in) > 0 {
		line := in
		if i := bytes.IndexByte(in, '\n'); i >= 0 {
			line = in[:i+1]
		}
		if line[0] != ':' {
			out = append(out, line...)
		}
		in = in[len(line):]
	}
	return w.keep(out)
}

// urlDecode decodes %41 and turns + into a blank.
func urlDecode(_ *Transform, in []byte, w *Workspace) []byte {
	out := w.a[:0]
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(in) && digitValue(in[i+1]) < 16 && digitValue(in[i+2]) < 16 {
			c = digitValue(in[i+1])<<4 | digitValue(in[i+2])
			i += 2
		}
		out = append(out, c)
	}
	return w.keep(out)
}

func xorKey(t *Transform, in []byte, w *Workspace) []byte {
	out := w.a[:0]
	for i, c := range in {
		out = append(out, c^t.bytes[i%len(t.bytes)])
	}
	return w.keep(out)
}

// subslice gives in[from:from+count], both counted from the end when negative.
func subslice(t *Transform, in []byte, _ *Workspace) []byte {
	from, end := t.from, len(in)
	if from < 0 {
		from = max(len(in)+from, 0)
	}
	from = min(from, len(in))
	if t.ends && t.count < 0 {
		end += t.count
	} else if t.ends {
		end = min(end, from+t.count)
	}
	return in[from:max(end, from)]
}
