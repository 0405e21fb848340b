package memory

// Flows remembers flowbits and flowints by the slot of the flow table.
type Flows struct {
	heads []int32 // by slot: first entry, 0 for none
	slab  []flowEntry
	free  int32
	live  int
	max   int
}

type flowEntry struct {
	key   uint32 // number, with the top bit for counters
	value uint32
	next  int32
}

const counterBit = 1 << 31

// NewFlows makes a memory of at most max bits and counters over all flows;
// 0 is 262144. What does not fit is forgotten at once (Set is then without effect).
func NewFlows(max int) *Flows {
	if max <= 0 {
		max = 1 << 18
	}
	return &Flows{slab: make([]flowEntry, 1), max: max}
}

func (f *Flows) find(slot int32, key uint32) *flowEntry {
	if slot < 0 || int(slot) >= len(f.heads) {
		return nil
	}
	for i := f.heads[slot]; i != 0; i = f.slab[i].next {
		if f.slab[i].key == key {
			return &f.slab[i]
		}
	}
	return nil
}

func (f *Flows) add(slot int32, key, value uint32) {
	if slot < 0 || f.live >= f.max {
		return
	}
	for int(slot) >= len(f.heads) {
		f.heads = append(f.heads, 0)
	}
	i := f.free
	if i != 0 {
		f.free = f.slab[i].next
	} else {
		i = int32(len(f.slab))
		f.slab = append(f.slab, flowEntry{})
	}
	f.slab[i] = flowEntry{key: key, value: value, next: f.heads[slot]}
	f.heads[slot] = i
	f.live++
}

func (f *Flows) remove(slot int32, key uint32) {
	if slot < 0 || int(slot) >= len(f.heads) {
		return
	}
	for at := &f.heads[slot]; *at != 0; at = &f.slab[*at].next {
		if i := *at; f.slab[i].key == key {
			*at = f.slab[i].next
			f.slab[i].next, f.free = f.free, i
			f.live--
			return
		}
	}
}

// Has says whether a flowbit is set.
func (f *Flows) Has(slot int32, bit uint32) bool { return f.find(slot, bit) != nil }

// Set sets a flowbit.
func (f *Flows) Set(slot int32, bit uint32) {
	if f.find(slot, bit) == nil {
		f.add(slot, bit, 0)
	}
}

// Unset clears a flowbit.
func (f *Flows) Unset(slot int32, bit uint32) { f.remove(slot, bit) }

// Toggle turns a flowbit over.
func (f *Flows) Toggle(slot int32, bit uint32) {
	if f.find(slot, bit) != nil {
		f.remove(slot, bit)
		return
	}
	f.add(slot, bit, 0)
}

// Counter is a flowint's value; false when it was never set.
func (f *Flows) Counter(slot int32, counter uint32) (uint32, bool) {
	if e := f.find(slot, counter|counterBit); e != nil {
		return e.value, true
	}
	return 0, false
}

// SetCounter sets a flowint.
func (f *Flows) SetCounter(slot int32, counter, value uint32) {
	if e := f.find(slot, counter|counterBit); e != nil {
		e.value = value
		return
	}
	f.add(slot, counter|counterBit, value)
}

// Each calls yield with the bits (counter false) and counters of a flow, the
// latest first, as eve.json's metadata shows them.
func (f *Flows) Each(slot int32, yield func(number uint32, counter bool, value uint32)) {
	if slot < 0 || int(slot) >= len(f.heads) {
		return
	}
	for i := f.heads[slot]; i != 0; i = f.slab[i].next {
		e := f.slab[i]
		yield(e.key&^counterBit, e.key&counterBit != 0, e.value)
	}
}

// Forget drops everything of a flow.
func (f *Flows) Forget(slot int32) {
	if slot < 0 || int(slot) >= len(f.heads) {
		return
	}
	for f.heads[slot] != 0 {
		i := f.heads[slot]
		f.heads[slot] = f.slab[i].next
		f.slab[i].next, f.free = f.free, i
		f.live--
	}
}

// Rename goes over to another set's numbers; names it lacks are forgotten.
func (f *Flows) Rename(old, now *Names) {
	for slot := range f.heads {
		for at := &f.heads[slot]; *at != 0; {
			i := *at
			e := &f.slab[i]
			space := SpaceFlow
			if e.key&counterBit != 0 {
				space = SpaceCounter
			}
			if n, ok := now.translate(old, space, e.key&^counterBit); ok {
				e.key = n | e.key&counterBit
				at = &e.next
				continue
			}
			*at = e.next
			e.next, f.free = f.free, i
			f.live--
		}
	}
}
