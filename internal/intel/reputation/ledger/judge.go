package ledger

import (
	"bytes"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// How many owners must speak against what lies in something good before it may
// be blocked: an address in a known network, a name below a benign one.
const (
	ownersInKnown     = 3
	ownersBelowBenign = 2
)

// judgement is a score with what it rests on.
type judgement struct {
	brief reputation.Brief
	match uint32  // object that decides
	plain float32 // what is said against, before damping
	good  float32 // what damped it most
	held  bool    // what is known kept it below the default block
}

// judge scores what holds for a key.
func (l *Ledger) judge(key []byte, holds []found, now uint32) judgement {
	var levels [maxLevels]level
	n := 0
	for _, f := range holds {
		v := &levels[n]
		v.scope = f.scope
		if l.hear(v, f.id, now); v.listed {
			n++
		}
	}
	if n == 0 {
		return judgement{}
	}
	return weighUp(key, levels[:n])
}

// weighUp joins levels, the most exact first.
func weighUp(key []byte, levels []level) judgement {
	var j judgement
	for i := range levels {
		v := &levels[i]
		if v.allow || v.deny {
			j.brief.Local, j.match = reputation.LocalAllow, v.id
			if !v.allow {
				j.brief.Local = reputation.LocalDeny
			}
			break
		}
	}
	a := asked{deep: typeOf(key) == reputation.TypeURL && isDeep(key), shared: typeOf(key) == reputation.TypeEndpoint && isShared(key)}
	for i := range levels {
		if levels[i].n == 0 {
			continue
		}
		x := damp(a, levels, i)
		if x.brief.Score > j.brief.Score || j.plain == 0 {
			x.brief.Local = j.brief.Local
			if j.brief.Local != reputation.LocalNo {
				x.match = j.match
			}
			j = x
		}
	}
	if j.plain == 0 || j.brief.Score == 0 {
		j.goodOnly(levels)
	}
	switch j.brief.Local {
	case reputation.LocalAllow:
		j.brief.Score = 0
	case reputation.LocalDeny:
		j.brief.Score = 100
		if j.brief.Kind <= reputation.KindKnown {
			j.brief.Kind = reputation.KindSuspicious
		}
	}
	return j
}

// goodOnly names what speaks for an object against which nothing weighs.
func (j *judgement) goodOnly(levels []level) {
	for i := range levels {
		v := &levels[i]
		kind := reputation.KindNone
		switch {
		case v.benign > 0:
			kind = reputation.KindBenign
		case v.known > 0:
			kind = reputation.KindKnown
		}
		if kind != reputation.KindNone && (j.brief.Kind == reputation.KindNone || j.brief.Kind > reputation.KindBenign) {
			if j.brief.Kind = kind; j.brief.Local == reputation.LocalNo {
				j.match = v.id
			}
		}
	}
	if j.match == 0 {
		j.match = levels[0].id
	}
}

// isDeep says whether a URL's key names more than the whole of a host.
func isDeep(key []byte) bool {
	slash := bytes.IndexByte(key, '/')
	return slash > 0 && slash+1 < len(key)
}

// asked is what there is to know of what was asked.
type asked struct {
	deep   bool // a URL that names more than the whole of a host
	shared bool // an endpoint whose port many hosts of one address use
}

// isShared says whether an endpoint's port is one behind which an address mostly serves
// many at once: the web's and those of names and mail. There an endpoint says no more
// than its address.
func isShared(key []byte) bool {
	switch string(key[bytes.LastIndexByte(key, ':')+1:]) {
	case "80", "443", "8080", "8443", "53", "853", "25", "465", "587", "993":
		return true
	}
	return false
}

// damp scores what one level says against the object, with all that any level
// says for it. A path alone is never enough to block by default: any site may have
// it.
func damp(a asked, levels []level, at int) judgement {
	v := &levels[at]
	g := goodOf(a, levels, at)
	shared := a.shared && v.scope == exact
	j := judgement{match: v.id, plain: v.against, good: max(g.benign, g.same, g.broad, g.above)}
	score, most := v.against*(1-g.benign), float32(1)
	if g.same > 0 {
		score, most = score*(1-g.same/4), blockBelow
	}
	if g.above > 0 {
		score *= 1 - g.above/4
		if v.n < ownersBelowBenign {
			most = blockBelow
		}
	}
	switch {
	case g.broad == 0 || g.same > 0 || g.above > 0:
	case v.of == reputation.TypePrefix || shared:
		score *= 1 - g.broad/4
		if v.n < ownersInKnown {
			most = blockBelow
		}
	case v.of == reputation.TypeEndpoint: // who else has the address has other ports
	default:
		score *= 1 - g.broad/10
	}
	if v.scope == anywhere || v.path {
		score, most = score*(1-g.broad/2), min(most, blockBelow)
	}
	j.held = score > most
	j.brief = reputation.Brief{Score: uint8(100*min(score, most) + 0.5), Kind: v.kind}
	if g.benign >= 0.5 {
		j.brief.Kind = reputation.KindBenign
	}
	return j
}

// goodness is the most that is said for an object, by how exact it is beside what
// is said against: benign, known as exact, known of something wider, benign of a
// name above.
type goodness struct{ benign, same, broad, above float32 }

func goodOf(a asked, levels []level, at int) (out goodness) {
	v := &levels[at]
	for i := range levels {
		g := &levels[i]
		if a.deep && v.scope == exact && g.scope == host {
			out.broad = max(out.broad, g.known, g.benign)
			continue
		}
		if v.of == reputation.TypeDomain && g.size < v.size {
			out.above = max(out.above, g.benign)
		} else {
			out.benign = max(out.benign, g.benign)
		}
		if i > at {
			out.broad = max(out.broad, g.known)
		} else {
			out.same = max(out.same, g.known)
		}
	}
	return out
}

// blockBelow is the highest share that is not blocked by default.
const blockBelow = float32(reputation.DefaultBlock-1) / 100
