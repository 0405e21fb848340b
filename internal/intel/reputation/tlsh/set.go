package tlsh

// Set holds digests to be searched for the nearest. It has no other index than
// the length byte: most of a search is passing over digests of other lengths,
// about a nanosecond each.
type Set struct {
	byLength [256][]kept
	n, most  int
}

type kept struct {
	digest Digest
	ref    uint32
}

// NewSet makes a set that holds at most so many digests (40 bytes each).
func NewSet(most int) *Set { return &Set{most: most} }

// Add keeps a digest under a number of the caller; false says that the set is
// full.
func (s *Set) Add(d Digest, ref uint32) bool {
	if s.n >= s.most {
		return false
	}
	s.n++
	l := swap(d[1])
	s.byLength[l] = append(s.byLength[l], kept{d, ref})
	return true
}

// Len is the number of digests.
func (s *Set) Len() int { return s.n }

// Nearest finds the digest with the least distance to d, when one is no
// farther than within. It allocates nothing.
func (s *Set) Nearest(d *Digest, within int) (ref uint32, distance int, ok bool) {
	distance = within
	own := int(swap(d[1]))
	for step := 0; step <= 128; step++ {
		if apart := 12 * step; step > 1 && apart > distance {
			break
		}
		for _, l := range [...]int{own + step, own - step} {
			list := s.byLength[l&255]
			for i := range list {
				k := &list[i]
				if header(d, &k.digest) > distance {
					continue
				}
				if n := Distance(d, &k.digest); n < distance || n == distance && !ok {
					ref, distance, ok = k.ref, n, true
				}
			}
			if step == 0 || step == 128 {
				break
			}
		}
	}
	return ref, distance, ok
}
