package flood

import "net/netip"

// groupLevels are the prefix lengths, for IPv4 and IPv6, by which destinations
// are put together to see carpet bombing; the last puts all together.
var groupLevels = [...][2]int{{24, 64}, {16, 48}, {0, 0}}

const numLevels = len(groupLevels)

const (
	// minMembers is the least number of addresses of a carpet.
	minMembers = 4
	// single is the share of the packets that a few single targets may have
	// before they are told one by one.
	single = 0.6
	// manyUnits is how many flooded units make a prefix the target even when
	// each would be told alone; over the whole Internet that would be a shape
	// without a destination, so there it is far more.
	manyUnits    = 4
	manyUnitsAll = 64
)

// group is what one device sends to the addresses of one prefix.
type group struct {
	dev     uint32
	dst     netip.Prefix // zero: all
	parent  int32
	members int
	bytes   float32
	kinds   [numKinds]values
	units   [numKinds]int32   // flooded targets or groups below
	unitSum [numKinds]float32 // what they get
	trips   [numKinds]bool
}

type groupKey struct {
	targetKey
	level uint8
}

type groups struct {
	index  map[groupKey]int32
	levels [numLevels][]group
	of     []int32 // group of each target in the first level, -1 for none
}

// judgeGroups finds floods spread over the addresses of one prefix: from the
// single addresses upward, each level says whether it is a better target than
// what is below it; then the widest are told.
func (d *Detector) judgeGroups() {
	g := &d.scratch.groups
	clear(g.index)
	g.of = g.of[:0]
	for l := range g.levels {
		g.levels[l] = g.levels[l][:0]
	}
	for i := range d.scratch.targets {
		g.of = append(g.of, d.joinGroups(&d.scratch.targets[i]))
	}
	for l := range g.levels {
		for i := range g.levels[l] {
			d.judgeGroup(&g.levels[l][i], l)
		}
	}
	for l := numLevels - 1; l >= 0; l-- {
		for i := range g.levels[l] {
			d.startGroup(&g.levels[l][i], l)
		}
	}
	for i, at := range g.of {
		if at < 0 {
			continue
		}
		for k, taken := range g.levels[0][at].trips {
			t := &d.scratch.targets[i]
			t.taken[k] = t.taken[k] || taken
		}
	}
}

// joinGroups adds what is not told yet of a target to its groups.
func (d *Detector) joinGroups(t *target) int32 {
	open := false
	for k := range t.kinds {
		open = open || !t.taken[k] && t.kinds[k].last2() > 0
	}
	if !open {
		return -1
	}
	first := int32(-1)
	var below *group
	for l := range groupLevels {
		at := d.group(t, l)
		g := &d.scratch.groups.levels[l][at]
		g.take(t, l)
		if below != nil {
			below.parent = at
		} else {
			first = at
		}
		below = g
	}
	return first
}

func (g *group) take(t *target, level int) {
	g.members++
	g.bytes += t.bytes
	for k := range t.kinds {
		if t.taken[k] {
			continue
		}
		g.kinds[k].add(&t.kinds[k])
		if level == 0 && t.trips[k] {
			g.units[k]++
			g.unitSum[k] += t.kinds[k].last2()
		}
	}
}

// group gives the group of a target at a level, making it.
func (d *Detector) group(t *target, level int) int32 {
	s := &d.scratch.groups
	a := t.dst.Addr()
	bits := groupLevels[level][0]
	if !a.Is4() {
		bits = groupLevels[level][1]
	}
	var p netip.Prefix
	key := groupKey{targetKey{dev: t.dev}, uint8(level)}
	if bits > 0 {
		p = netip.PrefixFrom(a, bits).Masked()
		key.dst = p.Addr().As16()
	}
	at, ok := s.index[key]
	if !ok {
		at = int32(len(s.levels[level]))
		s.index[key] = at
		s.levels[level] = append(s.levels[level], group{dev: t.dev, dst: p, parent: -1})
	}
	return at
}

// judgeGroup says whether a prefix as a whole is flooded rather than a few
// units in it, and tells the level above.
func (d *Detector) judgeGroup(g *group, level int) {
	dev := &d.devices.slots[g.dev]
	for k := range kind(numKinds) {
		sum := g.kinds[k].last2()
		if sum == 0 {
			continue
		}
		g.trips[k] = d.groupTrips(g, dev, k, level)
		units, unitSum := g.units[k], g.unitSum[k]
		if g.trips[k] {
			units, unitSum = 1, sum
		}
		if g.parent >= 0 {
			up := &d.scratch.groups.levels[level+1][g.parent]
			up.units[k] += units
			up.unitSum[k] += unitSum
		}
	}
}

func (d *Detector) groupTrips(g *group, dev *device, k kind, level int) bool {
	factor, many := float32(1), int32(manyUnits)
	if level == numLevels-1 {
		factor, many = spread, manyUnitsAll
	}
	if g.members < minMembers || k == kindHTTP || !d.trips(dev, k, &g.kinds[k], factor, true) {
		return false
	}
	return g.units[k] > many || g.unitSum[k] < single*g.kinds[k].last2()
}

// startGroup tells the floods of a group unless a wider one told them.
func (d *Detector) startGroup(g *group, level int) {
	var above *[numKinds]bool
	if g.parent >= 0 {
		above = &d.scratch.groups.levels[level+1][g.parent].trips
	}
	for k := range kind(numKinds) {
		if above != nil && above[k] {
			g.trips[k] = true // what is below is told too
		} else if g.trips[k] {
			t := target{dev: g.dev, dst: g.dst, kinds: g.kinds, bytes: g.bytes}
			d.start(&t, k)
		}
	}
}
