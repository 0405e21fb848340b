package memory

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Reputation knows scores of addresses and networks by category (iprep). It
// is built once and then read-only.
type Reputation struct {
	categories map[string]uint8
	scores     map[scored]uint8
	lengths    [2][]int // prefix lengths that occur, longest first: of IPv4 (in IPv6 form) and IPv6
}

type scored struct {
	net      packet.Addr
	bits     uint8
	category uint8
}

// maxCategories is Suricata's bound on category numbers.
const maxCategories = 60

// ParseReputation reads a categories file ("number,name,description") and
// reputation files ("address or network,category number,score 0 to 127").
// Lines that cannot be honoured are left out and returned.
func ParseReputation(categoriesFile string, categories []byte, files map[string][]byte) (*Reputation, []Problem) {
	r := &Reputation{categories: map[string]uint8{}, scores: map[scored]uint8{}}
	var problems []Problem
	read := func(file string, text []byte, take func(f []string) string) {
		for i, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if why := take(strings.SplitN(line, ",", 3)); why != "" {
				problems = append(problems, Problem{File: file, Line: i + 1, Column: 1, Problem: why})
			}
		}
	}
	read(categoriesFile, categories, r.category)
	sorted := make([]string, 0, len(files))
	for name := range files {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		read(name, files[name], r.score)
	}
	for i := range r.lengths {
		slices.Sort(r.lengths[i])
		slices.Reverse(r.lengths[i])
	}
	return r, problems
}

func (r *Reputation) category(f []string) string {
	if len(f) < 2 {
		return "a category is written as NUMBER,NAME,DESCRIPTION"
	}
	n, err := strconv.ParseUint(strings.TrimSpace(f[0]), 10, 8)
	if err != nil || n == 0 || n >= maxCategories {
		return fmt.Sprintf("category number %q is not from 1 to %d", f[0], maxCategories-1)
	}
	r.categories[strings.TrimSpace(f[1])] = uint8(n)
	return ""
}

func (r *Reputation) score(f []string) string {
	if len(f) < 3 {
		return "a reputation is written as ADDRESS,CATEGORY,SCORE"
	}
	p, err := prefix(strings.TrimSpace(f[0]))
	if err != nil {
		return err.Error()
	}
	category, err := strconv.ParseUint(strings.TrimSpace(f[1]), 10, 8)
	if err != nil || category == 0 || category >= maxCategories {
		return fmt.Sprintf("category number %q is not from 1 to %d", f[1], maxCategories-1)
	}
	score, err := strconv.ParseUint(strings.TrimSpace(f[2]), 10, 8)
	if err != nil || score > 127 {
		return fmt.Sprintf("score %q is not from 0 to 127", f[2])
	}
	a := packet.Addr(p.Addr().As16())
	r.scores[scored{a, uint8(p.Bits()), uint8(category)}] = uint8(score)
	l := &r.lengths[family(&a)]
	if !slices.Contains(*l, p.Bits()) {
		*l = append(*l, p.Bits())
	}
	return ""
}

func family(a *packet.Addr) int {
	if netip.AddrFrom16(*a).Is4In6() {
		return 0
	}
	return 1
}

// Category is the number of a category's name.
func (r *Reputation) Category(name string) (uint8, bool) {
	if r == nil {
		return 0, false
	}
	n, ok := r.categories[name]
	return n, ok
}

// Score is an address's score in a category, that of its longest network that
// has one; false when none has.
func (r *Reputation) Score(category uint8, a packet.Addr) (uint8, bool) {
	for _, n := range r.lengths[family(&a)] {
		if s, ok := r.scores[scored{masked(a, n), uint8(n), category}]; ok {
			return s, true
		}
	}
	return 0, false
}

func masked(a packet.Addr, n int) packet.Addr {
	i := n / 8
	if n%8 != 0 {
		a[i] &= ^byte(0xff >> (n % 8))
		i++
	}
	clear(a[i:])
	return a
}

// Side says whose reputation a rule asks for.
type Side uint8

// The sides.
const (
	SideAny Side = iota
	SideSrc
	SideDst
	SideBoth
)

// ReputationTest is the argument of iprep, compiled.
type ReputationTest struct {
	Side     Side
	Category uint8
	Op       CompareOp
	Value    uint8
}

// CompareOp compares a score or value with that of a rule.
type CompareOp uint8

// The comparisons. OpIsSet and OpIsNotSet ask only whether there is a score.
const (
	OpLess CompareOp = iota
	OpLessEqual
	OpGreater
	OpGreaterEqual
	OpEqual
	OpNotEqual
	OpIsSet
	OpIsNotSet
)

// Compare applies a comparison.
func (o CompareOp) Compare(v, with uint64) bool {
	switch o {
	case OpLess:
		return v < with
	case OpLessEqual:
		return v <= with
	case OpGreater:
		return v > with
	case OpGreaterEqual:
		return v >= with
	case OpEqual:
		return v == with
	case OpNotEqual:
		return v != with
	}
	return o == OpIsSet
}

// ParseCompare reads "<", "<=", ">", ">=", "=", "==", "!=", "isset", "isnotset".
func ParseCompare(s string) (CompareOp, bool) {
	i := slices.Index([]string{"<", "<=", ">", ">=", "=", "!=", "isset", "isnotset", "=="}, s)
	if i == 8 {
		i = int(OpEqual)
	}
	return CompareOp(max(i, 0)), i >= 0
}

// ParseTest reads the argument of iprep: "any|src|dst|both,CATEGORY,OP,VALUE"
// or "…,CATEGORY,isset|isnotset".
func (r *Reputation) ParseTest(arg string) (t ReputationTest, err error) {
	f := strings.Split(arg, ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	if len(f) < 3 {
		return t, fmt.Errorf("iprep is written as any|src|dst|both,CATEGORY,OPERATOR,VALUE")
	}
	side := slices.Index([]string{"any", "src", "dst", "both"}, strings.ToLower(f[0]))
	if side < 0 {
		return t, fmt.Errorf("iprep: unknown side %q, write any, src, dst or both", f[0])
	}
	t.Side = Side(side)
	var ok bool
	if t.Category, ok = r.Category(f[1]); !ok {
		return t, fmt.Errorf("iprep: unknown category %q", f[1])
	}
	if t.Op, ok = ParseCompare(f[2]); !ok {
		return t, fmt.Errorf("iprep: unknown operator %q, write <, <=, >, >=, =, isset or isnotset", f[2])
	}
	if t.Op >= OpIsSet {
		if len(f) != 3 {
			return t, fmt.Errorf("iprep: %s takes no value", f[2])
		}
		return t, nil
	}
	if len(f) != 4 {
		return t, fmt.Errorf("iprep: a value is missing after %q", f[2])
	}
	v, err := strconv.ParseUint(f[3], 10, 8)
	if err != nil || v > 127 {
		return t, fmt.Errorf("iprep: value %q is not from 0 to 127", f[3])
	}
	t.Value = uint8(v)
	return t, nil
}

// Test says whether a packet's addresses meet a rule's demand.
func (r *Reputation) Test(t *ReputationTest, w *Who) bool {
	one := func(a packet.Addr) bool {
		v, ok := r.Score(t.Category, a)
		switch {
		case t.Op == OpIsNotSet:
			return !ok
		case !ok:
			return false
		}
		return t.Op.Compare(uint64(v), uint64(t.Value))
	}
	switch t.Side {
	case SideSrc:
		return one(w.Src)
	case SideDst:
		return one(w.Dst)
	case SideBoth:
		return one(w.Src) && one(w.Dst)
	}
	return one(w.Src) || one(w.Dst)
}
