package feed

import (
	"encoding/json"
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
	p       *pieces
	words   map[string]reputation.Kind
	types   map[string]func([]byte) (reputation.Object, error)
	stack   []mispScope
	started bool

	held      []heldAttribute
	heldBytes int
	info      string // of the event
	tags      []mispTag
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

// step reads one token or attribute.
func (m *mispReader) step() error {
	if len(m.stack) == 0 {
		return m.document()
	}
	scope := m.stack[len(m.stack)-1]
	list := scope == scopeList || scope == scopeAttributes || scope == scopeObjects
	switch {
	case !m.p.more() && list:
		m.pop()
		return m.p.expect(']')
	case !m.p.more():
		if m.pop(); scope == scopeEvent {
			m.release()
		}
		if err := m.p.expect('}'); err != nil {
			return err
		}
		if len(m.stack) == 0 {
			m.release()
		}
		return nil
	case scope == scopeAttributes:
		return m.attribute()
	case scope == scopeObjects:
		return m.push(scopeObject, '{')
	case scope == scopeList:
		return m.push(scopeOuter, '{')
	}
	key, err := m.p.token()
	if err != nil {
		return err
	}
	return m.member(scope, key)
}

func (m *mispReader) document() error {
	if m.started && !m.p.more() {
		m.release()
		if len(m.queue) > 0 {
			return nil
		}
		if _, err := m.p.d.Token(); err != io.EOF {
			return notJSON(err)
		}
		return io.EOF
	}
	t, err := m.p.token()
	if err != nil {
		return err
	}
	m.started = true
	switch t {
	case json.Delim('['):
		m.stack = append(m.stack, scopeList)
	case json.Delim('{'):
		m.stack = append(m.stack, scopeOuter)
	default:
		return errNot("MISP event")
	}
	return nil
}

// member goes into one member of an object.
func (m *mispReader) member(scope mispScope, key json.Token) error {
	switch {
	case scope == scopeOuter && key == "Event":
		return m.push(scopeEvent, '{')
	case scope == scopeOuter && key == "response":
		return m.response()
	case scope == scopeObject && key == "deleted":
		return m.p.skip()
	case key == "Attribute":
		return m.push(scopeAttributes, '[')
	case scope == scopeEvent && key == "Object":
		return m.push(scopeObjects, '[')
	case scope == scopeEvent && key == "info":
		return mild(m.p.decode(&m.info))
	case scope == scopeEvent && key == "Tag":
		return mild(m.p.decode(&m.tags))
	}
	return m.p.skip()
}

// response is an array of events, or an object with attributes.
func (m *mispReader) response() error {
	if len(m.stack) > 8 {
		return errNot("MISP event: responses within responses")
	}
	t, err := m.p.token()
	switch {
	case err != nil:
		return err
	case t == json.Delim('['):
		m.stack = append(m.stack, scopeList)
	case t == json.Delim('{'):
		m.stack = append(m.stack, scopeOuter)
	}
	return nil
}

// mild passes over a member of the wrong form that the event can do without.
func mild(err error) error {
	if _, wrong := err.(*Refusal); wrong {
		return nil
	}
	return err
}

func (m *mispReader) push(s mispScope, open json.Delim) error {
	m.stack = append(m.stack, s)
	return m.p.expect(open)
}

func (m *mispReader) pop() { m.stack = m.stack[:len(m.stack)-1] }

// attribute reads one attribute and holds what it names.
func (m *mispReader) attribute() error {
	var a mispAttribute
	err := m.p.decode(&a)
	if _, wrong := err.(*Refusal); err != nil && !wrong {
		return err
	}
	m.begin(excerpt([]byte(a.Type + " " + string(a.Value))))
	h := heldAttribute{entry: m.entry, text: m.text, err: err}
	if err == nil {
		h.object, h.err = a.object(m.types)
		h.kind, h.family = a.kind(m.words), family(a.Tags)
		h.first, h.last = when([]byte(a.FirstSeen)), when([]byte(a.LastSeen))
		if h.last == 0 {
			h.last = when([]byte(a.Timestamp))
		}
		h.last = max(h.last, h.first)
	}
	m.held = append(m.held, h)
	if m.heldBytes += len(h.text) + len(h.object.Text); len(m.held) >= maxHeld || m.heldBytes >= maxHeldBytes {
		m.release()
	}
	return nil
}

// release gives what was held, with what is known of the event by now, and
// forgets the event.
func (m *mispReader) release() {
	kind, words := tagged(m.words, m.tags), family(m.tags)
	if words == "" {
		words = note(m.info)
	}
	entry, text := m.entry, m.text
	defer func() { m.entry, m.text = entry, text }()
	for i := range m.held {
		h := &m.held[i]
		if m.entry, m.text = h.entry, h.text; h.err != nil {
			m.refuse(h.err)
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
		m.info, m.tags = "", nil
	}
}
