package xdp

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
)

// ruleTable is what user space keeps of the rules in force: which slot of
// the kernel's table each has, and which slots are free. Slots of rules that
// went stay untouched until the next change, because a packet may still be
// looking at them.
type ruleTable struct {
	slots map[datapath.RuleID]uint16
	free  []uint16
	stale []uint16
	next  uint32 // generation that the next change writes
}

func (r *ruleTable) inForce() iter.Seq2[uint16, datapath.RuleID] {
	return func(yield func(uint16, datapath.RuleID) bool) {
		for id, slot := range r.slots {
			if !yield(slot, id) {
				return
			}
		}
	}
}

// adoptRules rebuilds the rule table from what the kernel holds; slots that
// an unfinished change filled become free.
func (d *Datapath) adoptRules() error {
	generation := d.t.config.RulesGeneration & 1
	d.rules = ruleTable{slots: map[datapath.RuleID]uint16{}, next: generation ^ 1}
	held := make([]bool, d.t.slots)
	var key ruleKey
	var chain ruleChain
	it := d.t.maps["rule_index"].Iterate()
	for it.Next(&key, &chain) {
		if uint32(key.Generation) != generation {
			continue
		}
		for _, slot := range chain.Slot[:min(chain.N, maxChain)] {
			held[slot] = true
			d.rules.slots[datapath.RuleID(d.t.rules[slot].ID)] = slot
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read rules in force: %w", err)
	}
	for slot := range held {
		if !held[slot] {
			d.t.rules[slot].Used = 0
			d.rules.free = append(d.rules.free, uint16(slot))
		}
	}
	return nil
}

// SetRules implements datapath.Datapath. A rule whose deadline alone changed
// keeps its counts. All rules together may use at most 16 combinations of
// fields and prefix lengths, and at most 12 may differ only in length, flags
// or verdict.
func (d *Datapath) SetRules(rules []datapath.Rule) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	d.clock.sync()
	compiled, err := d.compileRules(rules)
	if err != nil {
		return fmt.Errorf("xdp: set rules: %w", err)
	}
	if err := d.reclaim(); err != nil {
		return fmt.Errorf("xdp: set rules: %w", err)
	}
	plan, err := d.placeRules(compiled)
	if err != nil {
		return fmt.Errorf("xdp: set rules: %w", err)
	}
	if err := d.installPlan(plan); err != nil {
		d.rules.free = append(d.rules.free, plan.taken...)
		return errors.Join(fmt.Errorf("xdp: set rules: %w", err), d.dropGeneration(d.rules.next))
	}
	d.flipRules(plan)
	return nil
}

func (d *Datapath) compileRules(rules []datapath.Rule) ([]compiledRule, error) {
	if len(rules) > int(d.t.slots)/2 {
		return nil, fmt.Errorf("%d rules, the table takes %d", len(rules), d.t.slots/2)
	}
	seen := make(map[datapath.RuleID]bool, len(rules))
	out := make([]compiledRule, 0, len(rules))
	for i := range rules {
		if seen[rules[i].ID] {
			return nil, &datapath.RuleError{Rule: rules[i].ID, Err: errors.New("ID used twice")}
		}
		seen[rules[i].ID] = true
		c, err := compileRule(&rules[i], &d.clock)
		if err != nil {
			return nil, &datapath.RuleError{Rule: rules[i].ID, Err: err}
		}
		out = append(out, c)
	}
	return out, nil
}

// reclaim frees what the last change left for packets under way.
func (d *Datapath) reclaim() error {
	d.grace()
	if err := d.dropGeneration(d.rules.next); err != nil {
		return err
	}
	if err := d.dropBuckets(d.rules.stale); err != nil {
		return err
	}
	for _, slot := range d.rules.stale {
		d.t.rules[slot].Used = 0
	}
	d.rules.free = append(d.rules.free, d.rules.stale...)
	d.rules.stale = nil
	return nil
}

// underWay is longer than any packet stays in a program.
const underWay = 50 * time.Millisecond

// grace waits until no packet is under way that began before the last change.
func (d *Datapath) grace() {
	if time.Since(d.flipped) > underWay {
		return
	}
	// MEMBARRIER_CMD_GLOBAL of linux/membarrier.h waits for an RCU grace
	// period, and programs run inside one.
	const membarrierGlobal = 1
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *Datapath) dropGeneration(generation uint32) error {
	m := d.t.maps["rule_index"]
	var drop []ruleKey
	var key ruleKey
	var chain ruleChain
	it := m.Iterate()
	for it.Next(&key, &chain) {
		if uint32(key.Generation) == generation {
			drop = append(drop, key)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read rule index: %w", err)
	}
	for _, k := range drop {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("clean rule index: %w", err)
		}
	}
	return nil
}

// dropBuckets removes the devices' token buckets of rules that went.
func (d *Datapath) dropBuckets(slots []uint16) error {
	if !slices.ContainsFunc(slots, func(s uint16) bool {
		r := &d.t.rules[s]
		return r.Verdict == uint8(datapath.VerdictLimit) && r.Device == 0
	}) {
		return nil
	}
	m := d.t.maps["device_buckets"]
	var drop []bucketKey
	var key bucketKey
	var tat uint64
	it := m.Iterate()
	for it.Next(&key, &tat) {
		if slices.Contains(slots, uint16(key.Slot)) {
			drop = append(drop, key)
		}
	}
	for _, k := range drop {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("clean token buckets: %w", err)
		}
	}
	return nil
}

