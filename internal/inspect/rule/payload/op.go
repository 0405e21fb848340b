package payload

// Kind is what an Op does.
type Kind uint8

// The kinds of Op. Which fields of Op matter is said with each.
const (
	Content      Kind = iota // Bytes, NoCase, Negated, Offset, Depth, Distance, Within, StartsWith, EndsWith
	PCRE                     // Expr, Negated, Relative
	IsDataAt                 // Offset, Negated, Relative
	ByteTest                 // Count, Compare, Operand, Offset, Negated, Relative, Number's fields
	ByteJump                 // Count, Offset, Relative, Number's fields, Multiplier, Align, From, PostOffset
	ByteExtract              // Count, Offset, Relative, Number's fields, Multiplier, Align, Result
	ByteMath                 // Count, Offset, Relative, Number's fields, Math, Operand, Result
	BSize                    // Compare, Operand, Operand2; on a KindStream buffer only once it is final
	Base64Decode             // Count (0: all), Offset, Relative, Base64Mode; Sub is base64_data's program, nil for none
	Entropy                  // Count (0: all), Offset, Compare, Float, Float2
	Absent                   // OrElse; see Program.MatchAbsent
	ASN1                     // BitstringOverflow, DoubleOverflow, Oversize, Offset, Relative
	HookOp                   // Hook
)

// Value is a number in a rule: written as such, or the name of a variable of
// byte_extract or byte_math. The zero Value is "not given".
type Value struct {
	N   int64
	Var string // name of a variable; N is then meaningless
	Set bool
}

// Number is the Value of a written number.
func Number(n int64) Value { return Value{N: n, Set: true} }

// Variable is the Value of a variable.
func Variable(name string) Value { return Value{Var: name, Set: true} }

// Compare is a relation between numbers.
type Compare uint8

// The relations. Between excludes both bounds (bsize:3<>9, entropy), as
// Suricata has it; And and Xor are byte_test's: true when the result is not 0.
const (
	Equal Compare = iota
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	Between
	NotBetween
	And
	Xor
)

// Math is byte_math's operator.
type Math uint8

// The operators.
const (
	Add Math = iota
	Subtract
	Multiply
	Divide
	ShiftLeft
	ShiftRight
)

// Endian is the order of the bytes of a binary number.
type Endian uint8

// The byte orders. DCE takes it from State.DCELittle.
const (
	Big Endian = iota
	Little
	DCE
)

// From is where a byte_jump counts from.
type From uint8

// The origins of jumps.
const (
	FromHere From = iota // behind the number that was read
	FromBeginning
	FromEnd
)

// Base64Mode is how strict base64_decode and from_base64 are.
type Base64Mode uint8

// The modes.
const (
	RFC4648 Base64Mode = iota // stops at the first byte that is not base64
	RFC2045                   // skips bytes that are not base64
	Strict                    // nothing but complete base64 decodes
)

// Hook is a test that needs more than the buffer: datasets, data reputation.
type Hook interface {
	// Test looks at the whole buffer. st.Caller leads to the caller's memory.
	// It must keep neither buf nor st.
	Test(buf []byte, st *State) bool
}

// Op is one step of a Program, plain data as a rule gives it. Steps run in
// order; "relative" is to the end of the last match.
type Op struct {
	Kind       Kind
	Negated    bool
	Relative   bool // of all but contents, which are relative by Distance or Within
	NoCase     bool
	StartsWith bool
	EndsWith   bool

	// FastPattern says that the rule's author wants this content for the
	// prefilter; with ChopLen > 0 only Bytes[ChopFrom:ChopFrom+ChopLen].
	FastPattern       bool
	ChopFrom, ChopLen int

	Bytes                           []byte
	Offset, Depth, Distance, Within Value

	Expr *Regexp // from ParseRegexp

	// Fields of numbers that are read from the buffer.
	Count      Value  // bytes or digits
	Endian     Endian // of binary numbers
	String     bool   // digits
	Base       uint8  // of digits: 8, 10, 16; 0: as a C prefix says (0x, 0)
	Bitmask    uint64 // 0: none; the result is shifted right by the mask's trailing zeros
	Compare    Compare
	Operand    Value
	Operand2   Value // upper bound of Between
	Math       Math
	Multiplier uint64 // 0 is 1
	Align      uint8  // round up to a multiple of: 2 or 4 (byte_extract), 4 (byte_jump); 0 for none
	From       From
	PostOffset Value
	Result     string // name of the variable that is set

	Base64Mode    Base64Mode
	Sub           []Op // Base64Decode: what base64_data is to hold, nil when the rule does not ask
	Float, Float2 float64
	OrElse        bool

	BitstringOverflow bool
	DoubleOverflow    bool
	Oversize          int64 // ASN1: a length above it matches; 0 for none
	AbsoluteOffset    bool  // ASN1: Offset counts from the buffer's begin

	Hook Hook
}

// Most is the size of buffer from which on a BSize does not hold, counted
// generously by one; -1 when there is none.
func (o *Op) Most() int64 {
	switch {
	case o.Operand.Var != "":
		return -1
	case o.Compare == Equal, o.Compare == Less, o.Compare == LessEqual:
		return o.Operand.N
	case o.Compare == Between:
		return o.Operand2.N
	}
	return -1
}
