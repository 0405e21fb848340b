package payload

import "math/bits"

// place gives where a number, or data to decode, begins.
func (s *step) place(pos int, st *State) int {
	at := int(st.value(s.offset))
	if s.relative {
		return at + pos
	}
	return at + st.base
}

// read reads the step's number and gives where it ends.
func (s *step) read(pos int, st *State) (v uint64, at, end int, ok bool) {
	at = s.place(pos, st)
	n := int(st.value(s.count))
	if at < 0 || n < 0 || at > len(st.buf) || n > len(st.buf)-at || (n == 0 && s.kind != ByteJump && !s.digits) {
		return 0, 0, 0, false
	}
	if n == 0 && s.digits && s.kind != ByteJump {
		n = min(23, len(st.buf)-at) // as many digits as there are
	}
	b := st.buf[at : at+n]
	if s.digits {
		v, used, ok := digits(b, s.base)
		return v, at, at + used, ok
	}
	if n > 8 {
		return 0, 0, 0, false
	}
	if s.endian == Little || (s.endian == DCE && st.DCELittle) {
		for i := n - 1; i >= 0; i-- {
			v = v<<8 | uint64(b[i])
		}
	} else {
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
	}
	return v, at, at + n, true
}

// mask keeps the bits of the mask and shifts out its trailing zeros.
func (s *step) mask(v uint64) uint64 {
	if s.bitmask == 0 {
		return v
	}
	return v & s.bitmask >> bits.TrailingZeros64(s.bitmask)
}

// digits reads a number as C's strtoull does: blanks, a sign, a prefix, digits
// until the first byte that is none. It says how many bytes it took.
func digits(b []byte, base uint8) (v uint64, used int, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i]-'\t' < 5) {
		i++
	}
	neg := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		neg = b[i] == '-'
		i++
	}
	i, base = prefix(b, i, base)
	start := i
	for ; i < len(b); i++ {
		d := digitValue(b[i])
		if d >= base {
			break
		}
		hi, lo := bits.Mul64(v, uint64(base))
		sum, carry := bits.Add64(lo, uint64(d), 0)
		if hi != 0 || carry != 0 {
			return 0, 0, false
		}
		v = sum
	}
	if neg {
		v = -v
	}
	return v, i, i > start
}

// prefix reads 0x and 0 where the base allows them.
func prefix(b []byte, i int, base uint8) (int, uint8) {
	hex := i+2 < len(b) && b[i] == '0' && b[i+1]|0x20 == 'x' && digitValue(b[i+2]) < 16
	switch {
	case (base == 0 || base == 16) && hex:
		return i + 2, 16
	case base == 0 && i < len(b) && b[i] == '0':
		return i, 8
	case base == 0:
		return i, 10
	}
	return i, base
}

func digitValue(c byte) uint8 {
	switch {
	case c-'0' < 10:
		return c - '0'
	case (c|0x20)-'a' < 26:
		return (c | 0x20) - 'a' + 10
	}
	return 255
}

func alignUp(v uint64, to uint8) uint64 {
	if to == 0 || v%uint64(to) == 0 {
		return v
	}
	return v + uint64(to) - v%uint64(to)
}

func (s *step) byteTest(pos int, st *State) bool {
	v, _, _, ok := s.read(pos, st)
	if !ok {
		return false
	}
	return holds(s.compare, s.mask(v), s.unsigned(s.operand, st), s.unsigned(s.operand2, st)) != s.negated
}

// unsigned is value for numbers that may have 64 bits.
func (s *step) unsigned(v slot, st *State) uint64 {
	if v.v >= 0 {
		return st.vars[v.v]
	}
	return uint64(v.n)
}

// byteJump gives the place it jumps to. As Suricata has it, a jump to before
// the buffer ends at its begin, and one to its very end holds.
func (s *step) byteJump(pos int, st *State) (int, bool) {
	v, _, end, ok := s.read(pos, st)
	if !ok {
		return pos, false
	}
	v = s.mask(v)
	if s.multiplier > 1 {
		v *= s.multiplier
	}
	v = alignUp(v, s.align)
	by := int64(v) + st.value(s.post)
	to := int64(end)
	switch s.from {
	case FromBeginning:
		to = int64(st.base)
	case FromEnd:
		to = int64(len(st.buf))
	}
	if by > 1<<50 || by < -1<<50 {
		return pos, false
	}
	to = max(to+by, 0)
	return int(to), to <= int64(len(st.buf))
}

func (s *step) byteExtract(pos int, st *State) (int, bool) {
	v, _, end, ok := s.read(pos, st)
	if !ok {
		return pos, false
	}
	if s.multiplier > 1 {
		v *= s.multiplier
	}
	st.vars[s.result] = s.mask(alignUp(v, s.align))
	return end, true
}

func (s *step) byteMath(pos int, st *State) (int, bool) {
	v, _, end, ok := s.read(pos, st)
	if !ok {
		return pos, false
	}
	r := s.unsigned(s.operand, st)
	switch s.math {
	case Add:
		v += r
	case Subtract:
		v -= r
	case Multiply:
		v *= r
	case Divide:
		if r == 0 {
			return pos, false
		}
		v /= r
	case ShiftLeft:
		v <<= r
	case ShiftRight:
		v >>= r
	}
	st.vars[s.result] = s.mask(v)
	return end, true
}

// holds compares a with b (and c).
func holds(op Compare, a, b, c uint64) bool {
	switch op {
	case Equal:
		return a == b
	case NotEqual:
		return a != b
	case Less:
		return a < b
	case LessEqual:
		return a <= b
	case Greater:
		return a > b
	case GreaterEqual:
		return a >= b
	case Between:
		return a > b && a < c
	case NotBetween:
		return !(a > b && a < c)
	case And:
		return a&b != 0
	case Xor:
		return a^b != 0
	}
	return false
}
