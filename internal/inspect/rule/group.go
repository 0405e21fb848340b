package rule

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/prefilter"
)

// group finds the rules whose pattern occurs in a buffer.
type group struct {
	searcher prefilter.Searcher
	begin    []uint32 // by pattern: where its rules begin in rules; one more at the end
	rules    []uint32
}

// member is a rule in a group that is being built.
type member struct {
	rule    uint32
	pattern prefilter.Pattern
}

// newGroup compiles the patterns of its members, equal ones once.
func (c *compiler) newGroup(list []member) (*group, error) {
	if len(list) == 0 {
		return nil, nil
	}
	type same struct {
		text          string
		nocase        bool
		offset, depth int
	}
	ids := map[same]uint32{}
	byPattern := make([]uint32, len(list))
	var patterns []prefilter.Pattern
	for i := range list {
		p := list[i].pattern
		k := same{string(p.Bytes), p.NoCase, p.Offset, p.Depth}
		id, ok := ids[k]
		if !ok {
			id = uint32(len(patterns))
			ids[k] = id
			p.ID = id
			patterns = append(patterns, p)
		}
		byPattern[i] = id
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return byPattern[order[i]] < byPattern[order[j]] })
	g := &group{begin: make([]uint32, len(patterns)+1), rules: make([]uint32, len(list))}
	for i, at := range order {
		g.rules[i] = list[at].rule
		g.begin[byPattern[at]+1] = uint32(i + 1)
	}
	var err error
	g.searcher, err = prefilter.Build(patterns, c.frequencies)
	return g, err
}

// of are the rules of a pattern.
func (g *group) of(pattern uint32) []uint32 { return g.rules[g.begin[pattern]:g.begin[pattern+1]] }

// portGroups are the groups for one transport and direction: what is for any
// port, and what is for the port at either end.
type portGroups struct {
	any      []*group               // for any port
	byApp    [protocol.NumIDs]uint8 // by the flow's protocol: which of any
	dst, src *portTable
	joint    []jointGroup // for groups that are usually wanted together
}

// jointGroup is what several groups hold, so that one search does for all.
type jointGroup struct {
	any      uint8
	dst, src uint16
	group    *group
}

// portTable gives each port its group.
type portTable struct {
	index  [65536]uint16 // into groups
	groups []*group      // groups[0] is nil
}

// manyPorts is the size from which a set of ports counts as any: grouping by
// it would gain little and repeat its patterns in every other group.
const manyPorts = 2048

// newPortGroups sorts rules by what their header says of ports.
func (c *compiler) newPortGroups(d packet.Direction, list []member) (portGroups, error) {
	var out portGroups
	var anyPort, dst, src []member
	for _, m := range list {
		h := c.headerOf(m)
		switch {
		case h.both:
			anyPort = append(anyPort, m)
		case h.dport != 0 && c.headers.ports[h.dport].size() < manyPorts:
			dst = append(dst, m)
		case h.sport != 0 && c.headers.ports[h.sport].size() < manyPorts:
			src = append(src, m)
		default:
			anyPort = append(anyPort, m)
		}
	}
	err := c.newAppGroups(&out, anyPort)
	if err != nil {
		return out, err
	}
	if out.dst, err = c.newPortTable(dst, func(h *header) uint16 { return h.dport }); err != nil {
		return out, err
	}
	if out.src, err = c.newPortTable(src, func(h *header) uint16 { return h.sport }); err != nil {
		return out, err
	}
	return out, c.joinPorts(&out, d, anyPort, dst, src)
}

// clientPort stands for the ports that clients take: rules that name one of
// them are rare.
const clientPort = 40000

