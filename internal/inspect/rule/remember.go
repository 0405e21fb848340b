package rule

import (
	"fmt"
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// memoryTables are the parts of a Set that the memory across packets needs.
type memoryTables struct {
	datasets   []*memory.Dataset
	reputation *memory.Reputation
	limits     *memory.Limits
}

// openMemory reads the configuration's limits, data sets and reputation.
func (c *compiler) openMemory() {
	var problems []memory.Problem
	c.memory.limits, problems = memory.ParseLimits("threshold.config", c.o.Threshold, c.o.AddressVars)
	c.refuseLines(problems)
	if len(c.o.Reputation.Categories) > 0 {
		c.memory.reputation, problems = memory.ParseReputation("categories", c.o.Reputation.Categories, c.o.Reputation.Files)
		c.refuseLines(problems)
	}
	names := make([]string, 0, len(c.o.Datasets))
	for n := range c.o.Datasets {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		d := c.o.Datasets[n]
		spec := datasetSpec{name: n, load: d.Load, state: d.State, memcap: d.MemCap}
		spec.kind, spec.typed = memory.ParseDatasetKind(d.Type)
		if _, err := c.memory.dataset(c, syntax.Token{}, spec); err != nil {
			c.refusals = append(c.refusals, Refusal{File: "datasets", Line: 1, Column: 1, Problem: fmt.Sprintf("%s: %s", n, err.Error())})
		}
	}
}

func (c *compiler) refuseLines(list []memory.Problem) {
	for _, p := range list {
		c.refusals = append(c.refusals, Refusal{File: p.File, Line: p.Line, Column: p.Column, Problem: p.Problem, Mend: p.Mend})
	}
}

// dataset finds or loads a set of values.
func (m *memoryTables) dataset(c *compiler, t syntax.Token, spec datasetSpec) (int, error) {
	for i, d := range m.datasets {
		if d.Name == spec.name {
			if spec.typed && d.Kind != spec.kind {
				return 0, fail(t, "the data set %q is of type %s already", "", spec.name, d.Kind)
			}
			return i, nil
		}
	}
	if !spec.typed {
		return 0, fail(t, "the data set %q has no type", "write type string, md5, sha256, ipv4 or ip", spec.name)
	}
	d := &memory.Dataset{Name: spec.name, Kind: spec.kind, MemCap: spec.memcap, Save: spec.save}
	if spec.state != "" && d.Save == "" {
		d.Save = spec.state
	}
	if err := m.fill(c, t, d, &spec); err != nil {
		return 0, err
	}
	m.datasets = append(m.datasets, d)
	return len(m.datasets) - 1, nil
}

func (m *memoryTables) fill(c *compiler, t syntax.Token, d *memory.Dataset, spec *datasetSpec) error {
	for _, file := range []string{spec.load, spec.state} {
		if file == "" {
			continue
		}
		text, err := c.load(file)
		if err != nil {
			if file == spec.state {
				continue // a state that was never saved
			}
			return fail(t, "the data set %q cannot be read: %s", "", spec.name, err.Error())
		}
		if spec.format == "json" || spec.format == "ndjson" || spec.format == "jsonline" {
			if text, err = jsonValues(text, spec, c.o.JSON); err != nil {
				return fail(t, "the data set %q: %s", "", spec.name, err.Error())
			}
		}
		if problems := d.Load(file, text); len(problems) > 0 {
			return fail(t, "%s", "", problems[0].Error())
		}
	}
	return nil
}

// limit puts the configuration's limits in the place of a rule's own.
func (c *compiler) limit(s *Set, i int) {
	meta := &s.metas[i]
	if l := c.memory.limits.Of(meta.GID, meta.SID); len(l) > 0 {
		s.rules[i].limits = l
	}
	if sup := c.memory.limits.Suppression(meta.GID, meta.SID); !sup.Empty() {
		s.rules[i].suppress = &sup
	}
}

// owner is who a mark belongs to.
func (k *bits) owner(c *Context, tx protocol.Tx) memory.Owner {
	switch k.track {
	case trackDst:
		return memory.Host(c.Packet.Dst)
	case trackPair:
		return memory.Pair(c.Packet.Src, c.Packet.Dst)
	case trackTx:
		n := uint64(0)
		if tx != nil {
			n = tx.Inspection().Number
		}
		return memory.Transaction(c.Flow.ID, n)
	}
	return memory.Host(c.Packet.Src)
}

func (k *bits) has(in *Inspector, c *Context, id uint32) bool {
	if k.space == memory.SpaceFlow {
		return c.Flow != nil && in.flows.Has(c.Flow.Slot, id)
	}
	if k.space == memory.SpaceTx && c.Flow == nil {
		return false
	}
	if k.kind == hostBit && k.track == trackPair {
		return in.bits.Has(memory.Host(c.Packet.Src), id, c.Now) && in.bits.Has(memory.Host(c.Packet.Dst), id, c.Now)
	}
	return in.bits.Has(k.owner(c, in.tx), id, c.Now)
}

// holds is true when any of the marks is set, or any is not.
func (k *bits) holds(in *Inspector, c *Context) bool {
	for _, id := range k.ids {
		if k.has(in, c, id) == (k.command == bitIsSet) {
			return true
		}
	}
	return false
}

func (k *bits) apply(in *Inspector, c *Context, tx protocol.Tx) {
	for _, id := range k.ids {
		switch {
		case k.space == memory.SpaceFlow:
			if c.Flow != nil {
				k.changeFlow(in, c.Flow.Slot, id)
			}
		case k.space == memory.SpaceTx && c.Flow == nil:
		case k.kind == hostBit && k.track == trackPair:
			k.change(in, memory.Host(c.Packet.Src), id, c.Now)
			k.change(in, memory.Host(c.Packet.Dst), id, c.Now)
		default:
			k.change(in, k.owner(c, tx), id, c.Now)
		}
	}
}

func (k *bits) changeFlow(in *Inspector, slot int32, id uint32) {
	switch k.command {
	case bitSet:
		in.flows.Set(slot, id)
	case bitUnset:
		in.flows.Unset(slot, id)
	case bitToggle:
		in.flows.Toggle(slot, id)
	}
}

func (k *bits) change(in *Inspector, o memory.Owner, id uint32, now int64) {
	until := now + int64(k.expire)*1e9
	switch k.command {
	case bitSet:
		in.bits.Set(o, id, now, until)
	case bitUnset:
		in.bits.Unset(o, id, now)
	case bitToggle:
		in.bits.Toggle(o, id, now, until)
	}
}

// holds does the operation on the flow's number, or compares it.
func (k *flowint) holds(in *Inspector, c *Context) bool {
	if c.Flow == nil {
		return false
	}
	slot := c.Flow.Slot
	v, set := in.flows.Counter(slot, k.id)
	n := k.n
	if k.from {
		other, ok := in.flows.Counter(slot, k.other)
		if !ok {
			return false
		}
		n = other
	}
	switch k.op {
	case intIsSet:
		return set
	case intIsNotSet:
		return !set
	case intAssign:
		in.flows.SetCounter(slot, k.id, n)
		return true
	case intAdd:
		in.flows.SetCounter(slot, k.id, v+n)
		return true
	case intSub:
		in.flows.SetCounter(slot, k.id, v-n)
		return true
	}
	return set && k.compare(v, n)
}

func (k *flowint) compare(v, n uint32) bool {
	switch k.op {
	case intLess:
		return v < n
	case intLessEqual:
		return v <= n
	case intEqual:
		return v == n
	case intNotEqual:
		return v != n
	case intGreater:
		return v > n
	}
	return v >= n
}

func (k *tagging) apply(in *Inspector, c *Context, _ protocol.Tx) {
	in.tags.Start((*memory.Tag)(k), &in.who, c.Now)
}

// whoOf tells memory whose packet it is.
func whoOf(p *packet.Packet, c *Context) memory.Who {
	w := memory.Who{Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort}
	if c.Flow != nil {
		w.Flow = c.Flow.ID
	}
	return w
}
