package feed

import (
	"math"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// stixObject is what is read of the objects of STIX (STIX 2.1, sections 4 and 6). Its
// texts are good until the next object.
type stixObject struct {
	kind, id, name, value           []byte
	pattern, patternType            []byte
	validFrom, validUntil, modified []byte
	firstObserved, lastObserved     []byte
	confidence                      float64
	number                          uint32          // of an autonomous system
	says                            reputation.Kind // indicator types, labels and phases; none when they say nothing
	revoked                         bool
	hashes                          []stixDigest
	objects                         []stixMember // of observed data
}

// stixDigest is one of the hashes of a file or certificate.
type stixDigest struct {
	name   string
	digits []byte
}

// stixMember is an object within observed data (STIX 2.0).
type stixMember struct {
	key    []byte
	object stixObject
}

// read reads an object; depth is how many observed data it stands in.
func (s *stixObject) read(p *pieces, words map[string]reputation.Kind, depth int) error {
	*s = stixObject{hashes: s.hashes[:0], objects: s.objects[:0]}
	return p.members("an object", func(name []byte) error { return s.member(p, name, words, depth) })
}

func (s *stixObject) member(p *pieces, name []byte, words map[string]reputation.Kind, depth int) error {
	switch string(name) {
	case "type":
		return p.text("type", &s.kind)
	case "id":
		return p.text("id", &s.id)
	case "name":
		return p.text("name", &s.name)
	case "value":
		return p.text("value", &s.value)
	case "pattern":
		return p.text("pattern", &s.pattern)
	case "pattern_type":
		return p.text("pattern_type", &s.patternType)
	case "valid_from":
		return p.text("valid_from", &s.validFrom)
	case "valid_until":
		return p.text("valid_until", &s.validUntil)
	case "modified":
		return p.text("modified", &s.modified)
	case "first_observed":
		return p.text("first_observed", &s.firstObserved)
	case "last_observed":
		return p.text("last_observed", &s.lastObserved)
	case "confidence":
		return p.number("confidence", &s.confidence)
	case "revoked":
		return p.truth("revoked", &s.revoked)
	case "number":
		return s.asNumber(p)
	case "indicator_types", "labels":
		return p.list("labels", func() error { return s.word(p, words) })
	case "kill_chain_phases":
		return p.list("kill_chain_phases", func() error { return s.phase(p, words) })
	case "hashes":
		return p.members("hashes", func(name []byte) error {
			d := stixDigest{name: string(name)}
			err := p.text("hashes", &d.digits)
			s.hashes = append(s.hashes, d)
			return err
		})
	case "objects":
		if depth > 0 {
			return p.Skip()
		}
		return p.members("objects", func(name []byte) error {
			s.objects = append(s.objects, stixMember{key: p.keep(name)})
			return s.objects[len(s.objects)-1].object.read(p, words, depth+1)
		})
	}
	return p.Skip()
}

func (s *stixObject) asNumber(p *pieces) error {
	var v float64
	err := p.number("number", &v)
	if (v < 0 || v > math.MaxUint32 || v != math.Trunc(v)) && p.wrong == nil {
		p.wrong = wrongForm("number", "this number")
	}
	s.number = uint32(max(0, min(v, math.MaxUint32)))
	return err
}

// word takes one word of the object's vocabularies.
func (s *stixObject) word(p *pieces, words map[string]reputation.Kind) error {
	var b []byte
	err := p.text("labels", &b)
	k, known := words[string(b)]
	if !known {
		k, _ = kindOf(words, string(b))
	}
	s.says = worse(s.says, k)
	return err
}

func (s *stixObject) phase(p *pieces, words map[string]reputation.Kind) error {
	return p.members("kill_chain_phases", func(name []byte) error {
		if string(name) == "phase_name" {
			return s.word(p, words)
		}
		return p.Skip()
	})
}
