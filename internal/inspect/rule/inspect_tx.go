package rule

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// stepBits is how much of a pending entry tells the step to go on with.
const stepBits = 6

// firedStep marks a pending entry of a rule that has fired and may again: see
// repeatFrom.
const firedStep = 1<<stepBits - 1

// transformed is what a chain of transforms made of a field.
type transformed struct {
	field protocol.Field
	chain uint16
	dir   packet.Direction
	index int
	value []byte
	work  payload.Workspace
}

// txRules runs the rules about the transactions under inspection.
func (in *Inspector) txRules(c *Context) {
	for _, tx := range c.Txs {
		in.transform = in.transform[:0]
		in.inspectTx(c, tx)
	}
	in.tx = nil
}

// inspectTx runs the rules about one transaction in one direction. Numbers of
// rules are shifted by stepBits, the step to begin with below.
func (in *Inspector) inspectTx(c *Context, tx protocol.Tx) {
	ins, d := tx.Inspection(), c.Dir
	if ins.Skip[d] {
		return
	}
	stage := tx.Stage(d)
	if ins.Epoch != in.epoch {
		in.renew(ins)
	}
	old := ins.Inspected[d]
	plan := &in.set.plans[c.App][d]
	in.tx = tx
	in.begin()
	in.pending = in.pending[:0]
	for _, p := range ins.Pending[d] {
		in.seen[p>>stepBits] = in.generation
		in.pending = append(in.pending, p)
	}
	ins.Pending[d] = ins.Pending[d][:0]
	if stage != protocol.StageNone {
		if old == protocol.StageNone {
			in.add(plan.always)
		}
		for _, at := range plan.scans {
			s := &in.set.scans[at]
			if s.stage > stage {
				break // they are sorted by stage
			}
			in.scanField(s, tx, d, old, stage, c.Last)
		}
	}
	for _, id := range in.candidates {
		in.pending = append(in.pending, id<<stepBits)
	}
	slices.Sort(in.pending)
	for _, p := range in.pending {
		in.txRule(c, tx, ins, p>>stepBits, int(p&(1<<stepBits-1)))
	}
	ins.Inspected[d], ins.Fresh[d] = stage, false
}

// scanField searches what is new of a field.
func (in *Inspector) scanField(s *fieldScan, tx protocol.Tx, d packet.Direction, old, stage protocol.Stage, last bool) {
	switch {
	case s.pair[0] != s.pair[1]:
		in.scanPair(s, tx, d, last)
	case s.kind == protocol.KindStream:
		in.scanStream(s, tx, d, last)
	case s.field == protocol.FileName || s.field == protocol.FileMagic:
		in.scanFiles(s, tx, d)
	case old < s.stage:
		for i := 0; ; i++ {
			v, ok := tx.Bytes(s.field, d, i)
			if !ok {
				return
			}
			in.search(s.group, in.changed(s.field, s.chain, d, i, v), 0)
			if !s.multi {
				return
			}
		}
	}
}

// scanFiles searches names and kinds of files, each once it is there.
func (in *Inspector) scanFiles(s *fieldScan, tx protocol.Tx, d packet.Direction) {
	for i, f := range tx.Files(d) {
		p := progress(tx.Inspection(), s.field|progressOf(s.chain), d, i)
		v, final := in.fileBytes(f, s.field)
		if p.Final || v == nil || uint64(len(v)) == p.Upto && !final {
			continue
		}
		p.Upto, p.Final = uint64(len(v)), final
		in.search(s.group, in.changed(s.field, s.chain, d, i, v), 0)
	}
}

// progressOf keeps the progress of a field with transforms apart from that of
// the plain field.
func progressOf(chain uint16) protocol.Field { return protocol.Field(chain) << 10 }

// scanStream searches the new bytes of growing fields, with enough before them
// for patterns that lie across.
func (in *Inspector) scanStream(s *fieldScan, tx protocol.Tx, d packet.Direction, last bool) {
	for i := 0; ; i++ {
		w, ok := window(tx, s.field, d, i)
		if !ok {
			return
		}
		p := progress(tx.Inspection(), s.field|progressOf(s.chain), d, i)
		if end := w.Offset + uint64(len(w.Data)); end > p.Upto || (w.Final || last) && !p.Final {
			data, base := w.Data, w.Offset
			if s.chain != 0 {
				data = in.changed(s.field, s.chain, d, i, data)
			} else {
				data, base = fresh(w, p.Upto)
			}
			in.search(s.group, data, base)
			p.Upto, p.Final = end, w.Final || last
		}
		if !s.multi {
			return
		}
	}
}

