package rule

import (
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// sizeCheck compares the size of the packet's payload.
type sizeCheck struct{ want number.Test }

func (k *sizeCheck) holds(in *Inspector, c *Context) bool {
	if empty := k.want.Match(0); !empty && !in.facts.payload || empty && in.facts.payload && !k.want.Match(1) {
		return false
	}
	return in.facts.real && k.want.Match(uint64(len(c.Packet.Payload)))
}

func (b *builder) dsize(_, value syntax.Token) error {
	if b.sawDsize {
		return fail(value, "a second dsize", "write one: dsize:LOW<>HIGH")
	}
	t, err := number.Parse(value.Text, 16, nil)
	if err != nil {
		return fail(value, "dsize: %s", "", err.Error())
	}
	b.check(&sizeCheck{t})
	b.needsPkt, b.sawDsize = true, true
	return nil
}

// entropy is "value >= 7.5", "bytes 64, offset 4, value 3.1-4" ….
func (b *builder) entropy(_, value syntax.Token) error {
	op := payload.Op{Kind: payload.Entropy}
	seen := false
	for _, t := range value.Split(',') {
		word, rest, _ := strings.Cut(t.Text, " ")
		rest = strings.TrimSpace(rest)
		arg := syntax.Token{Text: rest, At: t.At + len(t.Text) - len(rest)}
		var err error
		switch word {
		case "bytes":
			op.Count, err = b.value(arg, 0, 1<<31)
		case "offset":
			op.Offset, err = b.value(arg, 0, 1<<31)
		case "value":
			seen, err = true, entropyValue(&op, arg)
		default:
			err = fail(t, "unknown option %q", "write bytes, offset or value", word)
		}
		if err != nil {
			return err
		}
	}
	if !seen {
		return fail(value, "entropy lacks its value", "write entropy:value >= 7.5")
	}
	b.add(op)
	return nil
}

func entropyValue(op *payload.Op, t syntax.Token) error {
	s, not := strings.CutPrefix(t.Text, "!")
	lo, hi, between := strings.Cut(s, "<>")
	if !between {
		lo, hi, between = strings.Cut(s, "-")
	}
	var err1, err2 error
	if between {
		op.Compare = payload.Between
		if not {
			op.Compare = payload.NotBetween
		}
		op.Float, err1 = strconv.ParseFloat(strings.TrimSpace(lo), 64)
		op.Float2, err2 = strconv.ParseFloat(strings.TrimSpace(hi), 64)
	} else {
		for _, c := range []struct {
			text string
			op   payload.Compare
		}{{">=", payload.GreaterEqual}, {"<=", payload.LessEqual}, {"=", payload.Equal}, {">", payload.Greater}, {"<", payload.Less}, {"", payload.Equal}} {
			if rest, ok := strings.CutPrefix(s, c.text); ok {
				op.Compare = c.op
				op.Float, err1 = strconv.ParseFloat(strings.TrimSpace(rest), 64)
				break
			}
		}
		if not {
			if op.Compare != payload.Equal {
				return fail(t, "%q negates a comparison", "write the opposite one", t.Text)
			}
			op.Compare = payload.NotEqual
		}
	}
	if err1 != nil || err2 != nil || op.Float < 0 || op.Float > 8 || op.Float2 < 0 || op.Float2 > 8 {
		return fail(t, "entropy %q is no number of 0 to 8", "", t.Text)
	}
	return nil
}

// asn1 is "bitstring_overflow, double_overflow, oversize_length 1000,
// absolute_offset 0, relative_offset 4"; options may also be parted by blanks.
func (b *builder) asn1(_, value syntax.Token) error {
	op := payload.Op{Kind: payload.ASN1}
	words := strings.Fields(strings.ReplaceAll(value.Text, ",", " "))
	for i := 0; i < len(words); i++ {
		number := func(lo, hi int64) (int64, error) {
			i++
			if i < len(words) {
				if n, ok := parseInt(words[i]); ok && n >= lo && n <= hi {
					return n, nil
				}
			}
			return 0, fail(value, "asn1: %s lacks its number", "", words[i-1])
		}
		var err error
		var n int64
		switch words[i] {
		case "bitstring_overflow":
			op.BitstringOverflow = true
		case "double_overflow":
			op.DoubleOverflow = true
		case "oversize_length":
			op.Oversize, err = number(1, 1<<32-1)
		case "absolute_offset":
			n, err = number(0, 65535)
			op.Offset, op.AbsoluteOffset = payload.Number(n), true
		case "relative_offset":
			n, err = number(-65535, 65535)
			op.Offset, op.Relative = payload.Number(n), true
		default:
			err = fail(value, "unknown option %q", "write bitstring_overflow, double_overflow, oversize_length, absolute_offset or relative_offset", words[i])
		}
		if err != nil {
			return err
		}
	}
	b.add(op)
	return nil
}
