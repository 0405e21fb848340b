package rule

import (
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func numberKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "payload", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("byte_test", "COUNT, [!]OP, VALUE, OFFSET[, relative][, ENDIAN][, string, hex|dec|oct][, dce][, bitmask MASK]", "compares a number in the buffer", (*builder).byteTest),
		k("byte_jump", "COUNT, OFFSET[, relative][, multiplier N][, ENDIAN][, string, BASE][, align][, from_beginning|from_end][, post_offset N][, dce][, bitmask MASK]", "goes to where a number in the buffer says", (*builder).byteJump),
		k("byte_extract", "COUNT, OFFSET, NAME[, relative][, multiplier N][, ENDIAN][, string, BASE][, align 2|4][, dce]", "keeps a number in the buffer as a variable", (*builder).byteExtract),
		k("byte_math", "bytes N, offset N, oper + - * / << >>, rvalue N, result NAME[, relative][, endian E][, string BASE][, dce][, bitmask MASK]", "calculates with a number in the buffer", (*builder).byteMath),
	}
}

func parseInt(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		n, err = strconv.ParseInt(s, 10, 64)
	}
	return n, err == nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// parseSeveral compiles the argument of a number keyword; only fields with
// several values take an index behind a comma.
func parseSeveral(text string, f *protocol.FieldSpec) (number.Several, error) {
	return number.ParseSeveral(text, int(f.Width), f.Names)
}

// numberOption reads one of the options that all byte_ keywords share; false
// means that it is none of them.
func (b *builder) numberOption(op *payload.Op, t syntax.Token) (bool, error) {
	word, rest, _ := strings.Cut(t.Text, " ")
	arg := syntax.Token{Text: strings.TrimSpace(rest), At: t.At + len(word)}
	if op.String {
		if base, ok := bases[word]; ok && rest == "" {
			op.Base = base
			return true, nil
		}
	}
	var err error
	switch word {
	case "relative":
		op.Relative = true
	case "big":
		op.Endian = payload.Big
	case "little":
		op.Endian = payload.Little
	case "dce":
		op.Endian = payload.DCE
	case "string":
		op.String = true
		if rest != "" {
			return b.numberOption(op, arg)
		}
	case "bitmask":
		n, ok := parseAnyUint(arg.Text, 32)
		if !ok {
			return true, fail(t, "bitmask %q is no number", "", arg.Text)
		}
		op.Bitmask = n
	case "multiplier":
		n, ok := parseUint(arg.Text, 16)
		if !ok || n == 0 {
			return true, fail(t, "multiplier %q is no number of 1 to 65535", "", arg.Text)
		}
		op.Multiplier = n
	case "align":
		op.Align = 4
		if arg.Text != "" {
			if arg.Text != "2" && arg.Text != "4" {
				return true, fail(t, "align %q", "write align 2 or align 4", arg.Text)
			}
			op.Align = arg.Text[0] - '0'
		}
	case "from_beginning":
		op.From = payload.FromBeginning
	case "from_end":
		op.From = payload.FromEnd
	case "post_offset":
		op.PostOffset, err = b.value(arg, -1<<31, 1<<31)
	default:
		return false, nil
	}
	return true, err
}

var bases = map[string]uint8{"hex": 16, "dec": 10, "oct": 8}

func (b *builder) numberOptions(op *payload.Op, list []syntax.Token) error {
	op.Base = 0
	for _, t := range list {
		ok, err := b.numberOption(op, t)
		if err != nil {
			return err
		}
		if !ok {
			return fail(t, "unknown option %q", didYouMean(t.Text, []string{"relative", "big", "little", "dce", "string", "hex", "dec", "oct", "bitmask", "multiplier", "align", "from_beginning", "from_end", "post_offset"}), t.Text)
		}
	}
	return b.checkCount(op, list)
}

// checkCount refuses numbers wider than what can be read.
func (b *builder) checkCount(op *payload.Op, list []syntax.Token) error {
	most := int64(8)
	if op.String {
		most = 23
		if op.Base == 10 {
			most = 20
		}
	}
	if op.Count.Var == "" && op.Count.N > most && len(list) >= 0 {
		return fail(b.src.Options[b.c.option].Value, "%d bytes are too many for one number", "read at most %d", op.Count.N, most)
	}
	return nil
}

var compares = []struct {
	text string
	op   payload.Compare
}{{"<=", payload.LessEqual}, {">=", payload.GreaterEqual}, {"<", payload.Less}, {">", payload.Greater}, {"=", payload.Equal}, {"&", payload.And}, {"^", payload.Xor}}

