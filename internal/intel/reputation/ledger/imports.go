package ledger

import (
	"errors"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Import is a new edition of what one source says, laid beside the one in
// force. Nothing of it counts before Commit. It writes to the ledger: its
// methods but Change need the writer's lock, which may be given back between
// calls. An Import ends with Commit or Abort; until then it takes room.
type Import struct {
	ledger  *Ledger
	source  reputation.SourceID
	edition uint16
	now     uint32
	partial bool
	done    bool
	change  Change
}

// Change says what an Import would do to what its source says. Own, Benign and
// Inside count entries that speak against an object, each once.
type Change struct {
	Before  int // entries of the source in force
	After   int // entries of the new edition
	Added   int // entries that the source did not have
	Removed int // entries that it no longer has
	Doubles int // claims of an object that the edition had already; they were joined
	Refused int // claims that cannot be kept
	Own     int // entries that are, hold or lie inside something on the operator's allow list
	Benign  int // entries that are, or hold, an object that some source calls benign
	Inside  int // entries that lie inside something benign; they are damped, but no sign of a bad feed
	// Examples are some of the entries that Own and Benign count.
	Examples []reputation.Object
}

// maxExamples bounds Change.Examples.
const maxExamples = 8

// Import begins a new edition of a source as seen at a time in seconds since
// 1970. It fails for unknown sources and when too many imports are open.
func (l *Ledger) Import(id reputation.SourceID, now uint32) (*Import, error) {
	if id == 0 || int(id) >= len(l.sources) || l.sources[id].Name == "" {
		return nil, errors.New("reputation: an import of an unknown source: register it first")
	}
	e := l.newEdition(id)
	if e == 0 {
		return nil, errors.New("reputation: too many imports are open: commit or abort some")
	}
	m := &Import{ledger: l, source: id, edition: e, now: now}
	if s := &l.sources[id]; s.live != 0 {
		m.change.Before = l.editions[s.live].entries
	}
	return m, nil
}

// Merge begins an import that adds to what the source says: entries that it
// does not name stay until their time is over.
func (l *Ledger) Merge(id reputation.SourceID, now uint32) (*Import, error) {
	m, err := l.Import(id, now)
	if err == nil {
		m.partial = true
	}
	return m, err
}

// newEdition gives a free edition's number; 0 is none.
func (l *Ledger) newEdition(id reputation.SourceID) uint16 {
	e := edition{source: id, state: pending}
	for i := 1; i < len(l.editions); i++ {
		if l.editions[i].state == free {
			l.editions[i] = e
			return uint16(i)
		}
	}
	if len(l.editions) >= 4*maxSources {
		return 0
	}
	l.editions = append(l.editions, e)
	return uint16(len(l.editions) - 1)
}

// Add adds a claim; c.Source is not looked at, and nothing of c is kept by
// reference. Unknown times become the import's, times ahead of it too. The
// error is a *Refusal when only this claim cannot be kept, or *Full.
func (m *Import) Add(c *reputation.Claim) error {
	l := m.ledger
	kind := c.Kind
	if kind == reputation.KindNone {
		kind = l.sources[m.source].Kind
	}
	switch {
	case m.done:
		return errors.New("reputation: the import has ended")
	case kind == reputation.KindNone || kind >= reputation.NumKinds:
		return m.refuse(c, "it is not said what is known of it", "give the feed a kind")
	}
	key, problem := appendKey(l.scratch[:0], &c.Object)
	l.scratch = key
	if problem != "" {
		return m.refuse(c, problem, "read it with package canon")
	}
	n := m.record(c, kind)
	if expired(&n, &l.sources[m.source], c.Object.Type, m.now) {
		return m.refuse(c, "its time is over", "nothing needs to be done")
	}
	if l.claims.grows() {
		if err := l.room(chunkSize * 24); err != nil {
			return err
		}
	}
	id, _, err := l.insert(key)
	if err != nil {
		return err
	}
	m.lay(id, &n, c, key)
	return nil
}

// record brings a claim into the form that is kept.
func (m *Import) record(c *reputation.Claim, kind reputation.Kind) claim {
	n := claim{edition: m.edition, kind: uint8(kind), confidence: min(c.Confidence, 100), until: c.Until}
	n.first, n.last = min(c.First, m.now), min(c.Last, m.now)
	if n.last == 0 {
		n.last = m.now
	}
	if n.first != 0 {
		n.first = min(n.first, n.last)
	}
	n.note = m.ledger.notes.put(c.Note)
	return n
}

// lay puts a claim to its object and counts what it changes.
func (m *Import) lay(id uint32, n *claim, c *reputation.Claim, key []byte) {
	l := m.ledger
	o := l.objects.at(id)
	now := l.sources[m.source].live
	var had *claim
	safe := nothing
	for i := o.claims; i != 0; {
		x := l.claims.at(i)
		i = x.next
		switch {
		case x.edition == m.edition:
			x.join(n)
			m.change.Doubles++
			return
		case now != 0 && x.edition == now:
			had = x
		}
		if s := l.heard(x); s != nil && s.ID != m.source {
			if s.Local == reputation.LocalAllow {
				safe |= own
			} else if reputation.Kind(x.kind) == reputation.KindBenign {
				safe |= benign
			}
		}
	}
	if n.first == 0 {
		n.first = n.last
		if had != nil {
			n.first = min(n.first, had.first)
		}
	}
	m.count(n, had != nil)
	if reputation.Kind(n.kind) > reputation.KindKnown && l.sources[m.source].Local == reputation.LocalNo {
		l.freshGuard(m.now)
		m.look(c, safe|l.guard.of(l, key))
	}
	n.next = o.claims
	i := l.claims.take(nextClaim)
	*l.claims.at(i) = *n
	o.claims = i
}

func (m *Import) count(n *claim, had bool) {
	e := &m.ledger.editions[m.edition]
	e.entries++
	if reputation.Kind(n.kind) == reputation.KindBenign || m.ledger.sources[m.source].Local == reputation.LocalAllow {
		e.good++
	}
	m.change.After++
	if !had {
		m.change.Added++
	}
}

// look counts an entry that speaks against what is held to be good.
func (m *Import) look(c *reputation.Claim, s safety) {
	switch {
	case s&own != 0:
		m.change.Own++
	case s&benign != 0:
		m.change.Benign++
	case s&inside != 0:
		m.change.Inside++
		return
	default:
		return
	}
	if len(m.change.Examples) < maxExamples {
		o := c.Object
		o.Text = string(append([]byte(nil), o.Text...))
		m.change.Examples = append(m.change.Examples, o)
	}
}

// join takes up a second claim of the same edition on the same object: the
// worse kind, the surer confidence, the wider time.
func (c *claim) join(n *claim) {
	if n.kind > c.kind {
		c.kind, c.note = n.kind, n.note
	}
	if c.confidence != 0 && (n.confidence == 0 || n.confidence > c.confidence) {
		c.confidence = n.confidence
	}
	if n.first != 0 {
		c.first = min(c.first, n.first)
	}
	c.last = max(c.last, n.last)
	if c.until != 0 && (n.until == 0 || n.until > c.until) {
		c.until = n.until
	}
}

func (m *Import) refuse(c *reputation.Claim, problem, mend string) error {
	m.change.Refused++
	return &Refusal{c.Object.String(), problem, mend}
}

// Change says what Commit would change.
func (m *Import) Change() Change {
	c := m.change
	if kept := c.After - c.Added; !m.partial {
		c.Removed = max(c.Before-kept, 0)
	}
	return c
}

// Commit puts the edition into force in place of the one before, at once.
func (m *Import) Commit() {
	if m.done {
		return
	}
	m.done = true
	l := m.ledger
	s := &l.sources[m.source]
	if s.Name == "" {
		l.bury(m.edition)
		return
	}
	old := s.live
	l.editions[m.edition].state = live
	l.stale = l.stale || l.editions[m.edition].good > 0
	s.live, s.imported = m.edition, m.now
	l.revise(m.source)
	if old == 0 {
		return
	}
	if m.partial {
		l.sweep(sweeping{from: old, to: m.edition})
		return
	}
	l.bury(old)
	l.sweepIfWorth()
}

// Abort drops the edition; the one before stays in force.
func (m *Import) Abort() {
	if m.done {
		return
	}
	m.done = true
	m.ledger.bury(m.edition)
	m.ledger.sweepIfWorth()
}
