package rule

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/prefilter"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// compiler holds what is shared while the rules of a Set are compiled.
type compiler struct {
	o          *Options
	headers    *headerParser
	keywords   *keywordTable
	fields     map[string]*protocol.FieldSpec // by keyword
	modifiers  map[string]*protocol.FieldSpec // by old modifier
	classes    map[string]classification
	references map[string]string // system to URL prefix
	words      map[string]string
	regexps    map[string]*payload.Regexp
	names      *memory.Names
	hashes     protocol.Hashes
	option     int // being compiled
	fileApps   []protocol.ID
	memory     memoryTables

	chains      []payload.Chain
	chainID     map[string]uint16
	frames      []string
	drafts      []*draft
	frequencies *prefilter.Frequencies
	bySID       map[[2]uint32]int
	refusals    []Refusal
}

// draft is a compiled rule that has no number yet.
type draft struct {
	rule  rule
	meta  Meta
	fast  fastPattern
	order uint64
}

func newCompiler(o *Options) *compiler {
	c := &compiler{
		o: o, headers: newHeaderParser(o), keywords: newKeywordTable(o.Specs, o.Fields),
		fields: map[string]*protocol.FieldSpec{}, modifiers: map[string]*protocol.FieldSpec{},
		names: new(memory.Names), words: map[string]string{}, regexps: map[string]*payload.Regexp{},
		chains: make([]payload.Chain, 1), chainID: map[string]uint16{}, bySID: map[[2]uint32]int{},
	}
	specs := o.Fields
	for i := range specs {
		f := &specs[i]
		c.fields[f.Keyword] = f
		if f.Modifier != "" {
			c.modifiers[f.Modifier] = f
		}
		if f.Field == protocol.FileData {
			c.fileApps = f.On
		}
	}
	// Sticky buffers of the table and those of c must be the same rows.
	for i := range specs {
		f := &specs[i]
		for _, n := range append([]string{f.Keyword}, f.Aliases...) {
			if k := c.keywords.byName[n]; k != nil && f.Keyword != "" && k.name == f.Keyword {
				*k = fieldKeyword(f)
			}
		}
		if k := c.keywords.byName[f.Modifier]; f.Modifier != "" && k != nil && k.name == f.Modifier {
			k.run = func(b *builder, name, _ syntax.Token) error { return b.move(name, f) }
		}
	}
	c.frequencies = prefilter.Ordinary()
	c.classes = parseClassification(o.Classification)
	c.references = parseReferences(o.Reference)
	c.openMemory()
	return c
}

// Compile turns rules into a Set. Rules that cannot be honoured are left out
// and returned as refusals, in the order of the sources; an error means that
// no Set could be made at all.
func Compile(sources []Source, o Options) (*Set, []Refusal, error) {
	c := newCompiler(&o)
	for i := range sources {
		c.source(&sources[i])
	}
	c.sort()
	set, err := c.build()
	if err != nil {
		return nil, c.refusals, fmt.Errorf("compile rules: %w", err)
	}
	return set, c.refusals, nil
}

// source compiles the rules of one file.
func (c *compiler) source(src *Source) {
	s := syntax.NewScanner(src.Text)
	name := strings.Clone(src.Name)
	var r syntax.Rule
	for {
		ok, serr := s.Next(&r)
		if !ok {
			return
		}
		b := &builder{c: c, src: &r}
		b.meta = Meta{GID: 1, Priority: 3, File: name, Line: r.Pos(0).Line}
		if c.o.KeepText {
			b.meta.Text = strings.Clone(r.Text)
		}
		var err error
		if serr != nil {
			err = serr
		} else {
			err = b.compile()
		}
		if err == nil && !b.skipped {
			err = c.keep(b)
		}
		if err != nil && !b.skipped {
			c.refuse(b, err)
		}
	}
}

func (c *compiler) refuse(b *builder, err error) {
	f := Refusal{File: b.meta.File, Line: b.meta.Line, Column: 1, SID: b.sid(), Problem: err.Error()}
	if e, ok := err.(*syntax.Error); ok { //nolint:errorlint // always bare
		p := b.src.Pos(e.At)
		f.Line, f.Column, f.Problem, f.Mend = p.Line, p.Column, e.Problem, e.Mend
	}
	c.refusals = append(c.refusals, f)
}

// sid finds the rule's number also when compilation stopped before it.
func (b *builder) sid() uint32 {
	if b.meta.SID == 0 {
		for _, o := range b.src.Options {
			if o.Name.Text == "sid" {
				n, _ := parseUint(o.Value.Text, 32)
				return uint32(n)
			}
		}
	}
	return b.meta.SID
}

