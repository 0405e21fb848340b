package payload

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/masugata/masugata/internal/inspect/rule/needle"
)

// slot is a compiled Value: a number, or the variable in a slot.
type slot struct {
	n    int64
	v    int16 // variable, -1 for none
	used bool
}

// step is a compiled Op.
type step struct {
	*Op
	needle needle.Needle

	offset, depth, distance, within, count, operand, operand2, post slot

	result   int16  // variable that is set, -1 for none
	relative bool   // depends on where the last match ended
	moves    bool   // sets where the last match ended
	depends  uint64 // steps that may try another place, on which this one's outcome depends
	retry    bool   // some later step depends on the place of this match
	sub      *Program
}

// maxOps bounds the steps of a program: they are bits of a word.
const maxOps = 64

// Compile checks the steps of one buffer and makes a Program of them.
func Compile(ops []Op) (*Program, error) { return CompileWith(ops, Options{}) }

// CompileWith is Compile with Options. It keeps ops, which must not change.
func CompileWith(ops []Op, o Options) (*Program, error) {
	if len(ops) > maxOps {
		return nil, fmt.Errorf("%d tests of one buffer, the most is %d", len(ops), maxOps)
	}
	if o.Variables == nil {
		o.Variables = &Variables{}
	}
	p := &Program{steps: make([]step, len(ops))}
	for i := range ops {
		s, err := compileStep(&ops[i], o.Variables)
		if err != nil {
			return nil, err
		}
		if s.Kind == Absent {
			p.absent, p.orElse = true, s.OrElse
		}
		p.steps[i] = s
	}
	p.link()
	p.collect()
	return p, nil
}

// number gives the slot of a variable's name.
func (v *Variables) number(name string) (int16, error) {
	if i := slices.Index(v.names, name); i >= 0 {
		return int16(i), nil
	}
	if len(v.names) == MaxVariables {
		return -1, fmt.Errorf("more than %d variables in a rule", MaxVariables)
	}
	v.names = append(v.names, name)
	return int16(len(v.names) - 1), nil
}

// Has says whether a variable of that name was set by a compiled Op.
func (v *Variables) Has(name string) bool { return slices.Contains(v.names, name) }

func (v *Variables) slot(x Value) (slot, error) {
	if !x.Set {
		return slot{v: -1}, nil
	}
	if x.Var == "" {
		return slot{n: x.N, v: -1, used: true}, nil
	}
	i := slices.Index(v.names, x.Var)
	if i < 0 {
		return slot{}, fmt.Errorf("variable %q is not set by a byte_extract or byte_math before it", x.Var)
	}
	return slot{v: int16(i), used: true}, nil
}

func compileStep(op *Op, vars *Variables) (step, error) {
	s := step{Op: op, result: -1}
	for _, f := range []struct {
		to   *slot
		from Value
	}{
		{&s.offset, op.Offset}, {&s.depth, op.Depth}, {&s.distance, op.Distance}, {&s.within, op.Within},
		{&s.count, op.Count}, {&s.operand, op.Operand}, {&s.operand2, op.Operand2}, {&s.post, op.PostOffset},
	} {
		var err error
		if *f.to, err = vars.slot(f.from); err != nil {
			return s, err
		}
	}
	if err := s.check(); err != nil {
		return s, err
	}
	if op.Kind == ByteExtract || op.Kind == ByteMath {
		var err error
		if s.result, err = vars.number(op.Result); err != nil {
			return s, err
		}
	}
	if op.Kind == Base64Decode && op.Sub != nil {
		var err error
		if s.sub, err = CompileWith(op.Sub, Options{Variables: vars}); err != nil {
			return s, err
		}
	}
	s.needle = needle.New(op.Bytes, op.NoCase)
	s.relative = op.Relative
	if op.Kind == Content {
		s.relative = s.distance.used || s.within.used
	}
	s.moves = op.moves()
	return s, nil
}

// moves says whether a step sets where the last match ended.
func (op *Op) moves() bool {
	switch op.Kind {
	case Content, PCRE:
		return !op.Negated
	case ByteJump, ByteExtract, ByteMath:
		return true
	}
	return false
}

func (s *step) check() error {
	switch s.Kind {
	case Content:
		return s.checkContent()
	case PCRE:
		if s.Expr == nil {
			return errors.New("pcre without an expression")
		}
	case ByteTest, ByteJump, ByteExtract, ByteMath:
		return s.checkNumber()
	case HookOp:
		if s.Hook == nil {
			return errors.New("hook without a test")
		}
	}
	return nil
}

func (s *step) checkContent() error {
	n := int64(len(s.Bytes))
	absolute := s.offset.used || s.depth.used || s.StartsWith
	switch {
	case n == 0:
		return errors.New("empty content")
	case absolute && (s.distance.used || s.within.used):
		return errors.New("a content is either relative (distance, within) or absolute (offset, depth, startswith)")
	case s.StartsWith && (s.offset.used || s.depth.used):
		return errors.New("startswith says all that offset and depth could: leave them out")
	case s.depth.used && s.depth.v < 0 && s.depth.n < n:
		return fmt.Errorf("depth %d is shorter than the content, which has %d bytes", s.depth.n, n)
	case s.within.used && s.within.v < 0 && s.within.n < n:
		return fmt.Errorf("within %d is shorter than the content, which has %d bytes", s.within.n, n)
	}
	return nil
}

func (s *step) checkNumber() error {
	if s.count.v >= 0 || !s.count.used {
		return nil
	}
	n, most := s.count.n, int64(8)
	if s.String {
		most = 23
	}
	if n < 0 || n > most || (n == 0 && s.Kind != ByteJump) {
		return fmt.Errorf("%d bytes make no number here: write 1 to %d", n, most)
	}
	return nil
}

// slots gives the variables that the step reads.
func (s *step) slots() []slot {
	return []slot{s.offset, s.depth, s.distance, s.within, s.count, s.operand, s.operand2, s.post}
}

// link finds which steps depend on which, so that a failed match goes back to
// the place that can change its outcome and to no other.
func (p *Program) link() {
	var place uint64 // steps on which the current place depends
	var vars [MaxVariables]uint64
	for i := range p.steps {
		s := &p.steps[i]
		if s.relative {
			s.depends |= place
		}
		for _, v := range s.slots() {
			if v.used && v.v >= 0 {
				s.depends |= vars[v.v]
			}
		}
		if s.result >= 0 {
			vars[s.result] = s.depends
		}
		if s.moves {
			place = s.depends
			if s.Kind == Content || s.Kind == PCRE {
				place = 1 << i
			}
		}
	}
	var wanted uint64
	for i := range p.steps {
		wanted |= p.steps[i].depends
	}
	for ; wanted != 0; wanted &= wanted - 1 {
		p.steps[bits.TrailingZeros64(wanted)].retry = true
	}
}
