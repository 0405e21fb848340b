package prefilter

import "bytes"

// naive looks for one pattern after the other: the oracle of the tests.
type naive struct {
	patterns []Pattern
	maxID    uint32
}

func newNaive(patterns []Pattern) *naive {
	n := &naive{patterns: patterns}
	for i := range patterns {
		n.maxID = max(n.maxID, patterns[i].ID)
	}
	return n
}

func (n *naive) Size() int { return 0 }

func (n *naive) Scan(data []byte, s *Scratch) {
	s.begin(n.maxID)
	for i := range n.patterns {
		if n.patterns[i].occurs(data) {
			s.report(n.patterns[i].ID)
		}
	}
	s.end()
}

func (p *Pattern) occurs(data []byte) bool {
	if p.Depth > 0 && p.Depth < len(data) {
		data = data[:p.Depth]
	}
	for i := p.Offset; i+len(p.Bytes) <= len(data); i++ {
		if !p.NoCase {
			j := bytes.Index(data[i:], p.Bytes)
			return j >= 0
		}
		if equalFold(data[i:i+len(p.Bytes)], p.Bytes) {
			return true
		}
	}
	return false
}

func equalFold(a, b []byte) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
