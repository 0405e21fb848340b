package rule

import "slices"

// Ports is a closed range of ports.
type Ports struct{ Low, High uint16 }

// Reach is what a packet must be for any rule of a Set to match on it or on a
// flow that it belongs to, so that others need not be captured at all. A packet
// of TCP or UDP counts when one of its two ports is in the list. Rules that a
// small list cannot tell make it longer, never shorter.
type Reach struct {
	TCP, UDP []Ports // sorted, apart from each other; all ports are one range
	Other    bool    // packets of anything else
}

// maxReach bounds the ranges of a list; with more, all ports count.
const maxReach = 24

// Reach looks through all rules.
func (s *Set) Reach() Reach {
	var tcp, udp portSet
	r := Reach{Other: len(s.broken) > 0}
	for i := range s.rules {
		over := s.rules[i].over
		ports := s.ends(s.headers[s.rules[i].header])
		if over&overTCP != 0 {
			tcp = append(tcp, ports...)
		}
		if over&overUDP != 0 {
			udp = append(udp, ports...)
		}
		r.Other = r.Other || over&^(overTCP|overUDP) != 0
	}
	r.TCP, r.UDP = tcp.list(), udp.list()
	return r
}

// ends are the ports of which a packet of either direction has one.
func (s *Set) ends(h header) portSet {
	if h.both {
		return slices.Concat(s.ports[h.sport], s.ports[h.dport])
	}
	if p := s.ports[h.dport]; !p.isAny() && p.size() <= s.ports[h.sport].size() {
		return p
	}
	return s.ports[h.sport]
}

func (s portSet) list() []Ports {
	var out []Ports
	for _, p := range joinPorts(s) {
		out = append(out, Ports{p.lo, p.hi})
	}
	if len(out) > maxReach {
		return []Ports{{0, 65535}}
	}
	return out
}
