package pcre

// nodeOp is the sort of a node of the syntax tree.
type nodeOp uint8

const (
	nEmpty   nodeOp = iota
	nByte           // b; fold: either case
	nSet            // set
	nCat            // subs in order
	nAlt            // one of subs
	nRepeat         // subs[0], min to max times (max -1: no limit)
	nGroup          // subs[0] captured as group
	nLook           // subs[0] is ahead, or behind; neg
	nAtomic         // subs[0] without going back into it
	nBackref        // what group caught; fold
	nAssert         // assert
	nCond           // subs[0] if group has caught something, else subs[1]
	nKeep           // \K: the match begins here
	nFail           // (*FAIL), (?!)
)

type assertion uint8

const (
	atStart    assertion = iota // \A, ^
	atLine                      // ^ with m
	atEnd                       // \z
	atEndNL                     // \Z, $: end, or before a last newline
	atLineEnd                   // $ with m
	atWord                      // \b
	notAtWord                   // \B
	atFrom                      // \G: where the search began
	numAsserts = int(atFrom) + 1
)

type node struct {
	op         nodeOp
	b          byte
	fold       bool
	neg        bool
	behind     bool
	lazy       bool
	possessive bool
	quoted     bool // \Q…\E
	assert     assertion
	group      int
	min, max   int
	set        *byteSet
	subs       []*node
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteSet) addRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
	}
}

func (s *byteSet) union(t *byteSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *byteSet) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// fold adds the other case of every ASCII letter in s.
func (s *byteSet) fold() {
	for c := byte('a'); c <= 'z'; c++ {
		if s.has(c) || s.has(c-32) {
			s.add(c)
			s.add(c - 32)
		}
	}
}

func (s *byteSet) full() bool { return s[0]&s[1]&s[2]&s[3] == ^uint64(0) }

// allButNewline says whether s is what "." means without flag s.
func (s *byteSet) allButNewline() bool {
	t := *s
	if t.has('\n') {
		return false
	}
	t.add('\n')
	return t.full()
}

// width is how many bytes n matches: least and most (-1: no limit).
func (n *node) width() (lo, hi int) {
	switch n.op {
	case nByte, nSet:
		return 1, 1
	case nCat:
		for _, s := range n.subs {
			a, b := s.width()
			lo, hi = addWidth(lo, a), addWidth(hi, b)
		}
		return lo, hi
	case nAlt, nCond:
		return n.widthOfAny()
	case nRepeat:
		a, b := n.subs[0].width()
		return mulWidth(a, n.min), mulWidth(b, n.max)
	case nGroup, nAtomic:
		return n.subs[0].width()
	case nBackref:
		return 0, -1
	}
	return 0, 0
}

func (n *node) widthOfAny() (lo, hi int) {
	for i, s := range n.subs {
		a, b := s.width()
		if i == 0 {
			lo, hi = a, b
			continue
		}
		lo = min(lo, a)
		if hi >= 0 && (b < 0 || b > hi) {
			hi = b
		}
	}
	return lo, hi
}

const widthLimit = 1 << 20

func addWidth(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return min(a+b, widthLimit)
}

func mulWidth(a, times int) int {
	if a == 0 || times == 0 {
		return 0
	}
	if a < 0 || times < 0 {
		return -1
	}
	return min(a*times, widthLimit)
}
