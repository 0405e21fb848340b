package ledger

import (
	"math"

	"github.com/masugata/masugata/internal/intel/reputation"
)

const (
	day = 24 * 60 * 60
	// anonymizerMost is the most that all anonymizer claims count together.
	anonymizerMost = 0.6
	// minorPart of the heaviest claim is what a claim must weigh to name the kind.
	minorPart = 0.2
	// lives of a claim, in half-lives, when neither it nor its source says.
	lives = 4
)

// nature is what is known of a kind.
type nature struct {
	gravity  float32 // what a certain claim weighs
	halfLife uint32  // seconds
}

// natureOf gives a kind's weight and half-life. Addresses that scan, send or
// flood are cleaned or handed on within weeks, names and servers later.
func natureOf(k reputation.Kind) nature {
	switch k {
	case reputation.KindSuspicious:
		return nature{0.85, 30 * day}
	case reputation.KindAnonymizer:
		return nature{0.6, 7 * day}
	case reputation.KindScanner, reputation.KindSpam, reputation.KindFlood:
		return nature{0.9, 14 * day}
	case reputation.KindBruteForce, reputation.KindExploit, reputation.KindBot:
		return nature{1, 14 * day}
	case reputation.KindMining, reputation.KindC2, reputation.KindMalware:
		return nature{1, 90 * day}
	case reputation.KindBenign, reputation.KindKnown:
		return nature{1, 0}
	}
	return nature{1, 30 * day}
}

// isLasting says whether what is said of objects of a type stays true: files,
// certificates and models do not change.
func isLasting(t reputation.Type) bool {
	return t == reputation.TypeFile || t == reputation.TypeTLSH || t == reputation.TypeCert || t == reputation.TypeDevice
}

// weight of a claim on an object of a type, 0 to 1.
func weight(c *claim, s *source, t reputation.Type, now uint32) float32 {
	n := natureOf(reputation.Kind(c.kind))
	w := float32(s.Trust) / 100 * n.gravity
	if c.confidence != 0 {
		w *= float32(c.confidence) / 100
	}
	if n.halfLife == 0 || isLasting(t) || now <= c.last+day {
		return w
	}
	return w * float32(math.Exp2(-float64(now-c.last-day)/float64(n.halfLife)))
}

// expired says whether a claim holds no more.
func expired(c *claim, s *source, t reputation.Type, now uint32) bool {
	if c.until != 0 {
		return now > c.until
	}
	life := s.Life
	if life == 0 {
		life = lives * natureOf(reputation.Kind(c.kind)).halfLife
		if isLasting(t) {
			return false
		}
	}
	return life != 0 && now > c.last && now-c.last > life
}

// voice is the heaviest that one owner says against an object.
type voice struct {
	owner uint16
	kind  reputation.Kind
	w     float32
}

// level is what is said of one object by itself: the one asked for, or one that
// covers it.
type level struct {
	id            uint32
	scope         scope
	of            reputation.Type
	path          bool   // a path on every host
	size          uint16 // of its key: of two names that cover each other the same for the same name
	voices        [maxVoices]voice
	n             int // voices
	kind          reputation.Kind
	against       float32
	benign, known float32
	allow, deny   bool
	listed        bool
}

// maxVoices is how many owners are heard of one object; the lightest fall out.
const maxVoices = 12

// scope says how a level stands to what was asked.
type scope uint8

const (
	exact    scope = iota // the object, or a prefix, name or URL of the same sort that covers it
	host                  // the host of the URL or endpoint that was asked
	anywhere              // its path, on every host
)

// hear reads all that is said of an object into v.
func (l *Ledger) hear(v *level, id uint32, now uint32) {
	o := l.objects.at(id)
	t := typeOf(l.keyOf(o))
	*v = level{id: id, scope: v.scope, of: t, size: o.size}
	v.path = t == reputation.TypeURL && l.keyOf(o)[1] == '/'
	var kinds [reputation.NumKinds]float32
	for i := o.claims; i != 0; {
		c := l.claims.at(i)
		i = c.next
		s := l.heard(c)
		if s == nil || expired(c, s, t, now) {
			continue
		}
		v.listed = true
		if s.Local != reputation.LocalNo {
			v.allow = v.allow || s.Local == reputation.LocalAllow
			v.deny = v.deny || s.Local == reputation.LocalDeny
		}
		w, k := weight(c, s, t, now), reputation.Kind(c.kind)
		switch {
		case s.Local == reputation.LocalAllow:
		case k == reputation.KindBenign:
			v.benign = max(v.benign, w)
		case k == reputation.KindKnown:
			v.known = max(v.known, w)
		default:
			kinds[k] = max(kinds[k], w)
			v.add(voice{s.owner, k, w})
		}
	}
	v.join(&kinds)
}

// heard is the source of a claim that is in force; nil when it is not.
func (l *Ledger) heard(c *claim) *source {
	e := &l.editions[c.edition]
	if e.state != live {
		return nil
	}
	return &l.sources[e.source]
}

func (v *level) add(x voice) {
	light := 0
	for i := range v.n {
		if v.voices[i].owner == x.owner {
			if x.w > v.voices[i].w {
				v.voices[i] = x
			}
			return
		}
		if v.voices[i].w < v.voices[light].w {
			light = i
		}
	}
	switch {
	case v.n < maxVoices:
		v.voices[v.n] = x
		v.n++
	case x.w > v.voices[light].w:
		v.voices[light] = x
	}
}

// join makes one weight and one kind of all voices.
func (v *level) join(kinds *[reputation.NumKinds]float32) {
	clean, plain := float32(1), float32(1)
	for _, x := range v.voices[:v.n] {
		if x.kind == reputation.KindAnonymizer {
			plain *= 1 - x.w
		} else {
			clean *= 1 - x.w
		}
	}
	v.against = 1 - clean*max(plain, 1-anonymizerMost)
	var most float32
	for _, w := range kinds {
		most = max(most, w)
	}
	for k := reputation.NumKinds - 1; k > reputation.KindKnown; k-- {
		if w := kinds[k]; w > 0 && w >= most*minorPart {
			v.kind = k
			return
		}
	}
}
