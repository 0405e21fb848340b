package ledger

import (
	"slices"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxReasons bounds the reasons of a verdict; the lightest are left out.
const maxReasons = 32

// Explain is Brief with its reasons and in words. The reasons are those of the
// object and of all that covers it.
func (l *Ledger) Explain(o reputation.Object, now uint32) reputation.Verdict {
	v := reputation.Verdict{Object: o, Match: o}
	key, problem := appendKey(nil, &o)
	if problem != "" {
		v.Words = "This cannot be looked up: " + problem + "."
		return v
	}
	var room [maxLevels]found
	holds := l.covers(key, l.find(key), room[:0])
	j := l.judge(key, holds, now)
	v.Score, v.Kind, v.Local, v.Held = j.brief.Score, j.brief.Kind, j.brief.Local, j.held
	v.Band = reputation.BandOf(v.Score)
	if j.match != 0 {
		k := l.keyOf(l.objects.at(j.match))
		v.Match = objectOf(k, string(appendText(nil, k)))
	}
	for _, f := range holds {
		v.Reasons = l.reasons(v.Reasons, f.id, now)
	}
	slices.SortStableFunc(v.Reasons, func(a, b reputation.Reason) int { return magnitude(b.Weight) - magnitude(a.Weight) })
	v.Reasons = v.Reasons[:min(len(v.Reasons), maxReasons)]
	v.Confidence = confidence(v.Reasons)
	for _, r := range v.Reasons {
		if r.First != 0 && (v.First == 0 || r.First < v.First) {
			v.First = r.First
		}
		v.Last = max(v.Last, r.Last)
	}
	v.Words = words(&v, &j, now)
	return v
}

func magnitude(w int8) int {
	if w < 0 {
		return -int(w)
	}
	return int(w)
}

// reasons appends what is said of one object.
func (l *Ledger) reasons(out []reputation.Reason, id, now uint32) []reputation.Reason {
	o := l.objects.at(id)
	t := typeOf(l.keyOf(o))
	for i := o.claims; i != 0; {
		c := l.claims.at(i)
		i = c.next
		s := l.heard(c)
		if s == nil || expired(c, s, t, now) {
			continue
		}
		w := int8(100*weight(c, s, t, now) + 0.5)
		k := reputation.Kind(c.kind)
		switch {
		case s.Local == reputation.LocalAllow:
			w, k = -100, reputation.KindBenign
		case s.Local == reputation.LocalDeny:
			w = 100
		case k <= reputation.KindKnown:
			w = -w
		}
		out = append(out, reputation.Reason{Source: s.Name, Owner: s.Owner, Kind: k, Note: l.notes.text[c.note],
			First: c.first, Last: c.last, Weight: w})
	}
	return out
}

// confidence says how much independent evidence there is: the share left when
// every owner is believed by half its weight.
func confidence(reasons []reputation.Reason) uint8 {
	doubt := 1.0
	for i, r := range reasons {
		if slices.ContainsFunc(reasons[:i], func(e reputation.Reason) bool { return e.Owner == r.Owner }) {
			continue
		}
		doubt *= 1 - float64(magnitude(r.Weight))/200
	}
	return uint8(100*(1-doubt) + 0.5)
}

// words says a verdict in a sentence or two.
func words(v *reputation.Verdict, j *judgement, now uint32) string {
	var b strings.Builder
	b.WriteString(v.Object.String())
	switch {
	case v.Local != reputation.LocalNo:
		b.WriteString(" is decided by your own " + v.Local.String() + " list")
		if v.Match != v.Object {
			b.WriteString(" (entry " + v.Match.String() + ")")
		}
		b.WriteString("; what others say does not count.")
		return b.String()
	case j.plain > 0:
		against(&b, v, j, now)
	case v.Kind == reputation.KindBenign:
		b.WriteString(" is held to be harmless by " + voices(v.Reasons, -1) + ".")
	case v.Kind == reputation.KindKnown:
		b.WriteString(" is widely used, says " + voices(v.Reasons, -1) + "; nothing is said against it.")
	default:
		b.WriteString(" is not listed; that does not mean that it is harmless.")
	}
	return b.String()
}

func against(b *strings.Builder, v *reputation.Verdict, j *judgement, now uint32) {
	if v.Match != v.Object {
		b.WriteString(" belongs to " + v.Match.String() + ", which")
	}
	b.WriteString(" is listed as " + heaviest(v).String() + " by " + voices(v.Reasons, 1))
	if v.Last != 0 && v.Last <= now {
		b.WriteString(", last seen " + ago(now-v.Last))
	}
	b.WriteString(".")
	switch {
	case j.held:
		b.WriteString(" But it is widely used by others too (" + voices(v.Reasons, -1) + "), so it is not blocked by default.")
	case j.good >= 0.5 && v.Score < 20:
		b.WriteString(" But " + voices(v.Reasons, -1) + " holds it to be harmless, so that counts for little.")
	case j.good > 0:
		b.WriteString(" What " + voices(v.Reasons, -1) + " says for it has been weighed in.")
	}
	b.WriteString(" Score " + number(uint32(v.Score)) + " of 100: " + advice(v.Band) + ".")
}

func heaviest(v *reputation.Verdict) reputation.Kind {
	if v.Kind > reputation.KindKnown {
		return v.Kind
	}
	for _, r := range v.Reasons {
		if r.Weight > 0 {
			return r.Kind
		}
	}
	return v.Kind
}

// voices names the owners whose reasons have the sign of side.
func voices(reasons []reputation.Reason, side int) string {
	var owners []string
	for _, r := range reasons {
		if int(r.Weight)*side > 0 && !slices.Contains(owners, r.Owner) {
			owners = append(owners, r.Owner)
		}
	}
	switch n := len(owners); {
	case n == 0:
		return "a source whose word has grown too old to count"
	case n == 1:
		return owners[0]
	case n <= 3:
		return number(uint32(n)) + " independent owners (" + strings.Join(owners, ", ") + ")"
	default:
		return number(uint32(n)) + " independent owners (" + strings.Join(owners[:3], ", ") + " and others)"
	}
}

func advice(b reputation.Band) string {
	return [...]string{"nothing is done", "worth a note", "worth a look or a limit", "blocked by default", "blocked everywhere"}[min(b, reputation.BandCertain)]
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// ago is a length of time in words, rounded down.
func ago(seconds uint32) string {
	for _, u := range [...]struct {
		size uint32
		name string
	}{{365 * day, "year"}, {day, "day"}, {3600, "hour"}, {60, "minute"}} {
		switch n := seconds / u.size; {
		case n == 1:
			return "a" + vowel(u.name) + " " + u.name + " ago"
		case n > 1:
			return number(n) + " " + u.name + "s ago"
		}
	}
	return "just now"
}

func vowel(s string) string {
	if s == "hour" {
		return "n"
	}
	return ""
}
