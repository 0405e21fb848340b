package payload

import "math"

// test runs the steps that neither contents nor expressions are.
func (s *step) test(pos int, st *State) (int, bool) {
	switch s.kind {
	case IsDataAt:
		return pos, s.isDataAt(pos, st) != s.negated
	case ByteTest:
		return pos, s.byteTest(pos, st)
	case ByteJump:
		return s.byteJump(pos, st)
	case ByteExtract:
		return s.byteExtract(pos, st)
	case ByteMath:
		return s.byteMath(pos, st)
	case BSize:
		n := uint64(len(st.buf) - st.base)
		return pos, holds(s.compare, n, s.unsigned(s.operand, st), s.unsigned(s.operand2, st)) != s.negated
	case Base64Decode:
		return pos, s.base64(pos, st)
	case Entropy:
		return pos, s.entropy(st)
	case Absent:
		return pos, s.orElse
	case ASN1:
		return pos, s.shows(pos, st)
	case HookOp:
		return pos, s.hook.Test(st.buf, st) != s.negated
	}
	return pos, false
}

func (s *step) isDataAt(pos int, st *State) bool {
	n := int(st.value(s.offset))
	if s.relative {
		return pos+n <= len(st.buf)
	}
	return n+st.base < len(st.buf)
}

// entropy compares the Shannon entropy (bits a byte) of a part of the buffer.
func (s *step) entropy(st *State) bool {
	from := int(st.value(s.offset))
	if from < 0 || from > len(st.buf) {
		return false
	}
	b := st.buf[from:]
	if n := int(st.value(s.count)); n > 0 && n < len(b) {
		b = b[:n]
	}
	e := shannon(b)
	switch s.compare {
	case Equal:
		return e == s.float[0]
	case NotEqual:
		return e != s.float[0]
	case Less:
		return e < s.float[0]
	case LessEqual:
		return e <= s.float[0]
	case Greater:
		return e > s.float[0]
	case GreaterEqual:
		return e >= s.float[0]
	case Between:
		return e > s.float[0] && e < s.float[1]
	case NotBetween:
		return e <= s.float[0] || e >= s.float[1]
	}
	return false
}

func shannon(b []byte) float64 {
	var count [256]uint32
	for _, c := range b {
		count[c]++
	}
	e, n := 0.0, float64(len(b))
	for _, c := range count {
		if c > 0 {
			p := float64(c) / n
			e -= p * math.Log2(p)
		}
	}
	return e
}
