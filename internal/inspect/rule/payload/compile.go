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
	v    int8 // variable, -1 for none
	used bool
}

// step is a compiled Op. Rule sets hold hundreds of thousands, so what only
// some kinds need stands apart.
type step struct {
	needle   needle.Needle // Content
	depends  uint64        // steps that may try another place, on which this one's outcome depends
	offset   slot
	depth    slot
	distance slot
	within   slot
	*detail  // of all but contents
	kind     Kind
	negated  bool
	relative bool // depends on where the last match ended
	starts   bool
	ends     bool
	moves    bool // sets where the last match ended
	retry    bool // some later step depends on the place of this match
	fast     bool // the author wants it for the prefilter, chopLen bytes of it if not 0
	chopFrom uint16
	chopLen  uint16
}

// detail is what steps other than contents need.
type detail struct {
	count, operand, operand2, post slot

	expr       *Regexp
	hook       Hook
	sub        *Program
	bitmask    uint64
	multiplier uint64
	asn1       *Op
	float      [2]float64
	endian     Endian
	digits     bool
	base       uint8
	compare    Compare
	math       Math
	align      uint8
	from       From
	mode       Base64Mode
	orElse     bool
	result     int8 // variable that is set, -1 for none
}

// maxOps bounds the steps of a program: they are bits of a word.
const maxOps = 64

// Compile checks the steps of one buffer and makes a Program of them.
func Compile(ops []Op) (*Program, error) { return CompileWith(ops, Options{}) }

// CompileWith is Compile with Options. It keeps the byte strings of ops, which
// must not change.
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
		if s.kind == Absent {
			p.absent, p.orElse = true, s.orElse
		}
		p.steps[i] = s
	}
	p.link()
	return p, nil
}

// number gives the slot of a variable's name.
func (v *Variables) number(name string) (int8, error) {
	if i := slices.Index(v.names, name); i >= 0 {
		return int8(i), nil
	}
	if len(v.names) == MaxVariables {
		return -1, fmt.Errorf("more than %d variables in a rule", MaxVariables)
	}
	v.names = append(v.names, name)
	return int8(len(v.names) - 1), nil
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
	return slot{v: int8(i), used: true}, nil
}

func compileStep(op *Op, vars *Variables) (step, error) {
	s := step{kind: op.Kind, negated: op.Negated, relative: op.Relative, starts: op.StartsWith, ends: op.EndsWith, moves: op.moves()}
	d := &detail{
		expr: op.Expr, hook: op.Hook, bitmask: op.Bitmask, multiplier: op.Multiplier, float: [2]float64{op.Float, op.Float2}, endian: op.Endian,
		digits: op.String, base: op.Base, compare: op.Compare, math: op.Math, align: op.Align, from: op.From, mode: op.Base64Mode, orElse: op.OrElse, result: -1,
	}
	for _, f := range []struct {
		to   *slot
		from Value
	}{
		{&s.offset, op.Offset}, {&s.depth, op.Depth}, {&s.distance, op.Distance}, {&s.within, op.Within},
		{&d.count, op.Count}, {&d.operand, op.Operand}, {&d.operand2, op.Operand2}, {&d.post, op.PostOffset},
	} {
		var err error
		if *f.to, err = vars.slot(f.from); err != nil {
			return s, err
		}
	}
	if err := check(op, &s, d); err != nil {
		return s, err
	}
	if op.Kind == Content {
		s.needle = needle.New(op.Bytes, op.NoCase)
		s.relative = s.distance.used || s.within.used
		s.fast, s.chopFrom, s.chopLen = op.FastPattern, uint16(op.ChopFrom), uint16(op.ChopLen)
		return s, nil
	}
	s.detail = d
	return s, d.complete(op, vars)
}

// complete adds what an Op's kind asks for.
func (d *detail) complete(op *Op, vars *Variables) (err error) {
	switch op.Kind {
	case ByteExtract, ByteMath:
		d.result, err = vars.number(op.Result)
	case Base64Decode:
		if op.Sub != nil {
			d.sub, err = CompileWith(op.Sub, Options{Variables: vars})
		}
	case ASN1:
		d.asn1 = op
	}
	return err
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

func check(op *Op, s *step, d *detail) error {
	switch op.Kind {
	case Content:
		return s.checkContent(int64(len(op.Bytes)))
	case PCRE:
		if op.Expr == nil {
			return errors.New("pcre without an expression")
		}
	case ByteTest, ByteJump, ByteExtract, ByteMath:
		return d.checkNumber(op.Kind)
	case HookOp:
		if op.Hook == nil {
			return errors.New("hook without a test")
		}
	}
	return nil
}

func (s *step) checkContent(n int64) error {
	absolute := s.offset.used || s.depth.used || s.starts
	switch {
	case n == 0:
		return errors.New("empty content")
	case absolute && (s.distance.used || s.within.used):
		return errors.New("a content is either relative (distance, within) or absolute (offset, depth, startswith)")
	case s.starts && (s.offset.used || s.depth.used):
		return errors.New("startswith says all that offset and depth could: leave them out")
	case s.depth.used && s.depth.v < 0 && s.depth.n < n:
		return fmt.Errorf("depth %d is shorter than the content, which has %d bytes", s.depth.n, n)
	case s.within.used && s.within.v < 0 && s.within.n < n:
		return fmt.Errorf("within %d is shorter than the content, which has %d bytes", s.within.n, n)
	}
	return nil
}

func (d *detail) checkNumber(kind Kind) error {
	if d.count.v >= 0 || !d.count.used {
		return nil
	}
	n, most := d.count.n, int64(8)
	if d.digits {
		most = 23
	}
	if n < 0 || n > most || (n == 0 && kind != ByteJump && !d.digits) {
		return fmt.Errorf("%d bytes make no number here: write 1 to %d", n, most)
	}
	return nil
}

// slots gives the variables that the step reads.
func (s *step) slots() []slot {
	list := []slot{s.offset, s.depth, s.distance, s.within}
	if s.detail != nil {
		list = append(list, s.count, s.operand, s.operand2, s.post)
	}
	return list
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
		if s.detail != nil && s.result >= 0 {
			vars[s.result] = s.depends
		}
		if s.moves {
			place = s.depends
			if s.kind == Content || s.kind == PCRE {
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
