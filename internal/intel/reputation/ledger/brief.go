package ledger

import (
	"unsafe"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Brief scores an object at a time (seconds since 1970) by what is said of it
// and of all that covers it: prefixes, names above, expressions and the host of
// a URL. It allocates nothing, but for
// URLs of over 300 bytes or on an IPv6 address. Of an object that is not in canonical form
// nothing is known.
func (l *Ledger) Brief(o reputation.Object, now uint32) reputation.Brief {
	var room [320]byte
	key, problem := appendKey(room[:0], &o)
	if problem != "" {
		return reputation.Brief{}
	}
	var holds [maxLevels]found
	return l.judge(key, l.covers(key, l.find(key), holds[:0]), now).brief
}

// blockOf is how many objects Each hands out with texts of one piece of memory.
const blockOf = 256

// Each calls yield with every object of which something is said at a time, and
// with its Brief, in a fixed order, until yield says false. The objects are
// yield's to keep. What covers an object is already in its Brief, so whoever
// looks for the most exact entry that holds needs that entry only.
func (l *Ledger) Each(now uint32, yield func(reputation.Object, reputation.Brief) bool) {
	l.each(now, func(text []byte) string { return string(text) }, yield)
}

// EachLent is Each with objects that are lent until yield returns: it leaves no
// garbage.
func (l *Ledger) EachLent(now uint32, yield func(reputation.Object, reputation.Brief) bool) {
	l.each(now, func(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }, yield)
}

func (l *Ledger) each(now uint32, keep func(text []byte) string, yield func(reputation.Object, reputation.Brief) bool) {
	var (
		text   []byte
		ids    [blockOf]uint32
		ends   [blockOf]int
		briefs [blockOf]reputation.Brief
		holds  [maxLevels]found
		n      int
	)
	flush := func() bool {
		all, start := keep(text), 0
		for i := range n {
			o := objectOf(l.keyOf(l.objects.at(ids[i])), all[start:ends[i]])
			start = ends[i]
			if !yield(o, briefs[i]) {
				return false
			}
		}
		text, n = text[:0], 0
		return true
	}
	for id := uint32(1); id < l.objects.used; id++ {
		o := l.objects.at(id)
		if o.size == 0 || !l.said(o, now) {
			continue
		}
		key := l.keyOf(o)
		briefs[n] = l.judge(key, l.covers(key, id, holds[:0]), now).brief
		text = appendText(text, key)
		ids[n], ends[n] = id, len(text)
		if n++; n == blockOf && !flush() {
			return
		}
	}
	flush()
}

// said says whether anything in force is said of an object itself.
func (l *Ledger) said(o *object, now uint32) bool {
	for i := o.claims; i != 0; {
		c := l.claims.at(i)
		i = c.next
		if s := l.heard(c); s != nil && !expired(c, s, typeOf(l.keyOf(o)), now) {
			return true
		}
	}
	return false
}