// keep adds a rule; of two with one number the higher revision stays.
func (c *compiler) keep(b *builder) error {
	if b.meta.SID == 0 {
		return fail(b.src.Action, "the rule has no sid", "write sid:NUMBER; with a number of its own")
	}
	b.rule.limits = b.limits
	d := &draft{rule: b.rule, meta: b.meta}
	d.fast = c.chooseFast(&d.rule)
	d.rule.again = repeatFrom(&d.rule)
	d.order = b.rank()
	key := [2]uint32{b.meta.GID, b.meta.SID}
	if at, ok := c.bySID[key]; ok {
		if c.drafts[at].meta.Rev >= b.meta.Rev {
			return fail(b.src.Action, "sid %d is taken already, at %s:%d", "give the rule a number of its own, or a higher rev to replace the other", b.meta.SID, c.drafts[at].meta.File, c.drafts[at].meta.Line)
		}
		c.drafts[at] = d
		return nil
	}
	c.bySID[key] = len(c.drafts)
	c.drafts = append(c.drafts, d)
	return nil
}

// rank orders rules: actions, then those that set marks before those that
// test them, then priority; the order of reading decides the rest.
func (b *builder) rank() uint64 {
	action := map[Action]uint64{ActionConfig: 0, ActionPass: 1, ActionDrop: 2, ActionReject: 3, ActionRejectDst: 3, ActionRejectBoth: 3, ActionAlert: 4}[b.rule.action]
	marks := func(set, read bool) uint64 {
		switch {
		case set && !read:
			return 0
		case set:
			return 1
		case read:
			return 2
		}
		return 3
	}
	var set, read [3]bool
	for _, e := range b.rule.effects {
		if k, ok := e.(*bits); ok {
			set[k.kind] = true
		}
	}
	for _, k := range b.rule.checks {
		if k, ok := k.(*bits); ok {
			read[k.kind] = true
		}
	}
	var setInt, readInt bool
	for _, k := range b.rule.late {
		if k, ok := k.(*flowint); ok {
			setInt, readInt = setInt || k.op <= intAssign, readInt || k.op > intAssign
		}
	}
	rank := action
	rank = rank<<2 | marks(set[flowBit], read[flowBit])
	rank = rank<<2 | marks(setInt, readInt)
	rank = rank<<2 | marks(set[hostBit], read[hostBit])
	rank = rank<<2 | marks(set[crossBit], read[crossBit])
	return rank<<8 | uint64(b.meta.Priority)
}

func (c *compiler) sort() {
	sort.SliceStable(c.drafts, func(i, j int) bool { return c.drafts[i].order < c.drafts[j].order })
}

// intern gives one copy of equal strings, apart from the rule's text.
func (c *compiler) intern(s string) string {
	if w, ok := c.words[s]; ok {
		return w
	}
	s = strings.Clone(s)
	c.words[s] = s
	return s
}

// regexp compiles an expression, equal ones once.
func (c *compiler) regexp(text string) (*payload.Regexp, error) {
	if re, ok := c.regexps[text]; ok {
		return re, nil
	}
	text = strings.Clone(text)
	re, err := payload.ParseRegexp(text)
	if err == nil {
		c.regexps[text] = re
	}
	return re, err
}

func (c *compiler) load(name string) ([]byte, error) {
	if c.o.Load == nil {
		return nil, fmt.Errorf("%q cannot be read: no folder for files is given", name)
	}
	return c.o.Load(name)
}

// chain numbers a chain of transforms.
func (c *compiler) chain(ch payload.Chain) uint16 {
	if len(ch) == 0 {
		return 0
	}
	key := ch.Key()
	if id, ok := c.chainID[key]; ok {
		return id
	}
	id := uint16(len(c.chains))
	c.chains = append(c.chains, ch)
	c.chainID[key] = id
	return id
}

func (c *compiler) spec(id protocol.ID) *protocol.Spec {
	for i := range c.o.Specs {
		if c.o.Specs[i].ID == id {
			return &c.o.Specs[i]
		}
	}
	return nil
}

// protocolAliases are names of protocols that are not protocol.ID's own.
var protocolAliases = map[string][]protocol.ID{
	"http": {protocol.HTTP1, protocol.HTTP2}, "http1": {protocol.HTTP1}, "ssl": {protocol.TLS}, "ikev2": {protocol.IKE},
	"dcerpc": {protocol.DCERPC, protocol.SMB}, "ftp_data": {protocol.FTPData},
	"bittorrent_dht": {protocol.BitTorrentDHT}, "krb": {protocol.KRB5}, "jabber": nil,
}

// protocolIDs are the protocols that a name in a rule stands for, nil for none.
func (c *compiler) protocolIDs(name string) []protocol.ID {
	if ids, ok := protocolAliases[name]; ok {
		return ids
	}
	for id := protocol.HTTP1; id < protocol.Any; id++ {
		if id.String() == name {
			return []protocol.ID{id}
		}
	}
	return nil
}

func (c *compiler) protocolNames() []string {
	out := slices.Sorted(maps.Keys(protocolAliases))
	for id := protocol.HTTP1; id < protocol.Any; id++ {
		out = append(out, id.String())
	}
	return out
}

// appsIn lists the protocols of a set.
func (c *compiler) appsIn(s appSet) []protocol.ID {
	var out []protocol.ID
	for id := protocol.HTTP1; id < protocol.Any; id++ {
		if s != 0 && s.has(id) {
			out = append(out, id)
		}
	}
	return out
}
