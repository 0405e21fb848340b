// Package number compiles the arguments with which rules compare whole numbers
// ("5", ">=3", "!2-8", "&0xc0=0x80", "connect"), also those for keywords with
// several values ("3,all", "3,nb>2", "count>5"). It knows the syntax and no
// keyword; the protocol parsers below internal/inspect/protocol build their
// Keywords with it.
package number

import (
	"fmt"
	"strconv"
	"strings"
)

// op is what a Test does with a value.
type op uint8

const (
	opEqual op = iota
	opNot
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opBetween    // a < v < b
	opNotBetween // v <= a or v >= b
	opMask       // v&a == b
	opNotMask    // v&a != b
)

// Test is one compiled comparison. The zero value matches 0.
type Test struct {
	op   op
	a, b uint64
}

// Equal is the Test for one number.
func Equal(n uint64) Test { return Test{a: n} }

// Match says whether v passes.
func (t Test) Match(v uint64) bool {
	switch t.op {
	case opEqual:
		return v == t.a
	case opNot:
		return v != t.a
	case opLess:
		return v < t.a
	case opLessEqual:
		return v <= t.a
	case opGreater:
		return v > t.a
	case opGreaterEqual:
		return v >= t.a
	case opBetween:
		return v > t.a && v < t.b
	case opNotBetween:
		return v <= t.a || v >= t.b
	case opMask:
		return v&t.a == t.b
	default:
		return v&t.a != t.b
	}
}

var operators = []struct {
	text string
	op   op
}{
	{"!=", opNot}, {">=", opGreaterEqual}, {"<=", opLessEqual}, {"<>", opBetween}, {"=", opEqual}, {">", opGreater}, {"<", opLess},
}

// Parse compiles arg for a number of bits bits. Names (lower case) may stand
// for numbers after nothing, "=", "!" or "!="; nil for none. Ranges leave out
// both ends, as "a-b" or "a<>b".
func Parse(arg string, bits int, names map[string]uint64) (Test, error) {
	s := strings.TrimSpace(arg)
	if s == "" {
		return Test{}, fmt.Errorf("a number is missing")
	}
	if s[0] == '&' {
		return parseMask(s[1:], bits)
	}
	if v, ok := names[strings.ToLower(s)]; ok {
		return Test{a: v}, nil
	}
	for _, o := range operators {
		if rest, ok := strings.CutPrefix(s, o.text); ok && o.op != opBetween {
			return parseOne(o.op, rest, bits, names)
		}
	}
	if s[0] == '!' {
		t, err := Parse(s[1:], bits, names)
		if err != nil {
			return t, err
		}
		switch t.op {
		case opEqual:
			t.op = opNot
		case opBetween:
			t.op = opNotBetween
		default:
			return t, fmt.Errorf("%q negates what cannot be negated; write the opposite comparison", arg)
		}
		return t, nil
	}
	if a, b, ok := cutRange(s); ok {
		return parseRange(a, b, bits)
	}
	return parseOne(opEqual, s, bits, names)
}

func cutRange(s string) (a, b string, ok bool) {
	if a, b, ok = strings.Cut(s, "<>"); ok {
		return a, b, true
	}
	return strings.Cut(s, "-")
}

func parseOne(o op, s string, bits int, names map[string]uint64) (Test, error) {
	s = strings.TrimSpace(s)
	if v, ok := names[strings.ToLower(s)]; ok && (o == opEqual || o == opNot) {
		return Test{op: o, a: v}, nil
	}
	v, err := Value(s, bits)
	if err != nil && len(names) > 0 && !digits(s) {
		return Test{}, fmt.Errorf("%q is not a number and not one of the known names", s)
	}
	return Test{op: o, a: v}, err
}

func parseRange(a, b string, bits int) (Test, error) {
	lo, err := Value(a, bits)
	if err != nil {
		return Test{}, err
	}
	hi, err := Value(b, bits)
	if err != nil {
		return Test{}, err
	}
	if hi <= lo || hi-lo < 2 {
		return Test{}, fmt.Errorf("no number is between %d and %d; ranges leave out both ends", lo, hi)
	}
	return Test{op: opBetween, a: lo, b: hi}, nil
}

func parseMask(s string, bits int) (Test, error) {
	mask, want, ok := strings.Cut(s, "=")
	if !ok {
		return Test{}, fmt.Errorf("a mask needs a value to compare with; write &0xc0=0x80")
	}
	o := opMask
	if strings.HasSuffix(mask, "!") {
		o, mask = opNotMask, mask[:len(mask)-1]
	}
	m, err := Value(mask, bits)
	if err != nil {
		return Test{}, err
	}
	v, err := Value(want, bits)
	if err != nil {
		return Test{}, err
	}
	if v&^m != 0 {
		return Test{}, fmt.Errorf("%#x has bits that the mask %#x takes away, so it can never match", v, m)
	}
	return Test{op: o, a: m, b: v}, nil
}

func digits(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

var units = []struct {
	text  string
	times uint64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}}

// Value reads a number of bits bits: decimal, hexadecimal behind 0x, or with
// one of the units kb, mb, gb (also kib, mib, gib) in any case.
func Value(s string, bits int) (uint64, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	times := uint64(1)
	if !strings.HasPrefix(s, "0x") {
		for _, u := range units {
			if rest, ok := strings.CutSuffix(s, u.text); ok {
				s, times = strings.TrimSpace(rest), u.times
				break
			}
		}
	}
	base := 10
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = rest, 16
	}
	v, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	if v > (1<<64-1)/times || bits < 64 && v*times >= 1<<bits {
		return 0, fmt.Errorf("%s does not fit into %d bits", s, bits)
	}
	return v * times, nil
}
