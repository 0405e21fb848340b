package rule

import (
	"cmp"
	"slices"
	"sort"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// build numbers the rules and makes the searchers.
func (c *compiler) build() (*Set, error) {
	s := &Set{
		names: c.names, memory: c.memory, headerTable: c.headers.headerTable, chains: c.chains, frames: c.frames, hashes: c.hashes,
		metas: make([]Meta, len(c.drafts)), rules: make([]rule, len(c.drafts)),
	}
	for i, d := range c.drafts {
		s.metas[i], s.rules[i] = d.meta, d.rule
		d.meta = Meta{}
		c.limit(s, i)
	}
	if err := c.buildPackets(s); err != nil {
		return nil, err
	}
	for i := range s.rules {
		c.buildRaw(s, &s.rules[i])
	}
	return s, c.buildTxs(s)
}

// buildRaw notes whose raw stream must be kept, and whether kinds of files
// are asked for.
func (c *compiler) buildRaw(s *Set, r *rule) {
	raw := r.where&inStream != 0
	for i := range r.steps {
		s.magic = s.magic || r.steps[i].field == protocol.FileMagic
		raw = raw || r.steps[i].kind == stepPayload && r.over&overTCP != 0
	}
	if !raw {
		return
	}
	if r.apps == 0 {
		s.rawAny = true
	}
	s.rawApps |= r.apps
}

// buildPackets sorts the rules about packets and streams.
func (c *compiler) buildPackets(s *Set) error {
	var packets [numTransports][2][]member
	var streams [2][]member
	var always [numTransports][2][]uint32
	var ipOnly []uint32
	for i := range s.rules {
		r := &s.rules[i]
		id := uint32(i)
		switch r.class {
		case classIPOnly:
			ipOnly = append(ipOnly, id)
			continue
		case classApp:
			s.apps = append(s.apps, id)
			continue
		case classFrame:
			c.buildFrame(s, id)
			continue
		case classTx:
			c.buildGate(r, id, &packets, &streams)
			continue
		}
		if r.needs&needDecoder != 0 {
			s.broken = append(s.broken, id)
		}
		m := member{id, c.drafts[i].fast.pattern}
		for d := range packet.Direction(2) {
			if !r.dirs.Has(d) {
				continue
			}
			for t := range numTransports {
				if !r.over.includes(t) || r.where == inStream && t == byTCP {
					continue
				}
				if c.drafts[i].fast.found {
					packets[t][d] = append(packets[t][d], m)
				} else {
					always[t][d] = append(always[t][d], id)
				}
			}
			switch {
			case r.where&inStream == 0:
			case c.drafts[i].fast.found:
				streams[d] = append(streams[d], m)
			default:
				s.alwaysS[d] = append(s.alwaysS[d], id)
			}
		}
	}
	s.rare = newRareIndex(s.addresses)
	s.ipOnly = s.newRuleList(ipOnly)
	for d := range 2 {
		for t := range numTransports {
			s.always[t][d] = s.newRuleList(always[t][d])
		}
	}
	return c.buildGroups(s, &packets, &streams)
}

// buildGroups makes the searchers for packets and streams.
func (c *compiler) buildGroups(s *Set, packets *[numTransports][2][]member, streams *[2][]member) error {
	var err error
	for d := range 2 {
		for t := range numTransports {
			if s.packets[t][d], err = c.newPortGroups(packet.Direction(d), packets[t][d]); err != nil {
				return err
			}
		}
		if s.streams[d], err = c.newPortGroups(packet.Direction(d), streams[d]); err != nil {
			return err
		}
	}
	return nil
}

func (t transports) includes(n transport) bool {
	switch n {
	case byTCP:
		return t&overTCP != 0
	case byUDP:
		return t&overUDP != 0
	}
	return t&^(overTCP|overUDP) != 0
}

// buildGate has a literal of the contents that a rule about transactions looks
// for in packets and streams searched with those of the rules about packets,
// so that the contents are compared only where it occurs.
func (c *compiler) buildGate(r *rule, id uint32, packets *[numTransports][2][]member, streams *[2][]member) {
	at := slices.IndexFunc(r.steps, func(s step) bool { return s.kind == stepPayload })
	if at < 0 || r.twoWay {
		return
	}
	var fast fastPattern
	if fast.try(at, r.steps[at].program, 0); !fast.found {
		return
	}
	r.steps[at].gated = true
	m := member{id, fast.pattern}
	for d := range packet.Direction(2) {
		if !r.dirs.Has(d) {
			continue
		}
		for t := range numTransports {
			if r.over.includes(t) {
				packets[t][d] = append(packets[t][d], m)
			}
		}
		if r.over.includes(byTCP) {
			streams[d] = append(streams[d], m)
		}
	}
}

func (c *compiler) buildFrame(s *Set, id uint32) {
	r := &s.rules[id]
	for _, app := range c.appsIn(r.apps) {
		s.framed[app] = append(s.framed[app], id)
	}
}

// scanKey is what makes two searches of a field the same.
type scanKey struct {
	field protocol.Field
	chain uint16
	dir   packet.Direction
}

// buildTxs sorts the rules about transactions by field, and makes the plan of
// each protocol.
func (c *compiler) buildTxs(s *Set) error {
	members := map[scanKey][]member{}
	apps := map[scanKey]appSet{}
	example := map[scanKey]step{}
	for i := range s.rules {
		r := &s.rules[i]
		if r.class != classTx {
			continue
		}
		fast := &c.drafts[i].fast
		for d := range packet.Direction(2) {
			if !r.dirs.Has(d) {
				continue
			}
			at := d
			if fast.found && !r.steps[fast.step].dirs.Has(d) {
				at = d.Other() // => : the pattern is in the other direction
			}
			if fast.found && at == d && !r.twoWay {
				st := &r.steps[fast.step]
				k := scanKey{st.field, st.chain, d}
				members[k] = append(members[k], member{uint32(i), fast.pattern})
				apps[k] |= c.appsOrAll(r.apps)
				example[k] = *st
				continue
			}
			for _, app := range c.appsIn(c.appsOrAll(r.apps)) {
				s.plans[app][d].always = append(s.plans[app][d].always, uint32(i))
			}
		}
	}
	keys := make([]scanKey, 0, len(members))
	for k := range members {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { // package slices would cost the agent 16 KB
		a, b := keys[i], keys[j]
		return cmp.Or(cmp.Compare(example[a].stage, example[b].stage), cmp.Compare(a.field, b.field), cmp.Compare(a.chain, b.chain), cmp.Compare(a.dir, b.dir)) < 0
	})
	for _, k := range keys {
		g, err := c.newGroup(members[k])
		if err != nil {
			return err
		}
		st := example[k]
		scan := fieldScan{field: k.field, chain: k.chain, stage: st.stage, multi: st.multi, group: g}
		if st.kind == stepStream {
			scan.kind = protocol.KindStream
		}
		for _, app := range c.appsIn(apps[k]) {
			s.plans[app][k.dir].scans = append(s.plans[app][k.dir].scans, uint16(len(s.scans)))
		}
		s.scans = append(s.scans, scan)
	}
	return c.joinFields(s, keys, members)
}

// joinFields has a body that is a file as well searched once for both: in each
// plan file.data and the body are replaced by what searches them together.
func (c *compiler) joinFields(s *Set, keys []scanKey, members map[scanKey][]member) error {
	joined := map[[2]uint16]uint16{}
	for app := range s.plans {
		for d := range s.plans[app] {
			plan := &s.plans[app][d]
			i, j := s.pairOf(plan.scans)
			if j < 0 {
				continue
			}
			pair := [2]uint16{plan.scans[i], plan.scans[j]}
			at, ok := joined[pair]
			if !ok {
				a, b := members[keys[pair[0]]], members[keys[pair[1]]]
				g, err := c.newGroup(append(slices.Clone(a), b...))
				if err != nil {
					return err
				}
				at = uint16(len(s.scans))
				joined[pair] = at
				s.scans = append(s.scans, fieldScan{kind: protocol.KindStream, stage: s.scans[pair[0]].stage, group: g, pair: pair})
			}
			plan.scans[i] = at
			plan.scans = slices.Delete(plan.scans, j, j+1)
		}
	}
	return nil
}

// pairOf finds file.data and another growing field without transforms among
// the scans of a plan; j is -1 when there are no two.
func (s *Set) pairOf(scans []uint16) (i, j int) {
	file := slices.IndexFunc(scans, func(n uint16) bool { return s.scans[n].field == protocol.FileData && s.scans[n].chain == 0 })
	if file < 0 {
		return -1, -1
	}
	body := slices.IndexFunc(scans, func(n uint16) bool {
		x := &s.scans[n]
		return x.kind == protocol.KindStream && x.field != protocol.FileData && x.chain == 0 && x.stage == s.scans[scans[file]].stage
	})
	if body < 0 {
		return -1, -1
	}
	return min(file, body), max(file, body)
}

// appsOrAll turns "any protocol" into a set of all.
func (c *compiler) appsOrAll(s appSet) appSet {
	if s == 0 {
		return ^appSet(0)
	}
	return s
}
