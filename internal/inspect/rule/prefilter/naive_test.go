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

func (n *naive) Scan(data []byte, s *Scratch) { n.ScanWindow(data, 0, s) }

func (n *naive) ScanWindow(data []byte, base uint64, s *Scratch) {
	s.begin(n.maxID, base)
	for i := range n.patterns {
		if n.patterns[i].occurs(data, int(base)) {
			s.report(n.patterns[i].ID)
		}
	}
	s.end()
}

func (p *Pattern) occurs(data []byte, base int) bool {
	if p.Depth > 0 {
		data = data[:min(len(data), max(0, p.Depth-base))]
	}
	first := lower(p.Bytes[0])
	for i := max(0, p.Offset-base); i+len(p.Bytes) <= len(data); i++ {
		if lower(data[i]) != first {
			continue
		}
		at, end := base+i, base+i+len(p.Bytes)
		if at < p.Offset || p.Depth > 0 && end > p.Depth {
			continue
		}
		got := data[i : i+len(p.Bytes)]
		if bytes.Equal(got, p.Bytes) || p.NoCase && equalFold(got, p.Bytes) {
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