func (b *builder) byteTest(_, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 4 {
		return fail(value, "byte_test needs count, comparison, value and offset", "write byte_test:2,>,100,0")
	}
	op := payload.Op{Kind: payload.ByteTest}
	var err error
	if op.Count, err = b.value(p[0], 0, 23); err != nil {
		return err
	}
	cmp, not := p[1].Not()
	op.Negated = not
	found := not && cmp.Text == "" // "!" alone is "!="
	for _, c := range compares {
		if c.text == cmp.Text {
			op.Compare, found = c.op, true
		}
	}
	if !found {
		return fail(p[1], "unknown comparison %q", "write <, >, =, <=, >=, & or ^, with ! before it to negate", p[1].Text)
	}
	if op.Operand, err = b.value(p[2], -1<<62, 1<<62); err != nil {
		n, ok := parseAnyUint(p[2].Text, 64)
		if !ok {
			return err
		}
		op.Operand = payload.Number(int64(n))
	}
	if op.Offset, err = b.value(p[3], -1<<31, 1<<31); err != nil {
		return err
	}
	if err = b.numberOptions(&op, p[4:]); err == nil {
		b.add(op)
	}
	return err
}

func (b *builder) byteJump(_, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 2 {
		return fail(value, "byte_jump needs count and offset", "write byte_jump:2,0,relative")
	}
	op := payload.Op{Kind: payload.ByteJump}
	var err error
	if op.Count, err = b.value(p[0], 0, 23); err != nil {
		return err
	}
	if op.Offset, err = b.value(p[1], -1<<31, 1<<31); err != nil {
		return err
	}
	if err = b.numberOptions(&op, p[2:]); err == nil {
		b.add(op)
	}
	return err
}

func (b *builder) byteExtract(_, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 3 {
		return fail(value, "byte_extract needs count, offset and a name", "write byte_extract:2,0,size")
	}
	op := payload.Op{Kind: payload.ByteExtract}
	var err error
	if op.Count, err = b.value(p[0], 1, 23); err != nil {
		return err
	}
	if op.Offset, err = b.value(p[1], -1<<31, 1<<31); err != nil {
		return err
	}
	if !isName(p[2].Text) {
		return fail(p[2], "%q is no name for a variable", "begin with a letter", p[2].Text)
	}
	op.Result = b.c.intern(p[2].Text)
	if err = b.numberOptions(&op, p[3:]); err == nil {
		b.add(op)
	}
	return err
}

var operators = map[string]payload.Math{"+": payload.Add, "-": payload.Subtract, "*": payload.Multiply, "/": payload.Divide, "<<": payload.ShiftLeft, ">>": payload.ShiftRight}

func (b *builder) byteMath(_, value syntax.Token) error {
	op := payload.Op{Kind: payload.ByteMath}
	seen := map[string]bool{}
	for _, t := range value.Split(',') {
		word, rest, _ := strings.Cut(t.Text, " ")
		arg := syntax.Token{Text: strings.TrimSpace(rest), At: t.At + len(t.Text) - len(strings.TrimSpace(rest))}
		seen[word] = true
		var err error
		switch word {
		case "bytes":
			op.Count, err = b.value(arg, 1, 10)
		case "offset":
			op.Offset, err = b.value(arg, -1<<31, 1<<31)
		case "oper":
			var ok bool
			if op.Math, ok = operators[arg.Text]; !ok {
				err = fail(arg, "unknown operator %q", "write +, -, *, /, << or >>", arg.Text)
			}
		case "rvalue":
			op.Operand, err = b.value(arg, 0, 1<<32-1)
			if err == nil && op.Operand.Var == "" && op.Operand.N == 0 {
				err = fail(arg, "rvalue 0", "write a number from 1 on")
			}
		case "result":
			if op.Result = b.c.intern(arg.Text); !isName(arg.Text) {
				err = fail(arg, "%q is no name for a variable", "begin with a letter", arg.Text)
			}
		case "endian":
			_, err = b.numberOption(&op, arg)
		default:
			var ok bool
			if ok, err = b.numberOption(&op, t); err == nil && !ok {
				err = fail(t, "unknown option %q", "", t.Text)
			}
		}
		if err != nil {
			return err
		}
	}
	for _, w := range []string{"bytes", "offset", "oper", "rvalue", "result"} {
		if !seen[w] {
			return fail(value, "byte_math lacks %s", "write byte_math:bytes 2, offset 0, oper +, rvalue 4, result size", w)
		}
	}
	b.add(op)
	return nil
}
