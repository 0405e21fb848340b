package pcre

import "github.com/masugata/masugata/internal/inspect/rule/needle"

// literals gathers runs of bytes that every match holds.
type literals struct {
	run, best, first literal
	at               int // bytes before the run, -1 when unknown
	started          bool
}

type literal struct {
	bytes []byte
	fold  bool
	at    int
}

// walk goes through what must match, in order. Optional parts end the run.
func (l *literals) walk(n *node) {
	switch n.op {
	case nByte:
		l.add(n.b, n.fold)
	case nCat:
		for _, s := range n.subs {
			l.walk(s)
		}
	case nGroup, nAtomic:
		l.walk(n.subs[0])
	case nAssert, nKeep, nEmpty, nLook:
		// no bytes of their own
	case nRepeat:
		l.repeat(n)
	default:
		l.end()
		l.at = -1
	}
}

func (l *literals) repeat(n *node) {
	for range min(n.min, 64) {
		l.walk(n.subs[0])
	}
	if n.min != n.max || n.min > 64 {
		l.end()
		l.at = -1
	}
}

// add appends a byte. A run is of one kind: bytes that are no letters fit both.
func (l *literals) add(b byte, fold bool) {
	letter := (b|0x20)-'a' < 26
	switch {
	case !letter || len(l.run.bytes) == 0:
	case l.run.fold == fold:
	case fold || !hasLetter(l.run.bytes):
	default: // an exact letter in a folded run matches folded as well
		b |= 0x20
		fold = true
	}
	if letter && fold && !l.run.fold {
		for i, c := range l.run.bytes {
			l.run.bytes[i] = needle.Lower(c)
		}
		l.run.fold = true
	}
	if l.run.fold {
		b = needle.Lower(b)
	}
	if len(l.run.bytes) == 0 {
		l.run.at = l.at
	}
	l.run.bytes = append(l.run.bytes, b)
	if l.at >= 0 {
		l.at++
	}
}

func hasLetter(s []byte) bool {
	for _, c := range s {
		if (c|0x20)-'a' < 26 {
			return true
		}
	}
	return false
}

// end closes the run.
func (l *literals) end() {
	if len(l.run.bytes) == 0 {
		return
	}
	if !l.started {
		l.first, l.started = l.run, true
	}
	if len(l.run.bytes) > len(l.best.bytes) {
		l.best = l.run
	}
	l.run = literal{}
}