// fresh is what of a window was not searched up to an offset, with enough
// before it for patterns that lie across.
func fresh(w protocol.Window, upto uint64) (data []byte, base uint64) {
	if upto <= w.Offset+maxPattern {
		return w.Data, w.Offset
	}
	base = min(w.Offset+uint64(len(w.Data)), upto-maxPattern)
	return w.Data[base-w.Offset:], base
}

// scanPair searches two growing fields at once where they are the same bytes,
// as a body is that is a file, and what is left of each by itself.
func (in *Inspector) scanPair(s *fieldScan, tx protocol.Tx, d packet.Direction, last bool) {
	a, b := &in.set.scans[s.pair[0]], &in.set.scans[s.pair[1]]
	v, _ := window(tx, a.field, d, 0)
	w, _ := window(tx, b.field, d, 0)
	if n := len(v.Data); n > 0 && n == len(w.Data) && &v.Data[0] == &w.Data[0] && v.Offset == w.Offset && v.Final == w.Final {
		ins := tx.Inspection()
		progress(ins, a.field, d, 0)
		q := progress(ins, b.field, d, 0)
		p := progress(ins, a.field, d, 0)
		end := v.Offset + uint64(n)
		if p.Upto == q.Upto && p.Final == q.Final && end > p.Upto {
			data, base := fresh(v, p.Upto)
			in.search(s.group, data, base)
			p.Upto, p.Final = end, v.Final || last
			q.Upto, q.Final = p.Upto, p.Final
		}
	}
	in.scanStream(a, tx, d, last)
	in.scanStream(b, tx, d, last)
}

// progress finds or makes the note of how far a field was inspected.
func progress(ins *protocol.Inspection, f protocol.Field, d packet.Direction, i int) *protocol.StreamProgress {
	list := ins.Scanned[d]
	for j := range list {
		if list[j].Field == f && int(list[j].Index) == i {
			return &list[j]
		}
	}
	ins.Scanned[d] = append(list, protocol.StreamProgress{Field: f, Index: uint16(i)})
	return &ins.Scanned[d][len(list)]
}

// window is the i-th instance of a growing field.
func window(tx protocol.Tx, f protocol.Field, d packet.Direction, i int) (protocol.Window, bool) {
	if f != protocol.FileData {
		return tx.Window(f, d, i)
	}
	files := tx.Files(d)
	if i >= len(files) {
		return protocol.Window{}, false
	}
	return files[i].Data, true
}

// changed applies transforms to a value, each once for a transaction.
func (in *Inspector) changed(f protocol.Field, chain uint16, d packet.Direction, i int, v []byte) []byte {
	if chain == 0 {
		return v
	}
	for j := range in.transform {
		t := &in.transform[j]
		if t.field == f && t.chain == chain && t.dir == d && t.index == i {
			return t.value
		}
	}
	n := len(in.transform)
	if n < cap(in.transform) {
		in.transform = in.transform[:n+1]
	} else {
		in.transform = append(in.transform, transformed{})
	}
	t := &in.transform[n]
	t.field, t.chain, t.dir, t.index = f, chain, d, i
	t.value = in.set.chains[chain].Apply(v, &t.work)
	return t.value
}

// txRule goes on with one rule for one transaction.
func (in *Inspector) txRule(c *Context, tx protocol.Tx, ins *protocol.Inspection, id uint32, from int) {
	r := &in.set.rules[id]
	if slices.Contains(ins.Alerted[c.Dir], id) || from == 0 && !in.may(r, c) {
		return
	}
	stage := tx.Stage(c.Dir)
	if from == firedStep {
		if !ins.Fresh[c.Dir] && stage < protocol.StageDone {
			ins.Pending[c.Dir] = append(ins.Pending[c.Dir], id<<stepBits|firedStep)
			return
		}
		from = 0
	}
	in.state.Forget()
	if r.shared {
		from = 0
	}
	for i := from; i < len(r.steps); i++ {
		switch in.step(c, tx, id, &r.steps[i]) {
		case no:
			return
		case wait:
			if r.shared || i >= firedStep {
				i = 0
			}
			ins.Pending[c.Dir] = append(ins.Pending[c.Dir], id<<stepBits|uint32(i))
			return
		}
	}
	for _, k := range r.late {
		if !k.holds(in, c) {
			return
		}
	}
	if ins.Fresh[c.Dir] && from == 0 && stage > r.again && stage < protocol.StageDone {
		ins.Pending[c.Dir] = append(ins.Pending[c.Dir], id<<stepBits|firedStep)
	} else {
		in.settle(r, ins, c.Dir, stage, id)
	}
	in.hit(id, r, tx, false)
}

