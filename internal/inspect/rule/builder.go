package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// useKind is the sort of buffer that contents go to.
type useKind uint8

const (
	usePayload useKind = iota
	useField
	useHeader // tcp.hdr …
	useFrame
	useBase64
)

// use is one buffer that a rule looks at, with the steps for it.
type use struct {
	kind   useKind
	spec   *protocol.FieldSpec
	buffer packetBuffer
	frame  string
	chain  payload.Chain
	ops    []payload.Op
	at     syntax.Token // where the rule names it
	parent *use         // useBase64: where base64_decode stands
	index  int          // of it
	dirs   protocol.Dirs
}

// builder gathers what the options of one rule say.
type builder struct {
	c    *compiler
	src  *syntax.Rule
	rule rule
	meta Meta

	uses    []*use
	wanted  *use // the sticky buffer named last, not yet used; nil: current holds
	current *use
	lastUse *use // holds the content that modifiers go to
	lastOp  int
	lastAny *use // holds the step named last, of any kind

	vars       payload.Variables
	limits     []memory.Threshold
	appsHere   appSet // protocols that the header or app-layer-protocol allows
	steps      []step // those that are no buffers
	hookDirs   protocol.Dirs
	needsPkt   bool // a keyword looks at each packet by itself
	onlyRaw    uint8
	onlyRawAt  syntax.Token    // what asked for it
	packetWord syntax.Token    // first keyword about single packets
	said       map[string]bool // keywords that may stand once and have
	sawDsize   bool
	sawFlow    bool
	hasSize    bool // stream_size
	negated    bool // the header has negated addresses
	decode     bool
	prefilter  bool
	skipped    bool // `requires` is not met: not an error
	config     bool
	priority   bool
	mixed      syntax.Token // first keyword of a transaction
}

// sticky makes u the buffer for the contents that follow.
func (b *builder) sticky(u *use) error {
	if w := b.wanted; w != nil && w.kind != usePayload {
		return fail(w.at, "nothing is asked of the buffer %q", `write a content, pcre, bsize … behind it`, w.at.Text)
	}
	if b.current != nil && b.current.kind == useBase64 && u.kind != useBase64 && u.kind != usePayload {
		return fail(u.at, "%s stands behind base64_data", "put base64_data last", u.at.Text)
	}
	b.wanted, b.lastUse = u, nil
	return nil
}

// buffer is where contents go now.
func (b *builder) buffer() *use {
	if b.wanted != nil {
		b.current, b.wanted = b.place(b.wanted), nil
	}
	if b.current == nil {
		b.current = b.place(&use{kind: usePayload})
	}
	return b.current
}

// place finds an earlier use of the same buffer, or adds u.
func (b *builder) place(u *use) *use {
	for _, v := range b.uses {
		if v.same(u) {
			return v
		}
	}
	b.uses = append(b.uses, u)
	return u
}

func (u *use) same(v *use) bool {
	if u.kind != v.kind || u.spec != v.spec || u.buffer != v.buffer || u.frame != v.frame || u.parent != v.parent || u.dirs != v.dirs {
		return false
	}
	if u.spec != nil && u.spec.Multi || u.kind == useFrame {
		return false
	}
	return len(u.chain) == len(v.chain) && u.chain.Key() == v.chain.Key()
}

// add puts a step into the buffer in force.
func (b *builder) add(op payload.Op) {
	u := b.buffer
	if old := b.lastAny; op.Relative && b.wanted == nil && old != nil && old.kind == useField && (b.current == nil || b.current.kind == usePayload) {
		u = func() *use { return old } // the old way: relative to what a modifier has moved
	}
	b.put(u(), op)
}

// put appends a step to a buffer.
func (b *builder) put(u *use, op payload.Op) {
	u.ops = append(u.ops, op)
	b.lastAny = u
	if op.Kind == payload.Content {
		b.lastUse, b.lastOp = u, len(u.ops)-1
	}
}

// lastContent is the content that a modifier belongs to.
func (b *builder) lastContent(t syntax.Token) (*payload.Op, error) {
	if b.lastUse == nil {
		return nil, fail(t, "%q has no content before it", `write it behind content:"…";`, t.Text)
	}
	return &b.lastUse.ops[b.lastOp], nil
}

// move takes the last content out of the payload into a field's buffer, as the
// old modifiers (http_uri) do.
func (b *builder) move(t syntax.Token, spec *protocol.FieldSpec) error {
	if b.lastUse == nil {
		return fail(t, "%q has no content before it", `write it behind content:"…";`, t.Text)
	}
	if b.lastUse.kind == useField && b.lastUse.spec == spec {
		return nil
	}
	if b.lastUse.kind != usePayload {
		return fail(t, "%q stands behind a content that is in another buffer already", "use the sticky buffer "+spec.Keyword+" instead", t.Text)
	}
	if err := b.oldHTTP(t); err != nil {
		return err
	}
	op := b.lastUse.ops[b.lastOp]
	b.lastUse.ops = append(b.lastUse.ops[:b.lastOp], b.lastUse.ops[b.lastOp+1:]...)
	u := b.place(&use{kind: useField, spec: spec, at: t})
	b.put(u, op)
	return nil
}

// oldHTTP limits the rule to HTTP/1: the old modifiers, uricontent and pcre's
// flags for buffers are from before HTTP/2 and never look at it.
func (b *builder) oldHTTP(t syntax.Token) error {
	return b.limitApps(t, appsOf([]protocol.ID{protocol.HTTP1}))
}

// value reads a number or the name of a variable.
func (b *builder) value(t syntax.Token, lo, hi int64) (payload.Value, error) {
	n, ok := parseInt(t.Text)
	if ok {
		if n < lo || n > hi {
			return payload.Value{}, fail(t, "%s is out of bounds", "write a number of %d to %d", t.Text, lo, hi)
		}
		return payload.Number(n), nil
	}
	if t.Text != "" && isName(t.Text) {
		if !b.defined(t.Text) {
			return payload.Value{}, fail(t, "unknown variable %q", "set it before with byte_extract or byte_math", t.Text)
		}
		return payload.Variable(strings.Clone(t.Text)), nil
	}
	return payload.Value{}, fail(t, "%q is no number", "", t.Text)
}

// defined says whether byte_extract or byte_math has set a variable.
func (b *builder) defined(name string) bool {
	for _, u := range b.uses {
		for i := range u.ops {
			if u.ops[i].Result == name {
				return true
			}
		}
	}
	return false
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return i > 0 && (c == '.' || c == '-')
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}
