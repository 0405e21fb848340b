// Package listed answers the inspection engine's questions from a reputation
// set: it knows how names, URLs, files and fingerprints are looked up in one,
// which addresses are never bad, and from which tier on a thing counts. It does
// not know where sets come from or what a device's policy says. internal/gate's
// inline and offline inspection call it.
package listed

import (
	"encoding/hex"
	"net/netip"
	"unsafe"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Reader is an engine.Known over a set. One goroutine uses it. The zero value
// knows nothing.
type Reader struct {
	set   *edge.Set
	kept  []netip.Prefix
	mode  model.Mode
	least edge.Tier

	unsure uint64
	text   []byte // text made of the subject at hand, such as the canonical form of a URL
	match  edge.Match
	first  bool // of its expressions
	below  bool // the expression at hand is not the URL itself
	walk   func(host, path string) bool
}

// NewReader makes a Reader that knows nothing yet.
func NewReader() *Reader {
	r := &Reader{text: make([]byte, 0, canon.MaxURL)}
	r.walk = r.expression
	return r
}

// Use has the Reader answer from another set, nil for none. Addresses in kept
// are never listed. Neither may be changed afterwards.
func (r *Reader) Use(set *edge.Set, kept []netip.Prefix) { r.set, r.kept = set, kept }

// Regard says what is done about things of a tier from least on, until the next
// call: ModeOff finds nothing, ModeObserve tells, ModeEnforce stops.
func (r *Reader) Regard(mode model.Mode, least edge.Tier) {
	r.mode, r.least = mode, max(least, edge.TierMedium)
}

// Unsure is how many things fitted an entry of a set without tails, which may
// be chance. They count as not listed.
func (r *Reader) Unsure() uint64 { return r.unsure }

// Wants implements engine.Known.
func (r *Reader) Wants() (kinds engine.Kinds, sums protocol.Hashes) {
	if r.set == nil {
		return 0, 0
	}
	h := r.set.Holds()
	kinds = engine.SubjectAddress.Of()
	for _, w := range [...]struct {
		holds edge.Holds
		kind  engine.SubjectKind
		sum   protocol.Hashes
	}{
		{edge.HoldsNames, engine.SubjectName, 0}, {edge.HoldsURLs | edge.HoldsBelow, engine.SubjectURL, 0}, {edge.HoldsJA4, engine.SubjectJA4, 0},
		{edge.HoldsCerts, engine.SubjectCert, 0}, {edge.HoldsMD5, engine.SubjectFile, protocol.WantMD5}, {edge.HoldsSHA1, engine.SubjectFile, protocol.WantSHA1},
		{edge.HoldsSHA256, engine.SubjectFile, protocol.WantSHA256},
	} {
		if h&w.holds != 0 {
			kinds |= w.kind.Of()
			sums |= w.sum
		}
	}
	return kinds, sums.OfHazards()
}

// Ask implements engine.Known.
func (r *Reader) Ask(s *engine.Subject) engine.Standing {
	if r.set == nil || r.mode != model.ModeEnforce && r.mode != model.ModeObserve {
		return engine.Standing{}
	}
	var m edge.Match
	switch s.Kind {
	case engine.SubjectAddress:
		m = r.address(s.Addr, s.Port)
	case engine.SubjectName:
		m = r.name(s.Text, s.Port)
	case engine.SubjectURL:
		m = r.ofURL(s.Text)
	case engine.SubjectFile:
		m = r.set.File(s.Sum)
	case engine.SubjectJA4:
		m = r.set.Object(reputation.Object{Type: reputation.TypeJA4, Text: view(s.Text)})
	case engine.SubjectCert:
		r.text = hex.AppendEncode(r.text[:0], s.Sum[:min(len(s.Sum), 32)])
		m = r.set.Object(reputation.Object{Type: reputation.TypeCert, Text: view(r.text)})
	}
	return r.standing(m)
}

func (r *Reader) standing(m edge.Match) engine.Standing {
	switch {
	case m.Tier == edge.TierNone:
	case !m.Sure:
		r.unsure++
	case m.Tier == edge.TierAllow:
		return engine.Standing{Allowed: true}
	case m.Tier >= r.least:
		return engine.Standing{Listed: true, Stop: r.mode == model.ModeEnforce, Score: m.Tier.Score()}
	}
	return engine.Standing{}
}

func (r *Reader) address(a netip.Addr, port uint16) edge.Match {
	var m edge.Match
	if port != 0 && r.set.Holds()&edge.HoldsEndpoints != 0 {
		m = r.set.Endpoint(netip.AddrPortFrom(a, port))
	} else {
		t := r.set.Address(a)
		m = edge.Match{Tier: t, Sure: t != edge.TierNone}
	}
	if m.Tier == edge.TierNone {
		return m
	}
	for _, p := range r.kept {
		if p.Contains(a) {
			return edge.Match{}
		}
	}
	return m
}

// name asks for a name, and for the name with a port where one is known: what
// lists a port of a host means no other.
func (r *Reader) name(text []byte, port uint16) edge.Match {
	if port == 0 || r.set.Holds()&edge.HoldsEndpoints == 0 {
		return r.set.Domain(view(text))
	}
	return r.set.Named(view(text), port)
}

// ofURL asks for each expression of a URL until the operator's word is found;
// else the worst counts.
func (r *Reader) ofURL(raw []byte) edge.Match {
	url, err := canon.AppendURL(r.text[:0], view(raw))
	if err != nil {
		return edge.Match{}
	}
	r.text = url
	r.match, r.first, r.below = edge.Match{}, true, false
	canon.Expressions(view(url), r.walk)
	return r.match
}

// expression asks for one expression; the first is the URL itself, and so is
// the second when the first has a query.
func (r *Reader) expression(host, path string) bool {
	if r.below && r.set.Holds()&edge.HoldsBelow == 0 {
		return false // nothing but the URL itself can fit
	}
	m := r.set.Expression(host, path, !r.below)
	r.below = !r.first || !hasQuery(path)
	r.first = false
	if m.Tier == edge.TierAllow || m.Tier > r.match.Tier || m.Tier == r.match.Tier && m.Sure {
		r.match = m
	}
	return m.Tier != edge.TierAllow
}

func hasQuery(path string) bool {
	for i := range len(path) {
		if path[i] == '?' {
			return true
		}
	}
	return false
}

// view is the bytes as text that is used during a call only.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
