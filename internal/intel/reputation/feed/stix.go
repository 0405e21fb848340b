package feed

import (
	"bytes"
	"io"
	"slices"
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
	seen  bool // a document
	more  bool
	next  string

	one                stixObject // that is read
	parser             patternParser
	lastName, lastNote string
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
	b.p.object()
	switch b.depth {
	case 0:
		return b.document()
	case 1:
		return b.member()
	}
	ok, err := b.p.Item()
	switch {
	case err != nil:
		return err
	case ok:
		return b.object()
	}
	if b.depth = 1; b.bare {
		b.depth = 0
	}
	return nil
}

func (b *Bundle) document() error {
	ch, err := b.p.Peek()
	switch {
	case err == io.EOF && !b.seen:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	b.seen, b.bare = true, ch == '['
	switch ch {
	case '[':
		b.depth = 2
		return b.p.Array()
	case '{':
		b.depth = 1
		return b.p.Object()
	}
	return errNot("STIX bundle")
}

func (b *Bundle) member() error {
	key, ok, err := b.p.Key()
	if !ok {
		b.depth = 0
		return err
	}
	switch string(key) {
	case "objects":
		b.depth = 2
		return b.p.Array()
	case "more":
		err = b.p.truth("more", &b.more)
	case "next":
		var next []byte
		if err = b.p.text("next", &next); len(next) > 4096 {
			return errNot("TAXII envelope: its word for the next page is too long")
		}
		b.next = string(next)
	default:
		return b.p.Skip()
	}
	if err == nil {
		err = b.p.wrong
	}
	return err
}

func (b *Bundle) object() error {
	s := &b.one
	if err := s.read(b.p, b.words, 0); err != nil {
		return err
	}
	kind := string(s.kind)
	observed := kind == "observed-data"
	_, single := stixSCO(kind)
	if kind != "indicator" && !observed && !single && kind != "" {
		return nil
	}
	b.begin(s.id, s.pattern, s.value)
	switch {
	case b.p.wrong != nil:
		return b.p.wrong
	case kind == "":
		return &Refusal{Problem: "not a STIX object", Mend: "each object has a type"}
	case s.revoked:
		return &Refusal{Problem: "revoked by its maker"}
	case kind == "indicator":
		return b.indicator(s)
	}
	b.observed(s)
	return nil
}

// indicator gives the alternatives of an indicator.
func (b *Bundle) indicator(s *stixObject) error {
	if len(s.patternType) > 0 && string(s.patternType) != "stix" {
		return &Refusal{Problem: "a pattern in another language than STIX's: " + note(string(s.patternType)), Mend: "give it to the part that knows such rules"}
	}
	list, err := b.parser.read(string(s.pattern))
	if err != nil {
		return err
	}
	c := b.base()
	if s.says != reputation.KindNone {
		c.Kind = s.says
	}
	c.First, c.Last, c.Until = when(s.validFrom), when(s.modified), when(s.validUntil)
	if c.Last < c.First {
		c.Last = c.First
	}
	if s.confidence > 0 {
		c.Confidence = uint8(max(1, min(s.confidence, 100)))
	}
	if len(s.name) > 0 && !bytes.Contains(s.pattern, s.name) {
		c.Note = b.noted(s.name)
	}
	b.branches(c, list)
	return nil
}

// noted is the note that a name gives; one name after the other is mostly the same.
func (b *Bundle) noted(name []byte) string {
	if string(name) != b.lastName {
		b.lastName = string(name)
		b.lastNote = note(b.lastName)
	}
	return b.lastNote
}

// observed gives what observed data or a cyber-observable object names.
func (b *Bundle) observed(s *stixObject) {
	c := b.base()
	c.Confidence = observedConfidence
	c.First, c.Last = when(s.firstObserved), when(s.lastObserved)
	if c.Note == "" {
		c.Note = "observed"
	}
	if string(s.kind) != "observed-data" {
		b.observable(c, s)
		return
	}
	slices.SortFunc(s.objects, func(x, y stixMember) int { return bytes.Compare(x.key, y.key) })
	for i := range s.objects {
		one := &s.objects[i].object
		if _, ok := stixSCO(string(one.kind)); ok {
			b.observable(c, one)
		}
	}
}

// observable gives what one cyber-observable object names.
func (b *Bundle) observable(c reputation.Claim, s *stixObject) {
	kind := string(s.kind)
	if read, _ := stixSCO(kind); read != nil {
		if o, err := read(s); err != nil {
			b.refuse(err)
		} else {
			b.give(c, o)
		}
		return
	}
	slices.SortFunc(s.hashes, func(x, y stixDigest) int { return strings.Compare(x.name, y.name) })
	given := false
	for _, d := range s.hashes {
		if read, _ := stixHash(kind, d.name); read != nil {
			given = true
			if o, err := read(d.digits); err != nil {
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
		return func(s *stixObject) (reputation.Object, error) { return address(s.value) }, true
	case "domain-name":
		return func(s *stixObject) (reputation.Object, error) { return asDomain(s.value) }, true
	case "url":
		return func(s *stixObject) (reputation.Object, error) { return asURL(s.value) }, true
	case "email-addr":
		return func(s *stixObject) (reputation.Object, error) { return canon.Email(string(s.value)) }, true
	case "autonomous-system":
		return func(s *stixObject) (reputation.Object, error) {
			return canon.ASN((reputation.Object{Type: reputation.TypeASN, Number: s.number}).String())
		}, true
	case "file", "artifact", "x509-certificate":
		return nil, true
	}
	return nil, false
}
