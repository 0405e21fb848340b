package feed

import (
	"encoding/json"
	"io"
	"sort"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// observedConfidence is how sure an entry is that was only observed: STIX does not
// say that it is bad.
const observedConfidence = 30

// Bundle reads STIX 2.1 (also 2.0): bundles, arrays of objects, and the envelopes of
// TAXII 2.1. Indicators with a STIX pattern give claims, one for each alternative
// of the pattern; observed data and cyber-observable objects give suspicious
// claims of little confidence. Other objects are passed over. It is for one
// goroutine.
type Bundle struct {
	piecewise
	p     *pieces
	words map[string]reputation.Kind
	depth int // 0 before and after the document, 1 in its object, 2 among its objects
	bare  bool
	ended bool
	seen  bool // a document
	more  bool
	next  string
}

// OpenBundle reads a bundle or an envelope from r.
func OpenBundle(r io.Reader, o Options) (*Bundle, error) {
	in, err := Open("stix", r, o)
	if err != nil {
		return nil, err
	}
	return in.(*Bundle), nil
}

// openSTIX is Format.open.
func openSTIX(r io.Reader, o *Options) (Reader, error) {
	b := &Bundle{p: newPieces(r), words: kindWords()}
	b.piecewise = piecewise{o: o, fill: func(*piecewise) error { return b.step() }}
	return b, nil
}

// Page tells after the end whether an envelope's server has more objects, and with
// what word to ask for them.
func (b *Bundle) Page() (next string, more bool) { return b.next, b.more }

// step reads one object, or one member of the document.
func (b *Bundle) step() error {
	switch b.depth {
	case 0:
		return b.document()
	case 1:
		return b.member()
	}
	if b.p.more() {
		return b.object()
	}
	if err := b.p.expect(']'); err != nil {
		return err
	}
	if b.depth = 1; b.bare {
		b.depth = 0
	}
	return nil
}

func (b *Bundle) document() error {
	if b.seen && !b.p.more() {
		if _, err := b.p.d.Token(); err != io.EOF {
			return notJSON(err)
		}
		return io.EOF
	}
	t, err := b.p.token()
	if err != nil {
		return err
	}
	b.seen, b.bare = true, t == json.Delim('[')
	switch t {
	case json.Delim('['):
		b.depth = 2
	case json.Delim('{'):
		b.depth = 1
	default:
		return errNot("STIX bundle")
	}
	return nil
}

func (b *Bundle) member() error {
	if !b.p.more() {
		b.depth = 0
		return b.p.expect('}')
	}
	key, err := b.p.token()
	if err != nil {
		return err
	}
	switch key {
	case "objects":
		b.depth = 2
		return b.p.expect('[')
	case "more":
		return b.p.decode(&b.more)
	case "next":
		if err := b.p.decode(&b.next); len(b.next) > 4096 {
			return errNot("TAXII envelope: its word for the next page is too long")
		} else {
			return err
		}
	}
	return b.p.skip()
}

// stixObject is what is read of the objects of STIX.
type stixObject struct {
	Type           string                 `json:"type"`
	ID             string                 `json:"id"`
	Name           string                 `json:"name"`
	Pattern        string                 `json:"pattern"`
	PatternType    string                 `json:"pattern_type"`
	ValidFrom      string                 `json:"valid_from"`
	ValidUntil     string                 `json:"valid_until"`
	Modified       string                 `json:"modified"`
	Confidence     float64                `json:"confidence"`
	IndicatorTypes []string               `json:"indicator_types"`
	Labels         []string               `json:"labels"`
	Phases         []stixPhase            `json:"kill_chain_phases"`
	Revoked        bool                   `json:"revoked"`
	Value          string                 `json:"value"`
	Number         uint32                 `json:"number"`
	Hashes         map[string]string      `json:"hashes"`
	FirstObserved  string                 `json:"first_observed"`
	LastObserved   string                 `json:"last_observed"`
	Objects        map[string]*stixObject `json:"objects"`
}

type stixPhase struct {
	Name string `json:"phase_name"`
}

func (b *Bundle) object() error {
	var s stixObject
	err := b.p.decode(&s)
	bad, wrong := err.(*Refusal)
	if err != nil && !wrong {
		return err
	}
	observed := s.Type == "observed-data"
	_, single := stixSCO(s.Type)
	if s.Type != "indicator" && !observed && !single && s.Type != "" {
		return nil
	}
	b.begin(excerpt([]byte(s.ID + " " + s.Pattern + s.Value)))
	switch {
	case wrong:
		return bad
	case s.Type == "":
		return &Refusal{Problem: "not a STIX object", Mend: "each object has a type"}
	case s.Revoked:
		return &Refusal{Problem: "revoked by its maker"}
	case s.Type == "indicator":
		return b.indicator(&s)
	}
	b.observed(&s)
	return nil
}

// indicator gives the alternatives of an indicator.
func (b *Bundle) indicator(s *stixObject) error {
	if s.PatternType != "" && s.PatternType != "stix" {
		return &Refusal{Problem: "a pattern in another language than STIX's: " + note(s.PatternType), Mend: "give it to the part that knows such rules"}
	}
	list, err := pattern(s.Pattern)
	if err != nil {
		return err
	}
	c := b.base()
	kind := reputation.KindNone
	for _, w := range append(append([]string(nil), s.IndicatorTypes...), s.Labels...) {
		if k, ok := kindOf(b.words, w); ok {
			kind = worse(kind, k)
		}
	}
	for _, phase := range s.Phases {
		if k, ok := kindOf(b.words, phase.Name); ok {
			kind = worse(kind, k)
		}
	}
	if kind != reputation.KindNone {
		c.Kind = kind
	}
	c.First, c.Last, c.Until = when([]byte(s.ValidFrom)), when([]byte(s.Modified)), when([]byte(s.ValidUntil))
	if c.Last < c.First {
		c.Last = c.First
	}
	if s.Confidence > 0 {
		c.Confidence = uint8(max(1, min(s.Confidence, 100)))
	}
	if s.Name != "" && !strings.Contains(s.Pattern, s.Name) {
		c.Note = note(s.Name)
	}
	b.branches(c, list)
	return nil
}

// observed gives what observed data or a cyber-observable object names.
func (b *Bundle) observed(s *stixObject) {
	c := b.base()
	c.Confidence = observedConfidence
	c.First, c.Last = when([]byte(s.FirstObserved)), when([]byte(s.LastObserved))
	if c.Note == "" {
		c.Note = "observed"
	}
	if s.Type != "observed-data" {
		b.observable(c, s)
		return
	}
	for _, key := range sorted(s.Objects) {
		if one := s.Objects[key]; one != nil {
			if _, ok := stixSCO(one.Type); ok {
				b.observable(c, one)
			}
		}
	}
}

// observable gives what one cyber-observable object names.
func (b *Bundle) observable(c reputation.Claim, s *stixObject) {
	if read, _ := stixSCO(s.Type); read != nil {
		if o, err := read(s); err != nil {
			b.refuse(err)
		} else {
			b.give(c, o)
		}
		return
	}
	var names []string
	for name := range s.Hashes {
		names = append(names, name)
	}
	sort.Strings(names)
	given := false
	for _, name := range names {
		if read, _ := stixHash(s.Type, name); read != nil {
			given = true
			if o, err := read([]byte(s.Hashes[name])); err != nil {
				b.refuse(err)
			} else {
				b.give(c, o)
			}
		}
	}
	if !given {
		b.refuse(&Refusal{Problem: "an observed file or certificate without a hash that is kept"})
	}
}

// stixSCO says whether a cyber-observable object is read, and how; nil is by its
// hashes.
func stixSCO(kind string) (read func(*stixObject) (reputation.Object, error), ok bool) {
	switch kind {
	case "ipv4-addr", "ipv6-addr":
		return func(s *stixObject) (reputation.Object, error) { return address([]byte(s.Value)) }, true
	case "domain-name":
		return func(s *stixObject) (reputation.Object, error) { return canon.Domain(s.Value) }, true
	case "url":
		return func(s *stixObject) (reputation.Object, error) { return canon.URL(s.Value) }, true
	case "email-addr":
		return func(s *stixObject) (reputation.Object, error) { return canon.Email(s.Value) }, true
	case "autonomous-system":
		return func(s *stixObject) (reputation.Object, error) {
			return canon.ASN((reputation.Object{Type: reputation.TypeASN, Number: s.Number}).String())
		}, true
	case "file", "artifact", "x509-certificate":
		return nil, true
	}
	return nil, false
}
