package feed

import (
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Bounds of what waits for an event's end.
const (
	maxHeld      = 50_000   // attributes
	maxHeldBytes = 32 << 20 // of their texts
)

// mispReader reads MISP's core format: events ({"Event": …}, {"response": […]}, an
// array of either) and lists of attributes, streamed. What an event says of
// itself may stand after its attributes; they wait for it in compact form up to a
// bound, and beyond are given without it.
type mispReader struct {
	piecewise
	p     *pieces
	words map[string]reputation.Kind
	types map[string]func([]byte) (reputation.Object, error)
	stack []mispScope
	began bool
	one   mispAttribute // that is read

	held      []heldAttribute
	heldBytes int
	info      string // of the event
	tags      []string
}

// mispScope is where in the document the reader stands.
type mispScope uint8

const (
	scopeList       mispScope = iota // array of events or responses
	scopeOuter                       // object with "Event", "response" or "Attribute"
	scopeEvent                       // an event
	scopeAttributes                  // array of attributes
	scopeObjects                     // array of MISP objects
	scopeObject                      // a MISP object, which has attributes
)

// heldAttribute is an outcome that waits for what its event says of itself.
type heldAttribute struct {
	entry  int
	text   string
	object reputation.Object
	err    error
	kind   reputation.Kind
	first  uint32
	last   uint32
	family string
}

func openMISP(r io.Reader, o *Options) (Reader, error) {
	m := &mispReader{p: newPieces(r), words: kindWords(), types: mispTypes()}
	m.piecewise = piecewise{o: o, fill: func(*piecewise) error { return m.step() }}
	return m, nil
}

// step reads one member or attribute.
func (m *mispReader) step() error {
	m.p.object()
	if len(m.stack) == 0 {
		return m.document()
	}
	scope := m.stack[len(m.stack)-1]
	if scope == scopeList || scope == scopeAttributes || scope == scopeObjects {
		ok, err := m.p.Item()
		switch {
		case err != nil:
			return err
		case !ok:
			m.pop()
			return nil
		case scope == scopeAttributes:
			return m.attribute()
		case scope == scopeObjects:
			return m.push(scopeObject, '{')
		}
		return m.push(scopeOuter, '{')
	}
	key, ok, err := m.p.Key()
	if err != nil {
		return err
	}
	if ok {
		return m.member(scope, key)
	}
	if m.pop(); scope == scopeEvent || len(m.stack) == 0 {
		m.release()
	}
	return nil
}

func (m *mispReader) document() error {
	ch, err := m.p.Peek()
	switch {
	case err == io.EOF && !m.began:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	m.began = true
	switch ch {
	case '[':
		return m.push(scopeList, '[')
	case '{':
		return m.push(scopeOuter, '{')
	}
	return errNot("MISP event")
}

// member goes into one member of an object.
func (m *mispReader) member(scope mispScope, key []byte) error {
	name := string(key)
	switch {
	case scope == scopeOuter && name == "Event":
		return m.push(scopeEvent, '{')
	case scope == scopeOuter && name == "response":
		return m.response()
	case name == "Attribute":
		return m.push(scopeAttributes, '[')
	case scope == scopeEvent && name == "Object":
		return m.push(scopeObjects, '[')
	case scope == scopeEvent && name == "info":
		var info []byte
		err := m.p.text("info", &info)
		m.info = string(info)
		return err
	case scope == scopeEvent && name == "Tag":
		m.tags = m.tags[:0]
		return m.p.list("Tag", func() error { return m.tag(&m.tags) })
	}
	return m.p.Skip()
}

// response is an array of events, or an object with attributes.
func (m *mispReader) response() error {
	if len(m.stack) > 8 {
		return errNot("MISP event: responses within responses")
	}
	ch, err := m.p.Peek()
	switch {
	case err != nil:
		return notJSON(err)
	case ch == '[':
		return m.push(scopeList, '[')
	case ch == '{':
		return m.push(scopeOuter, '{')
	}
	return m.p.Skip()
}

func (m *mispReader) push(s mispScope, open byte) error {
	m.stack = append(m.stack, s)
	if open == '[' {
		return m.p.Array()
	}
	return m.p.Object()
}

func (m *mispReader) pop() { m.stack = m.stack[:len(m.stack)-1] }

// tag reads the name of one tag.
func (m *mispReader) tag(to *[]string) error {
	return m.p.members("Tag", func(name []byte) error {
		if string(name) != "name" {
			return m.p.Skip()
		}
		var text []byte
		err := m.p.text("Tag.name", &text)
		*to = append(*to, string(text))
		return err
	})
}

// attribute reads one attribute and holds what it names.
func (m *mispReader) attribute() error {
	a := &m.one
	if err := m.read(a); err != nil {
		return err
	}
	m.begin(a.kind, a.value)
	h := heldAttribute{entry: m.entry, err: m.p.wrong}
	if h.err == nil {
		h.object, h.err = a.object(m.types)
		h.kind, h.family = a.says(m.words), family(a.tags)
		h.first, h.last = when(a.firstSeen), when(a.lastSeen)
		if h.last == 0 {
			h.last = when(a.timestamp)
		}
		h.last = max(h.last, h.first)
	}
	if h.err != nil {
		h.text = m.text()
	}
	m.held = append(m.held, h)
	if m.heldBytes += len(h.text) + len(h.object.Text); len(m.held) >= maxHeld || m.heldBytes >= maxHeldBytes {
		m.release()
	}
	return nil
}

// read reads the members of an attribute.
func (m *mispReader) read(a *mispAttribute) error {
	*a = mispAttribute{tags: a.tags[:0]}
	return m.p.members("Attribute", func(name []byte) error {
		switch string(name) {
		case "type":
			return m.p.text("type", &a.kind)
		case "category":
			return m.p.text("category", &a.category)
		case "to_ids":
			return m.p.loose("to_ids", &a.toIDs)
		case "deleted":
			return m.p.loose("deleted", &a.deleted)
		case "value":
			return m.p.loose("value", &a.value)
		case "timestamp":
			return m.p.loose("timestamp", &a.timestamp)
		case "first_seen":
			return m.p.loose("first_seen", &a.firstSeen)
		case "last_seen":
			return m.p.loose("last_seen", &a.lastSeen)
		case "Tag":
			return m.p.list("Tag", func() error { return m.tag(&a.tags) })
		}
		return m.p.Skip()
	})
}

// release gives what was held, with what is known of the event by now, and
// forgets the event.
func (m *mispReader) release() {
	kind, words := tagged(m.words, m.tags), family(m.tags)
	if words == "" {
		words = note(m.info)
	}
	entry := m.entry
	defer func() { m.entry = entry }()
	for i := range m.held {
		h := &m.held[i]
		if m.entry = h.entry; h.err != nil {
			m.queue = append(m.queue, outcome{reputation.Claim{}, h.err, h.entry, h.text})
			continue
		}
		c := m.base()
		c.First, c.Last = h.first, h.last
		if h.kind != reputation.KindNone {
			c.Kind = h.kind
		} else if kind != reputation.KindNone {
			c.Kind = kind
		}
		if h.family != "" {
			c.Note = h.family
		} else if words != "" {
			c.Note = words
		}
		m.give(c, h.object)
	}
	clear(m.held)
	m.held, m.heldBytes = m.held[:0], 0
	if len(m.stack) == 0 || m.stack[len(m.stack)-1] == scopeOuter {
		m.info, m.tags = "", m.tags[:0]
	}
}
