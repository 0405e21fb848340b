package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// AppendKey appends the key of an object to b: the few bytes by which a Ledger
// keeps it, and which stand for it in snapshots. It fails for what is not in
// canonical form; b is then as it was.
func AppendKey(b []byte, o *reputation.Object) ([]byte, error) {
	out, problem := appendKey(b, o)
	if problem != "" {
		return b, errors.New("reputation: " + problem)
	}
	return out, nil
}

// ErrKey says that bytes are the key of no object.
var ErrKey = errors.New("reputation: not the key of an object")

// ParseKey gives the object of a key from outside. What AppendKey would write
// in another way is refused. The object keeps nothing of key.
func ParseKey(key []byte) (reputation.Object, error) {
	if len(key) < 2 || len(key) > maxKey {
		return reputation.Object{}, ErrKey
	}
	ok := true
	switch t := typeOf(key); {
	case t == reputation.TypeNone || t >= reputation.NumTypes:
		ok = false
	case t == reputation.TypePrefix:
		ok = len(key) == 6 && key[5] <= 32 || len(key) == 18 && key[17] <= 128
	case t == reputation.TypeASN:
		ok = len(key) == 5
	}
	if !ok {
		return reputation.Object{}, ErrKey
	}
	o := objectOf(key, string(appendText(nil, key)))
	var room [64]byte
	if again, problem := appendKey(room[:0], &o); problem != "" || !bytes.Equal(again, key) {
		return reputation.Object{}, ErrKey
	}
	return o, nil
}

// Revision changes whenever what a source says does; 0 is a source that says
// nothing. Revisions of another Ledger cannot be compared with it.
func (l *Ledger) Revision(id reputation.SourceID) uint64 {
	if int(id) >= len(l.sources) {
		return 0
	}
	return l.sources[id].revision
}

// Imported is when a source's edition in force was read, in seconds since 1970.
func (l *Ledger) Imported(id reputation.SourceID) uint32 {
	if int(id) >= len(l.sources) {
		return 0
	}
	return l.sources[id].imported
}

// revise notes that a source says something else now.
func (l *Ledger) revise(id reputation.SourceID) {
	l.revision++
	l.sources[id].revision = l.revision
}

// ranked is an object of a source: the first bytes of its key, by which most
// are told apart, and its number.
type ranked struct {
	start uint64
	id    uint32
}

// Claims gives all that a source says, whatever its age, in the order of the
// keys, until yield says false. Key and claim are lent until yield returns; the
// claim's Object is left out, ParseKey gives it. It takes 16 bytes an entry for
// the order and about 300 ns.
func (l *Ledger) Claims(id reputation.SourceID, yield func(key []byte, c *reputation.Claim) bool) {
	if id == 0 || int(id) >= len(l.sources) || l.sources[id].live == 0 {
		return
	}
	e := l.sources[id].live
	var out reputation.Claim
	for _, r := range l.rank(e) {
		o := l.objects.at(r.id)
		for i := o.claims; i != 0; {
			c := l.claims.at(i)
			i = c.next
			if c.edition != e {
				continue
			}
			out = reputation.Claim{Source: id, Kind: reputation.Kind(c.kind), Confidence: c.confidence,
				First: c.first, Last: c.last, Until: c.until, Note: l.notes.text[c.note]}
			if !yield(l.keyOf(o), &out) {
				return
			}
			break
		}
	}
}

// rank sorts the objects of an edition by their keys.
func (l *Ledger) rank(e uint16) []ranked {
	out := make([]ranked, 0, l.editions[e].entries)
	for id := uint32(1); id < l.objects.used; id++ {
		if o := l.objects.at(id); o.size != 0 && l.has(o, e) {
			var start [8]byte
			copy(start[:], l.keyOf(o))
			out = append(out, ranked{binary.BigEndian.Uint64(start[:]), id})
		}
	}
	slices.SortFunc(out, func(a, b ranked) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return bytes.Compare(l.keyOf(l.objects.at(a.id)), l.keyOf(l.objects.at(b.id)))
	})
	return out
}
