package payload

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// oracle matches contents, jumps, extractions, tests and isdataat the obvious
// way: it tries every place of every content.
type oracle struct {
	ops  []Op
	buf  []byte
	base int
}

func (o *oracle) value(v Value, vars map[string]uint64) int {
	if v.Var != "" {
		return int(vars[v.Var])
	}
	return int(v.N)
}

func (o *oracle) match(i, pos int, vars map[string]uint64) bool {
	if i == len(o.ops) {
		return true
	}
	op := &o.ops[i]
	switch op.Kind {
	case Content:
		return o.content(op, i, pos, vars)
	case IsDataAt:
		n := o.value(op.Offset, vars)
		ok := n < o.base+len(o.buf)
		if op.Relative {
			ok = pos+n <= len(o.buf)
		}
		return ok != op.Negated && o.match(i+1, pos, vars)
	}
	return o.number(op, i, pos, vars)
}

func (o *oracle) content(op *Op, i, pos int, vars map[string]uint64) bool {
	found := false
	for at := 0; at+len(op.Bytes) <= len(o.buf); at++ {
		if !o.fits(op, at, pos, vars) {
			continue
		}
		found = true
		if !op.Negated && o.match(i+1, at+len(op.Bytes), vars) {
			return true
		}
	}
	return op.Negated && !found && o.match(i+1, pos, vars)
}

func (o *oracle) fits(op *Op, at, pos int, vars map[string]uint64) bool {
	end := at + len(op.Bytes)
	got, want := o.buf[at:end], op.Bytes
	if op.NoCase {
		got, want = bytes.ToLower(got), bytes.ToLower(want)
	}
	if !bytes.Equal(got, want) || op.EndsWith && end != len(o.buf) || op.StartsWith && at+o.base != 0 {
		return false
	}
	if op.Distance.Set || op.Within.Set {
		from := pos + o.value(op.Distance, vars)
		return at >= from && (!op.Within.Set || end <= from+o.value(op.Within, vars))
	}
	from := o.value(op.Offset, vars) - o.base
	return at >= from && (!op.Depth.Set || end <= from+o.value(op.Depth, vars))
}

func (o *oracle) number(op *Op, i, pos int, vars map[string]uint64) bool {
	at := o.value(op.Offset, vars) - o.base
	if op.Relative {
		at = pos + o.value(op.Offset, vars)
	}
	if at < 0 || at >= len(o.buf) {
		return false
	}
	v := uint64(o.buf[at])
	switch op.Kind {
	case ByteTest:
		return (v > uint64(op.Operand.N)) != op.Negated && o.match(i+1, pos, vars)
	case ByteExtract:
		more := map[string]uint64{op.Result: v}
		for k, x := range vars {
			if k != op.Result {
				more[k] = x
			}
		}
		return o.match(i+1, at+1, more)
	}
	to := at + 1 + int(v)
	return to <= len(o.buf) && o.match(i+1, to, vars)
}

func randomProgram(r *rand.Rand) []Op {
	ops := make([]Op, 1+r.IntN(5))
	vars := 0
	number := func(lo, n int) Value {
		if vars > 0 && r.IntN(4) == 0 {
			return Variable(fmt.Sprint("v", r.IntN(vars)))
		}
		return Number(int64(lo + r.IntN(n)))
	}
	for i := range ops {
		op := &ops[i]
		switch k := r.IntN(9); k {
		case 6:
			*op = Op{Kind: []Kind{ByteTest, ByteJump}[r.IntN(2)], Count: Number(1), Compare: Greater, Operand: Number(int64(r.IntN(5))), Offset: number(0, 3), Relative: r.IntN(2) == 0}
			op.Negated = op.Kind == ByteTest && r.IntN(2) == 0
		case 7:
			*op = Op{Kind: ByteExtract, Count: Number(1), Result: fmt.Sprint("v", vars), Offset: number(0, 3), Relative: r.IntN(2) == 0}
			vars++
		case 8:
			*op = Op{Kind: IsDataAt, Offset: number(0, 8), Relative: r.IntN(2) == 0, Negated: r.IntN(3) == 0}
		default:
			randomContent(r, op, number)
		}
	}
	return ops
}

func randomContent(r *rand.Rand, op *Op, number func(lo, n int) Value) {
	*op = Op{Kind: Content, Bytes: make([]byte, 1+r.IntN(3)), NoCase: r.IntN(3) == 0, Negated: r.IntN(5) == 0, EndsWith: r.IntN(9) == 0}
	randomBytes(r, op.Bytes)
	switch r.IntN(4) {
	case 0:
		op.Distance = number(-3, 7)
	case 1:
		op.Distance, op.Within = number(-2, 4), number(len(op.Bytes), 5)
	case 2:
		op.Offset = number(0, 6)
		if r.IntN(2) == 0 {
			op.Depth = Number(int64(len(op.Bytes) + r.IntN(6)))
		}
	case 3:
		op.StartsWith = r.IntN(4) == 0
	}
}

func randomBytes(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = "aAbB\x00\x01\x02"[r.IntN(7)]
	}
}

func TestAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	st := State{Limit: 1 << 30}
	yes := 0
	for range 60000 {
		ops := randomProgram(r)
		p, err := Compile(ops)
		if err != nil {
			t.Fatalf("%+v: %v", ops, err)
		}
		buf := make([]byte, r.IntN(24))
		randomBytes(r, buf)
		base := uint64(max(r.IntN(8)-4, 0))
		st.Forget()
		got := p.Match(buf, base, &st)
		o := oracle{ops, buf, int(base)}
		if want := o.match(0, -int(base), nil); got != want {
			t.Fatalf("%q from %d: %v, want %v\n%+v", buf, base, got, want, ops)
		}
		if got {
			yes++
		}
		checkLiterals(t, p, buf, int(base), got)
	}
	if yes < 3000 {
		t.Errorf("only %d matches: the programs test too little", yes)
	}
}

// checkLiterals: what matches must hold all the literals where they say.
func checkLiterals(t *testing.T, p *Program, buf []byte, base int, matched bool) {
	t.Helper()
	for _, l := range p.Literals() {
		if !matched || base > 0 {
			return
		}
		b := buf[min(l.Offset, len(buf)):]
		if l.Depth > 0 && l.Depth < len(buf) {
			b = buf[min(l.Offset, l.Depth):l.Depth]
		}
		want := l.Bytes
		if l.NoCase {
			b, want = bytes.ToLower(b), bytes.ToLower(want)
		}
		if !bytes.Contains(b, want) {
			t.Fatalf("%q matches without %q (%+v)", buf, l.Bytes, l)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	p, err := Compile([]Op{
		content("User-Agent|3a 20|"[:10], nocase), content(": ", distance(0), within(2)), expr(t, `/^\w+\/(\d+)\./R`),
		{Kind: ByteTest, Count: num(1), String: true, Base: 10, Relative: true, Compare: GreaterEqual, Operand: num(0)},
		{Kind: Base64Decode, Sub: []Op{content("x", not)}}, {Kind: Entropy, Compare: Greater, Float: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	buf := []byte("GET / HTTP/1.1\r\nuser-agent: curl/7.88.1\r\n\r\n")
	var st State
	if !p.Match(buf, 0, &st) {
		t.Fatal("no match")
	}
	if n := testing.AllocsPerRun(100, func() { st.Forget(); p.Match(buf, 0, &st) }); n != 0 {
		t.Errorf("%v allocations a match", n)
	}
}

func TestLimitEndsMatch(t *testing.T) {
	ops := []Op{content("a")}
	for range 12 {
		ops = append(ops, content("a", distance(0)))
	}
	p, err := Compile(append(ops, content("b", distance(0))))
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if p.Match(bytes.Repeat([]byte("a"), 4000), 0, &st) {
		t.Error("matched without b")
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, ops := range [][]Op{
		{{Kind: Content}},
		{content("abc", depth(2))},
		{content("abc", within(2))},
		{content("a", offset(1), distance(1))},
		{content("a", starts, offset(1))},
		{content("a", func(o *Op) { o.Distance = Variable("nobody") })},
		{{Kind: ByteTest, Count: num(9)}},
		{{Kind: ByteTest, Count: num(0)}},
		{{Kind: PCRE}},
		{{Kind: HookOp}},
		make([]Op, 65),
	} {
		if _, err := Compile(ops); err == nil {
			t.Errorf("%+v was taken", ops)
		}
	}
}

func TestParseRegexp(t *testing.T) {
	re, err := ParseRegexp(`/(?P<flow_name>\w+)=(\d+)/iURmsx, flow:first, pkt:second`)
	if err != nil {
		t.Fatal(err)
	}
	if !re.Relative || re.Location != 'U' {
		t.Errorf("flags R and U gave %v and %c", re.Relative, re.Location)
	}
	p, err := Compile([]Op{{Kind: PCRE, Expr: re, Relative: true}})
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if !p.Match([]byte("?user=42"), 0, &st) || len(st.Captures) != 2 {
		t.Fatalf("captures %v", st.Captures)
	}
	if c := st.Captures; c[0].Name != "first" || !c[0].Flow || string(c[0].Value) != "user" || c[1].Flow || string(c[1].Value) != "42" {
		t.Errorf("captures %v", c)
	}
	for _, bad := range []string{``, `abc`, `/abc`, `/a/y`, `/a/UP`, `/a/,flow:x`, `/(a)/,x`, `/(/`} {
		if _, err := ParseRegexp(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// FuzzMatch makes a program and a buffer from the input.
func FuzzMatch(f *testing.F) {
	f.Add(uint64(1), []byte("abAB\x01\x02"))
	f.Add(uint64(77), []byte("\x30\x04\x03\x02\x09\x00dGVzdA=="))
	f.Fuzz(func(t *testing.T, seed uint64, buf []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		ops := randomProgram(r)
		ops = append(ops, Op{Kind: ASN1, DoubleOverflow: true, Oversize: 99, Negated: true}, Op{Kind: Base64Decode, Offset: Number(int64(r.IntN(5))), Sub: []Op{content("a")}})
		p, err := Compile(ops[r.IntN(len(ops)):])
		if err != nil {
			return // a variable of a step that was left out
		}
		var st State
		p.Match(buf, seed%7, &st)
	})
}