// joinPorts builds groups of what is searched together in flows of a protocol
// that rules name, on its usual port. Every other flow is searched for its
// protocol and its ports one after the other, with the same outcome.
func (c *compiler) joinPorts(out *portGroups, d packet.Direction, anyPort, dst, src []member) error {
	for i := range c.o.Specs {
		spec := &c.o.Specs[i]
		if len(spec.Ports) == 0 || out.byApp[spec.ID] == out.byApp[protocol.Unknown] {
			continue
		}
		to, from := spec.Ports[0], uint16(clientPort)
		if d == packet.ToClient {
			to, from = from, to
		}
		j := jointGroup{any: out.byApp[spec.ID], dst: out.dst.at(to), src: out.src.at(from)}
		if j.dst == 0 && j.src == 0 || out.together(j.any, j.dst, j.src) != nil {
			continue
		}
		list := c.membersOf(spec.ID, anyPort)
		for _, m := range dst {
			if c.headers.ports[c.headerOf(m).dport].contains(to) {
				list = append(list, m)
			}
		}
		for _, m := range src {
			if c.headers.ports[c.headerOf(m).sport].contains(from) {
				list = append(list, m)
			}
		}
		var err error
		if j.group, err = c.newGroup(list); err != nil {
			return err
		}
		out.joint = append(out.joint, j)
	}
	return nil
}

// membersOf are the members that can match in flows of a protocol.
func (c *compiler) membersOf(app protocol.ID, list []member) []member {
	var part []member
	for _, m := range list {
		if c.fits(m, app) {
			part = append(part, m)
		}
	}
	return part
}

// fits says whether a member can match in flows of a protocol.
func (c *compiler) fits(m member, app protocol.ID) bool {
	s := c.drafts[m.rule].rule.apps
	return s == 0 || s&(1<<app) != 0
}

func (c *compiler) headerOf(m member) *header {
	return &c.headers.headers[c.drafts[m.rule].rule.header]
}

// together is the group that holds what these three do; nil for none.
func (p *portGroups) together(any uint8, dst, src uint16) *group {
	for i := range p.joint {
		if j := &p.joint[i]; j.any == any && j.dst == dst && j.src == src {
			return j.group
		}
	}
	return nil
}

// newAppGroups builds one group for each protocol that some rule names, of its
// rules and of those that name none, and one of the latter alone: a buffer is
// searched once, for what can match in a flow of its protocol.
func (c *compiler) newAppGroups(out *portGroups, list []member) error {
	known := map[string]uint8{}
	for app := range protocol.NumIDs {
		var part []member
		var key []byte
		for i, m := range list {
			if c.fits(m, protocol.ID(app)) {
				part = append(part, m)
				key = binary.AppendUvarint(key, uint64(i))
			}
		}
		id, ok := known[string(key)]
		if !ok {
			g, err := c.newGroup(part)
			if err != nil {
				return err
			}
			id = uint8(len(out.any))
			out.any = append(out.any, g)
			known[string(key)] = id
		}
		out.byApp[app] = id
	}
	return nil
}

// of is the group for any port of a flow's protocol.
func (p *portGroups) of(app protocol.ID) *group { return p.any[p.byApp[app]] }

// newPortTable builds one group for each different set of rules that a port
// can have.
func (c *compiler) newPortTable(list []member, ports func(h *header) uint16) (*portTable, error) {
	if len(list) == 0 {
		return nil, nil
	}
	at := map[uint16][]int{} // port to members
	for i, m := range list {
		for _, s := range c.headers.ports[ports(&c.headers.headers[c.drafts[m.rule].rule.header])] {
			for p := int(s.lo); p <= int(s.hi); p++ {
				at[uint16(p)] = append(at[uint16(p)], i)
			}
		}
	}
	t := &portTable{groups: []*group{nil}}
	known := map[string]uint16{}
	for p := range 65536 {
		members := at[uint16(p)]
		if len(members) == 0 {
			continue
		}
		key := fmt.Sprint(members)
		id, ok := known[key]
		if !ok {
			part := make([]member, len(members))
			for i, m := range members {
				part[i] = list[m]
			}
			g, err := c.newGroup(part)
			if err != nil {
				return nil, err
			}
			id = uint16(len(t.groups))
			t.groups = append(t.groups, g)
			known[key] = id
		}
		t.index[p] = id
	}
	return t, nil
}

func (t *portTable) of(port uint16) *group {
	if t == nil {
		return nil
	}
	return t.groups[t.index[port]]
}

// at is the number of the port's group; 0 for none.
func (t *portTable) at(port uint16) uint16 {
	if t == nil {
		return 0
	}
	return t.index[port]
}

// group is a group by its number.
func (t *portTable) group(n uint16) *group {
	if n == 0 {
		return nil
	}
	return t.groups[n]
}
