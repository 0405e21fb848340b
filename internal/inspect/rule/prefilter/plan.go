package prefilter

import "math"

// Costs in nanoseconds, measured: of a probe, of a probe that finds its bit
// set, of an IndexByte call a byte and a hit of it.
const (
	costProbe   = 1.0
	costHit     = 20.0
	costIndex   = 0.05
	costStopped = 12.0
)

const stampBits = 15

// cuts are the lengths at which classes may begin.
var cuts = []int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24}

// sampled is how many patterns of a class are looked at for an estimate.
const sampled = 400

// choice is how the patterns of one class are searched; stride 0: each by its
// most seldom byte.
type choice struct {
	q, stride int
	cost      float64 // a byte of the buffer
	from      int     // index in cuts of the class's least length
}

// classes builds the cheapest filters for the patterns: of all ways to divide
// them by length, the one with the least estimated cost.
func (b *builder) classes(list []uint32, limit int) {
	if len(list) == 0 {
		return
	}
	byCut := make([][]uint32, len(cuts))
	for _, n := range list {
		i := len(cuts) - 1
		for len(b.bytes(n)) < cuts[i] {
			i--
		}
		byCut[i] = append(byCut[i], n)
	}
	// best[i] is the choice for the class that ends before cut i, after the
	// best choices for what is shorter.
	best := make([]choice, len(cuts)+1)
	for i := 1; i <= len(cuts); i++ {
		best[i].cost = math.Inf(1)
		var members []uint32
		for j := i - 1; j >= 0; j-- {
			members = append(members, byCut[j]...)
			c := b.choose(members, cuts[j])
			c.from = j
			if c.cost += best[j].cost; c.cost < best[i].cost {
				best[i] = c
			}
		}
	}
	if limit == 0 {
		b.p.cost += best[len(cuts)].cost
	}
	for i := len(cuts); i > 0; i = best[i].from {
		var members []uint32
		for _, m := range byCut[best[i].from:i] {
			members = append(members, m...)
		}
		b.build(members, best[i], limit)
	}
}

func (b *builder) build(list []uint32, c choice, limit int) {
	if len(list) == 0 {
		return
	}
	if c.stride > 0 {
		b.class(list, c.q, c.stride, limit)
		return
	}
	for _, n := range list {
		b.char(n)
	}
}

// choose gives the cheapest way to search a class of patterns of at least so
// many bytes.
func (b *builder) choose(list []uint32, least int) choice {
	if len(list) == 0 {
		return choice{}
	}
	best := choice{cost: b.charCost(list)}
	for q := 2; q <= min(least, 4); q++ {
		stride := least - q + 1
		cost := (costProbe + costHit*b.hitShare(list, q, stride)) / float64(stride)
		if cost < best.cost {
			best = choice{q: q, stride: stride, cost: cost}
		}
	}
	return best
}

// hitShare estimates the share of probes that find their bit set.
func (b *builder) hitShare(list []uint32, q, stride int) float64 {
	b.round++
	step := max(len(list)/sampled, 1)
	sum, grams := 0.0, 0
	for k := 0; k < len(list); k += step {
		n := list[k]
		start, _ := b.window(n, q, stride)
		s, base := b.bytes(n), int(b.p.pats[n].at)
		for off := start; off < start+stride; off++ {
			h := hashOf(gramAt(s[off:], q)) >> (32 - stampBits)
			if b.stamp[h] == b.round {
				continue
			}
			b.stamp[h] = b.round
			sum += float64(b.share(base+off, q))
			grams++
		}
	}
	sum, grams = sum*float64(step), grams*step
	switch {
	case q == 2:
		return min(sum, 1)
	case grams <= smallMost:
		return min(sum+float64(grams)/(64*smallSet), 1)
	}
	return min(sum+float64(grams)/(64*largeSet), 1)
}

// charCost is the cost of searching each pattern by its most seldom byte.
func (b *builder) charCost(list []uint32) float64 {
	cost := 0.0
	for _, n := range list {
		off := b.seldom(n)
		share := float64(b.first[int(b.p.pats[n].at)+off])
		cost += costIndex + share*costStopped
		if c := b.bytes(n)[off]; b.p.pats[n].nocase && c-'a' < 26 {
			cost += costIndex
		}
		if cost > 100 {
			return cost
		}
	}
	return cost
}

// seldom gives the place of the pattern's least common byte.
func (b *builder) seldom(n uint32) int {
	x := &b.p.pats[n]
	best := 0
	for i := range int(x.n) {
		if b.first[int(x.at)+i] < b.first[int(x.at)+best] {
			best = i
		}
	}
	return best
}

// char searches a pattern by its most seldom byte.
func (b *builder) char(n uint32) {
	s, off := b.bytes(n), b.seldom(n)
	c := char{a: s[off], b: s[off], off: off, pat: n}
	if b.p.pats[n].nocase && s[off]-'a' < 26 {
		c.b = s[off] &^ 0x20
	}
	b.p.chars = append(b.p.chars, c)
}
