package ledger

import (
	"bytes"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// owners is how many must speak against an address in a known network before it
// may be blocked.
const ownersInKnown = 3

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
	deep := typeOf(key) == reputation.TypeURL && isDeep(key)
	for i := range levels {
		if levels[i].n == 0 {
			continue
		}
		x := damp(deep, levels, i)
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

// damp scores what one level says against the object, with all that any level
// says for it.
func damp(deep bool, levels []level, at int) judgement {
	v := &levels[at]
	var benign, same, broad float32
	for i := range levels {
		g := &levels[i]
		if deep && v.scope == exact && g.scope == host {
			broad = max(broad, g.known, g.benign)
			continue
		}
		benign = max(benign, g.benign)
		if i > at {
			broad = max(broad, g.known)
		} else {
			same = max(same, g.known)
		}
	}
	j := judgement{match: v.id, plain: v.against, good: max(benign, same, broad)}
	score, most := v.against*(1-benign), float32(1)
	if same > 0 {
		score, most = score*(1-same/4), blockBelow
	}
	if broad > 0 && same == 0 {
		if v.of == reputation.TypePrefix {
			score *= 1 - broad/4
			if v.n < ownersInKnown {
				most = blockBelow
			}
		} else {
			score *= 1 - broad/10
		}
	}
	j.held = score > most
	j.brief = reputation.Brief{Score: uint8(100*min(score, most) + 0.5), Kind: v.kind}
	if benign >= 0.5 {
		j.brief.Kind = reputation.KindBenign
	}
	return j
}

// blockBelow is the highest share that is not blocked by default.
const blockBelow = float32(reputation.DefaultBlock-1) / 100
