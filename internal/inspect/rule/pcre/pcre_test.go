package pcre

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func match(t *testing.T, expr string, flags Flags, in string) ([]int32, bool) {
	t.Helper()
	re, err := Compile(expr, flags)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var s Scratch
	ok := re.Match(&s, []byte(in), 0)
	return s.Caps, ok
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		expr  string
		flags Flags
		in    string
		want  string // what the whole match is, "-" for none
	}{
		{`a+b`, 0, "xaab", "aab"},
		{`a.c`, 0, "a\nc", "-"},
		{`a.c`, DotAll, "a\nc", "a\nc"},
		{`ABC`, CaseLess, "xabC", "abC"},
		{`^b`, 0, "a\nb", "-"},
		{`^b`, MultiLine, "a\nb", "b"},
		{`a$`, 0, "a\n", "a"},
		{`a$`, DollarEndOnly, "a\n", "-"},
		{`a$`, MultiLine, "a\nb", "a"},
		{`b`, Anchored, "ab", "-"},
		{`a*`, Ungreedy, "aaa", ""},
		{`a b # c`, Extended, "ab", "ab"},
		{`\xff\x{80}.`, 0, "\xff\x80\xfe", "\xff\x80\xfe"},
		{`[\x80-\xff]{2}`, 0, "a\xc3\xa4", "\xc3\xa4"},
		{`(?:ab)*c`, 0, "xababc", "ababc"},
		{`\Qa.b\E+`, 0, "a.bbb", "a.bbb"},
		{`(a)(?=b)`, 0, "aab", "a"},
		{`a(?!b)`, 0, "aba", "a"},
		{`(?<=a)b`, 0, "bab", "b"},
		{`(?<!a)b`, 0, "ab b", "b"},
		{`(\w)\1`, 0, "abccd", "cc"},
		{`(?<x>\w)\k<x>`, 0, "abccd", "cc"},
		{`(?P<x>\w)(?P=x)`, 0, "abccd", "cc"},
		{`(\w)\g{-1}`, 0, "abccd", "cc"},
		{`(?>a+)ab`, 0, "aaab", "-"},
		{`a++b`, 0, "aab", "aab"},
		{`a{2,3}`, 0, "aaaa", "aaa"},
		{`a{2,3}?`, 0, "aaaa", "aa"},
		{`a{,3}`, 0, "aaaa", "aaa"},
		{`a{x}`, 0, "a{x}", "a{x}"},
		{`(a)?(?(1)b|c)`, 0, "xab", "ab"},
		{`(a)?(?(1)b|c)`, 0, "xc", "c"},
		{`(?(?=a)ab|cd)`, 0, "cd", "cd"},
		{`foo\Kbar`, 0, "foobar", "bar"},
		{`[[:alpha:]]+[^[:space:]]`, 0, "ab1 ", "ab1"},
		{`[]a]+`, 0, "]a]", "]a]"},
		{`[a\-z]+`, 0, "-az", "-az"},
		{`\R`, 0, "\r\n", "\r\n"},
		{`\cA\e\a\012`, 0, "\x01\x1b\a\n", "\x01\x1b\a\n"},
		{`(?i)ab(?-i)c`, 0, "ABc", "ABc"},
		{`(?i)ab(?-i)c`, 0, "ABC", "-"},
		{`(?s:.)b`, 0, "\nb", "\nb"},
		{`(?#comment)a`, 0, "a", "a"},
		{`\babc\b`, 0, "xabc abc.", "abc"},
		{`(a*)*b`, 0, "aaaab", "aaaab"},
		{`(?:a?)*?b`, 0, "aab", "aab"},
		{`x|(*FAIL)`, 0, "x", "x"},
	} {
		caps, ok := match(t, c.expr, c.flags, c.in)
		got := "-"
		if ok {
			got = c.in[caps[0]:caps[1]]
		}
		if got != c.want {
			t.Errorf("/%s/ in %q: %q, want %q", c.expr, c.in, got, c.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, expr := range []string{
		`(`, `)`, `a)`, `[`, `[a`, `*`, `a{3,2}`, `\x{100}`, `(?<=a+)b`, `\1`, `(?R)`, `(?P>x)`, `\p{L}`, `(?<x`, `(?z)`, `[b-a]`, `\`, `a{70000}`,
		`(?:(?:(?:a|bc){99}){99}){99}`, strings.Repeat("(", 300),
	} {
		if _, err := Compile(expr, 0); err == nil {
			t.Errorf("%s was taken", expr)
		}
	}
}

func TestRequired(t *testing.T) {
	for expr, want := range map[string]string{
		`^abc\d+defg`: "defg", `a|b`: "", `(?:foo)+bar?`: "foo", `x(abc)?yz`: "yz", `[ab]cd.{3}efg`: "efg", `(?i)AbC`: "abc", `\x00\x01`: "\x00\x01",
		`ab(?=cde)`: "ab", `(?:ab){3}`: "ababab",
	} {
		re, err := Compile(expr, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(re.Required().Bytes); got != want {
			t.Errorf("/%s/ requires %q, want %q", expr, got, want)
		}
	}
}

// An expression that would take time exponential in the input.
func TestEvilExpressionEnds(t *testing.T) {
	in := strings.Repeat("a", 5000)
	if _, ok := match(t, `(?:a+)+b|c`, 0, in); ok {
		t.Error("matched")
	}
	if _, ok := match(t, `(?:a|aa)+b|c`, 0, in); ok {
		t.Error("matched")
	}
	if _, ok := match(t, `(?:a|aa)+c|a{5000}`, 0, in); !ok {
		t.Error("not matched with a memory of failures")
	}
	if _, ok := match(t, `(a|aa)+\1\1b|c`, 0, in); ok {
		t.Error("matched")
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	re, err := Compile(`(?i)user-agent: (\w+)[^\r]*(?=\r\n)`, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := []byte("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88.1\r\n\r\n")
	var s Scratch
	if !re.Match(&s, in, 0) {
		t.Fatal("no match")
	}
	if n := testing.AllocsPerRun(100, func() { re.Match(&s, in, 0) }); n != 0 {
		t.Errorf("%v allocations a match", n)
	}
}

// randomExpr writes expressions that Go's regexp reads with the same meaning.
func randomExpr(r *rand.Rand, depth int) string {
	var s strings.Builder
	for {
		for range 1 + r.IntN(3) {
			s.WriteString(randomAtom(r, depth))
		}
		if r.IntN(3) > 0 {
			return s.String()
		}
		s.WriteByte('|')
	}
}

func randomAtom(r *rand.Rand, depth int) string {
	atoms := []string{"a", "b", "c", "A", "[ab]", "[^a]", ".", `\w`, `\d`, `(?i:b)`, `[a-c]`, `ab`, "1"}
	a := atoms[r.IntN(len(atoms))]
	if depth > 0 && r.IntN(4) == 0 {
		a = []string{"(", "(?:"}[r.IntN(2)] + randomExpr(r, depth-1) + ")"
	}
	switch r.IntN(8) {
	case 0:
		return `\b` + a
	case 1:
		return `^` + a
	case 2, 3, 4:
		if a == "ab" {
			a = "(?:ab)"
		}
		return a + []string{"*", "+", "?", "{2}", "{1,3}", "*?", "+?", "??", "{2,}?"}[r.IntN(9)]
	}
	return a
}

func TestAgainstGo(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var s Scratch
	for range 20000 {
		expr := randomExpr(r, 3)
		oracle := regexp.MustCompile(expr)
		re, err := Compile(expr, 0)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		in := make([]byte, r.IntN(14))
		for i := range in {
			in[i] = "aabbccAB\n .1"[r.IntN(12)]
		}
		want := oracle.FindIndex(in)
		var got []int
		if re.Match(&s, in, 0) {
			got = []int{int(s.Caps[0]), int(s.Caps[1])}
		}
		// Perl and RE2 differ in how far a loop over what may be empty goes.
		if (got != nil) != (want != nil) || re.regular && !slices.Equal(got, want) {
			t.Fatalf("/%s/ in %q: %v, want %v", expr, in, got, want)
		}
		checkMemory(t, re, &s, expr, in, got)
		if req := re.Required(); got != nil && !strings.Contains(strings.ToLower(string(in)), strings.ToLower(string(req.Bytes))) {
			t.Fatalf("/%s/ matches %q without %q", expr, in, req.Bytes)
		}
	}
}

// checkMemory matches again with the memory of failures.
func checkMemory(t *testing.T, re *Regexp, s *Scratch, expr string, in []byte, want []int) {
	t.Helper()
	if !re.regular {
		return
	}
	s.Caps = s.Caps[:cap(s.Caps)]
	if len(s.Caps) < re.slots {
		s.Caps = make([]int32, re.slots)
	}
	s.Caps = s.Caps[:re.slots]
	s.re, s.buf, s.from = re, in, 0
	if ok := s.findWithMemory(0); ok != (want != nil) || ok && int(s.Caps[1]) != want[1] {
		t.Fatalf("/%s/ in %q: with memory %v", expr, in, ok)
	}
}

func FuzzCompileAndMatch(f *testing.F) {
	f.Add(`^a(b|c)*\x41[^\r\n]{2,}(?=x)(?<!y)\1$`, uint16(1), []byte("abcA12x"))
	f.Add(`(?i)\Qa.b\E++|(?(1)a|b)()`, uint16(3), []byte("A.Bb"))
	f.Add(`(?:a*)*b|[[:alpha:]\d-]`, uint16(0), []byte("aaaaaaaaaaaaaaac"))
	var s Scratch
	f.Fuzz(func(t *testing.T, expr string, flags uint16, in []byte) {
		if len(expr) > 200 || len(in) > 2000 {
			return
		}
		re, err := Compile(expr, Flags(flags&127))
		if err != nil || !re.Match(&s, in, 0) {
			return
		}
		if a, b := s.Caps[0], s.Caps[1]; a < 0 || int(b) > len(in) {
			t.Fatalf("match at %d to %d of %d", a, b, len(in))
		}
		for from := 1; from <= min(len(in), 20); from++ {
			re.Match(&s, in, from)
		}
	})
}