// hookStep is a rule that names nothing but a hook: it fires when the
// transaction comes to it, and again while it is there whenever more of the
// stream was handed on.
func hookStep(c *Context, tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	p := progress(tx.Inspection(), hookProgress|protocol.Field(s.stage), d, 0)
	now := c.Flow.Delivered[d] + 1
	if c.Flow.Proto != 6 {
		now = c.Flow.Packets[d.Other()] + 1
	}
	if p.Upto == now {
		return undecided
	}
	p.Upto = now
	return yes
}

// hookProgress is beyond every field.
const hookProgress protocol.Field = 0xff00

// settle notes that a rule has fired. Rules that name nothing but a hook go on.
func (in *Inspector) settle(r *rule, ins *protocol.Inspection, d packet.Direction, stage protocol.Stage, id uint32) {
	first := &r.steps[0]
	if first.kind == stepStage && len(r.steps) == 1 && stage != protocol.StageDone {
		if stage == first.stage {
			ins.Pending[d] = append(ins.Pending[d], id<<stepBits)
		}
		return
	}
	ins.Alerted[d] = append(ins.Alerted[d], id)
}

// step tries one step of a rule.
func (in *Inspector) step(c *Context, tx protocol.Tx, id uint32, s *step) answer {
	r := &in.set.rules[id]
	d := c.Dir
	if !s.dirs.Has(d) {
		d = d.Other()
	}
	stage := tx.Stage(d)
	over := stage == protocol.StageDone || c.Last && d == c.Dir
	if stage < s.stage {
		switch {
		case !over:
			return wait
		case s.program != nil && s.program.MatchAbsent():
			return yes
		}
		return no
	}
	undecided := wait
	if over {
		undecided = no
	}
	switch s.kind {
	case stepBytes:
		return in.bytesStep(tx, s, d, undecided)
	case stepStream:
		return in.streamStep(c, tx, s, d, undecided)
	case stepUint:
		if s.field == protocol.FileSize {
			return in.sizeStep(tx, s, d, undecided)
		}
		return verdictOf(s.number.Match(tx, s.field, d), no)
	case stepTest:
		if s.stage != protocol.StageNone {
			undecided = no
		}
		return verdictOf(s.test(tx, d), undecided)
	case stepEvent:
		return verdictOf(tx.Inspection().Events.Has(s.event), undecided)
	case stepPayload:
		if s.gated && in.gate[id] != in.packet {
			return undecided
		}
		_, ok := in.matchPayload(s.program, inPacket|inStream, c)
		return verdictOf(ok, undecided)
	case stepFile:
		return filesStep(tx, s, d, undecided)
	case stepStage:
		if len(r.steps) == 1 && len(r.late) == 0 {
			return hookStep(c, tx, s, d, undecided)
		}
	}
	return yes
}

func verdictOf(ok bool, otherwise answer) answer {
	if ok {
		return yes
	}
	return otherwise
}

// bytesStep matches a field; of several values one must match.
func (in *Inspector) bytesStep(tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	in.state.Final = true
	if s.field == protocol.FileName || s.field == protocol.FileMagic {
		return in.fileStep(tx, s, d, undecided)
	}
	i := 0
	for ; i == 0 || s.multi; i++ {
		v, ok := tx.Bytes(s.field, d, i)
		if !ok {
			break
		}
		if s.program.Match(in.changed(s.field, s.chain, d, i, v), 0, &in.state) {
			return yes
		}
	}
	if i == 0 && s.program.MatchAbsent() {
		return yes
	}
	return no
}

// streamStep matches a growing field.
func (in *Inspector) streamStep(c *Context, tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	i := 0
	for ; i == 0 || s.multi; i++ {
		w, ok := window(tx, s.field, d, i)
		if !ok {
			break
		}
		in.state.Final = w.Final || c.Last
		if len(w.Data) == 0 && !in.state.Final {
			undecided = wait
			continue
		}
		if s.program.Match(in.changed(s.field, s.chain, d, i, w.Data), w.Offset, &in.state) {
			return yes
		}
		if !in.state.Final {
			undecided = wait
		}
	}
	if i == 0 && undecided == no && s.program.MatchAbsent() {
		return yes
	}
	return undecided
}
