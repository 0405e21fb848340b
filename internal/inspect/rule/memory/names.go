package memory

// Space is a name space of bits or counters.
type Space uint8

// The name spaces. Hostbits and xbits of one host (track ip_src, ip_dst) share
// SpaceHost, as in Suricata.
const (
	SpaceFlow    Space = iota // flowbits
	SpaceCounter              // flowint
	SpaceHost                 // hostbits; xbits with track ip_src or ip_dst
	SpacePair                 // xbits with track ip_pair
	SpaceTx                   // xbits with track tx
	numSpaces
)

// Names numbers the names that the rules of a set use, from 0 in each space.
// It is filled while rules are compiled and read-only afterwards.
type Names struct {
	numbers [numSpaces]map[string]uint32
	names   [numSpaces][]string
}

// Number gives a name its number, a new one when it has none.
func (n *Names) Number(s Space, name string) uint32 {
	if v, ok := n.numbers[s][name]; ok {
		return v
	}
	if n.numbers[s] == nil {
		n.numbers[s] = map[string]uint32{}
	}
	v := uint32(len(n.names[s]))
	n.numbers[s][name] = v
	n.names[s] = append(n.names[s], name)
	return v
}

// Lookup is the number of a name that may have none.
func (n *Names) Lookup(s Space, name string) (uint32, bool) {
	v, ok := n.numbers[s][name]
	return v, ok
}

// Name is the name of a number; "" when there is none.
func (n *Names) Name(s Space, number uint32) string {
	if int(number) < len(n.names[s]) {
		return n.names[s][number]
	}
	return ""
}

// Count is how many names a space has.
func (n *Names) Count(s Space) int { return len(n.names[s]) }

// translate maps numbers of old to those of n; false for names n lacks.
func (n *Names) translate(old *Names, s Space, number uint32) (uint32, bool) {
	return n.Lookup(s, old.Name(s, number))
}
