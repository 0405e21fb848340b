package payload

import "testing"

func num(n int64) Value { return Number(n) }

func content(s string, f ...func(*Op)) Op {
	op := Op{Kind: Content, Bytes: []byte(s)}
	for _, g := range f {
		g(&op)
	}
	return op
}

func distance(n int64) func(*Op) { return func(o *Op) { o.Distance = num(n) } }
func within(n int64) func(*Op)   { return func(o *Op) { o.Within = num(n) } }
func offset(n int64) func(*Op)   { return func(o *Op) { o.Offset = num(n) } }
func depth(n int64) func(*Op)    { return func(o *Op) { o.Depth = num(n) } }
func not(o *Op)                  { o.Negated = true }
func nocase(o *Op)               { o.NoCase = true }
func starts(o *Op)               { o.StartsWith = true }
func ends(o *Op)                 { o.EndsWith = true }
func relative(o *Op)             { o.Relative = true }

func expr(t *testing.T, s string, f ...func(*Op)) Op {
	t.Helper()
	re, err := ParseRegexp(s)
	if err != nil {
		t.Fatal(err)
	}
	op := Op{Kind: PCRE, Expr: re, Relative: re.Relative}
	for _, g := range f {
		g(&op)
	}
	return op
}

func TestMatch(t *testing.T) {
	big := Op{Kind: ByteExtract, Count: num(1), Result: "n"}
	for _, c := range []struct {
		name string
		ops  []Op
		buf  string
		base uint64
		want bool
	}{
		{"plain", []Op{content("abc")}, "xxabcx", 0, true},
		{"case", []Op{content("abc")}, "xxaBcx", 0, false},
		{"nocase", []Op{content("aBc", nocase)}, "xxAbCx", 0, true},
		{"offset", []Op{content("abc", offset(3))}, "abcabc", 0, true},
		{"offset too far", []Op{content("abc", offset(4))}, "abcabc", 0, false},
		{"depth", []Op{content("abc", depth(3))}, "abc", 0, true},
		{"depth too short", []Op{content("abc", depth(3))}, "xabc", 0, false},
		{"offset and depth", []Op{content("abc", offset(2), depth(4))}, "xxxabc", 0, true},
		{"window offset", []Op{content("abc", offset(10))}, "abc", 10, true},
		{"window depth over", []Op{content("abc", depth(12))}, "abc", 10, false},
		{"distance", []Op{content("a"), content("b", distance(1))}, "axb", 0, true},
		{"distance not", []Op{content("a"), content("b", distance(1))}, "ab", 0, false},
		{"backtrack", []Op{content("a"), content("b", distance(0), within(1))}, "aaxaab", 0, true},
		{"backtrack twice", []Op{content("a"), content("b", distance(0), within(2)), content("c", distance(0), within(1))}, "abxabbc", 0, true},
		{"negated relative", []Op{content("a"), content("b", distance(0), within(1), not)}, "abac", 0, true},
		{"negated relative fails", []Op{content("a"), content("b", distance(0), within(1), not)}, "abab", 0, false},
		{"negative distance", []Op{content("cd"), content("ab", distance(-4), within(2))}, "abcd", 0, true},
		{"startswith", []Op{content("ab", starts)}, "abcd", 0, true},
		{"startswith window", []Op{content("ab", starts)}, "abcd", 1, false},
		{"endswith", []Op{content("cd", ends)}, "abcd", 0, true},
		{"endswith not", []Op{content("cd", ends)}, "abcde", 0, false},
		{"endswith later", []Op{content("cd", ends)}, "cdcd", 0, true},
		{"negated absolute", []Op{content("zz", not)}, "abcd", 0, true},
		{"pcre", []Op{expr(t, `/a\d+b/`)}, "xa12b", 0, true},
		{"pcre relative", []Op{content("x"), expr(t, `/^\d+b/R`)}, "x1cx12b", 0, true},
		{"pcre then content", []Op{expr(t, `/a\d/`), content("b", distance(0), within(1))}, "a1xa2b", 0, true},
		{"pcre high bytes", []Op{expr(t, `/\xff.\x80/`)}, "\xff\x00\x80", 0, true},
		{"isdataat", []Op{content("a"), {Kind: IsDataAt, Offset: num(1), Relative: true}}, "xab", 0, true},
		{"isdataat end", []Op{content("b"), {Kind: IsDataAt, Offset: num(1), Relative: true, Negated: true}}, "xab", 0, true},
		{"byte_test", []Op{{Kind: ByteTest, Count: num(2), Compare: Greater, Operand: num(256), Offset: num(1)}}, "x\x01\x01", 0, true},
		{"byte_test little", []Op{{Kind: ByteTest, Count: num(2), Compare: Equal, Operand: num(0x0201), Endian: Little}}, "\x01\x02", 0, true},
		{"byte_test string", []Op{{Kind: ByteTest, Count: num(4), String: true, Base: 10, Compare: Equal, Operand: num(123)}}, "123x", 0, true},
		{"byte_test not", []Op{{Kind: ByteTest, Count: num(1), Compare: Equal, Operand: num(1), Negated: true}}, "\x01", 0, false},
		{"byte_jump", []Op{{Kind: ByteJump, Count: num(1)}, content("z", distance(0), within(1))}, "\x02..z", 0, true},
		{"byte_jump out", []Op{{Kind: ByteJump, Count: num(1)}}, "\x07..z", 0, false},
		{"extract", []Op{big, content("z", func(o *Op) { o.Distance = Variable("n") })}, "\x02..z", 0, true},
		{"extract within", []Op{big, content("z", func(o *Op) { o.Within = Variable("n") })}, "\x02..z", 0, false},
		{"math", []Op{{Kind: ByteMath, Count: num(1), Math: Add, Operand: num(3), Result: "m"}, {Kind: ByteTest, Count: num(1), Offset: num(1), Compare: Equal, Operand: Variable("m")}}, "\x02\x05", 0, true},
		{"bsize", []Op{{Kind: BSize, Compare: Between, Operand: num(2), Operand2: num(5)}}, "abcd", 0, true},
		{"bsize bound", []Op{{Kind: BSize, Compare: Between, Operand: num(2), Operand2: num(4)}}, "abcd", 0, false},
		{"base64", []Op{content("="), {Kind: Base64Decode, Relative: true, Sub: []Op{content("test")}}}, "a=dGVzdA==", 0, true},
		{"entropy", []Op{{Kind: Entropy, Compare: Greater, Float: 1.9}}, "abcd", 0, true},
		{"bitstring", []Op{{Kind: ASN1, BitstringOverflow: true}}, "\x30\x04\x03\x02\x09\x00", 0, true},
	} {
		p, err := Compile(c.ops)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var st State
		if got := p.Match([]byte(c.buf), c.base, &st); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