// rulePlan is a change of the rules, worked out but not in force.
type rulePlan struct {
	slots  map[datapath.RuleID]uint16
	taken  []uint16 // slots from the free list
	write  map[uint16]*rule
	touch  map[uint16]*rule // unchanged but for the deadline
	tuples tuples
	chains map[ruleKey]*ruleChain
}

func (d *Datapath) placeRules(compiled []compiledRule) (*rulePlan, error) {
	p := &rulePlan{
		slots: make(map[datapath.RuleID]uint16, len(compiled)),
		write: map[uint16]*rule{}, touch: map[uint16]*rule{}, chains: map[ruleKey]*ruleChain{},
	}
	// Rules that drop come first, so that a limit does not spend tokens on
	// what is dropped anyway.
	slices.SortStableFunc(compiled, func(a, b compiledRule) int { return dropFirst(a.rule) - dropFirst(b.rule) })
	for i := range compiled {
		c := &compiled[i]
		slot, held := d.rules.slots[datapath.RuleID(c.rule.ID)]
		if held && sameRule(&d.t.rules[slot], &c.rule) {
			p.touch[slot] = &c.rule
		} else {
			slot = d.rules.free[len(p.taken)]
			p.taken = append(p.taken, slot)
			p.write[slot] = &c.rule
		}
		p.slots[datapath.RuleID(c.rule.ID)] = slot
		if err := p.index(c, slot, d.rules.next); err != nil {
			return nil, &datapath.RuleError{Rule: datapath.RuleID(c.rule.ID), Err: err}
		}
	}
	d.rules.free = d.rules.free[len(p.taken):]
	return p, nil
}

func dropFirst(r rule) int {
	switch datapath.Verdict(r.Verdict) {
	case datapath.VerdictDrop:
		return 0
	case datapath.VerdictLimit:
		return 1
	}
	return 2
}

// sameRule compares all but the deadline.
func sameRule(a, b *rule) bool {
	x, y := *a, *b
	x.Deadline, x.DeadlineWall, y.Deadline, y.DeadlineWall = 0, 0, 0, 0
	return x == y
}

func (p *rulePlan) index(c *compiledRule, slot uint16, generation uint32) error {
	n := slices.Index(p.tuples.T[:p.tuples.N], c.tuple)
	if n < 0 {
		if p.tuples.N == maxTuples {
			return fmt.Errorf("more than %d combinations of fields in use at once", maxTuples)
		}
		n = int(p.tuples.N)
		p.tuples.T[n] = c.tuple
		p.tuples.BySport |= uint32(c.tuple.SportMask)
		p.tuples.N++
	}
	key := c.key
	key.Tuple, key.Generation = uint8(n), uint8(generation)
	chain := p.chains[key]
	if chain == nil {
		chain = &ruleChain{}
		p.chains[key] = chain
	}
	if chain.N == maxChain {
		return fmt.Errorf("more than %d rules that differ only in length, flags or verdict", maxChain)
	}
	chain.Slot[chain.N] = slot
	chain.N++
	return nil
}

// installPlan writes everything beside what is in force.
func (d *Datapath) installPlan(p *rulePlan) error {
	for slot, r := range p.write {
		for cpu := range int(d.t.cpus) {
			d.t.hits[cpu*int(d.t.slots)+int(slot)] = ruleHits{}
		}
		d.t.buckets[slot] = 0
		d.t.rules[slot] = *r
	}
	d.t.tuples[d.rules.next] = p.tuples
	m := d.t.maps["rule_index"]
	for key, chain := range p.chains {
		if err := m.Put(key, chain); err != nil {
			return fmt.Errorf("write rule index: %w", err)
		}
	}
	return nil
}

// flipRules puts the plan in force.
func (d *Datapath) flipRules(p *rulePlan) {
	for slot, r := range p.touch {
		atomic.StoreUint64(&d.t.rules[slot].Deadline, r.Deadline)
		atomic.StoreInt64(&d.t.rules[slot].DeadlineWall, r.DeadlineWall)
	}
	atomic.StoreUint32(&d.t.config.RulesGeneration, d.rules.next)
	d.setFeature(featureRules, len(p.slots) > 0)
	d.lookAgain()
	for id, slot := range d.rules.slots {
		if kept, ok := p.slots[id]; !ok || kept != slot {
			d.rules.stale = append(d.rules.stale, slot)
		}
	}
	d.rules.slots = p.slots
	d.rules.next ^= 1
	d.flipped = time.Now()
}

// Rules implements datapath.Datapath; they come in order of their IDs.
func (d *Datapath) Rules() ([]datapath.Rule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return nil, errClosed
	}
	out := make([]datapath.Rule, 0, len(d.rules.slots))
	for slot := range d.rules.inForce() {
		out = append(out, decompileRule(&d.t.rules[slot]))
	}
	slices.SortFunc(out, func(a, b datapath.Rule) int { return int(a.ID) - int(b.ID) })
	return out, nil
}
