package index

import (
	"errors"
	"fmt"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Errors of Add.
var (
	// ErrFull says that MaxEntries objects or 4 GB of text are kept already.
	ErrFull = errors.New("index: full")
	// ErrObject says that an object has no type, or a text that is empty or
	// longer than MaxText, or no prefix where it should have one.
	ErrObject = errors.New("index: not an object")
)

// DefaultMaxEntries bounds a Builder unless it says otherwise.
const DefaultMaxEntries = 1 << 26

// Builder collects objects for an Index. One goroutine uses it, once.
type Builder struct {
	// Seed scatters the table; give a random one where feeds could be made to
	// collide on purpose. 0 is fine, the same input then gives the same table.
	Seed uint64
	// Prefixes makes Build add what Index.Prefixes needs: 8 bytes for each
	// object but addresses, and the time of a SHA-256.
	Prefixes bool
	// MaxEntries bounds the objects; 0 is DefaultMaxEntries.
	MaxEntries int

	count  int
	four   []item4
	six    []item6
	asn    []uint64 // number 32, packed brief 16
	chunks [][]byte
	first  int // room that the first chunk begins with, in bytes
	texts  int
}

// NewBuilder expects about hint objects.
func NewBuilder(hint int) *Builder {
	hint = min(max(hint, 0), 1<<20)
	return &Builder{four: make([]item4, 0, hint/4), first: min(20*hint, chunkSize)}
}

// Add takes an object in canonical form. An object of which nothing is known
// is left out. When an object comes twice, the heavier word holds, a local one
// before all. After an error the Builder is as before.
func (b *Builder) Add(o reputation.Object, brief reputation.Brief) error {
	if !brief.Listed() {
		return nil
	}
	limit := b.MaxEntries
	if limit <= 0 {
		limit = DefaultMaxEntries
	}
	if b.count >= limit {
		return ErrFull
	}
	if err := b.add(o, pack(brief)); err != nil {
		return err
	}
	b.count++
	return nil
}

func (b *Builder) add(o reputation.Object, p packed) error {
	switch {
	case o.Type == reputation.TypePrefix:
		if !o.Prefix.IsValid() || o.Prefix.Addr().Is4In6() {
			return fmt.Errorf("%w: prefix %v", ErrObject, o.Prefix)
		}
		if o.Prefix.Addr().Is4() {
			b.four = append(b.four, newItem4(o.Prefix, p))
		} else {
			b.six = append(b.six, newItem6(o.Prefix, p))
		}
		return nil
	case o.Type == reputation.TypeASN:
		b.asn = append(b.asn, uint64(o.Number)<<16|uint64(p))
		return nil
	case o.Type == reputation.TypeNone || o.Type >= reputation.NumTypes:
		return fmt.Errorf("%w: type %d", ErrObject, o.Type)
	case o.Text == "" || len(o.Text) > MaxText:
		return fmt.Errorf("%w: text of %d bytes", ErrObject, len(o.Text))
	}
	return b.text(o, p)
}

func (b *Builder) text(o reputation.Object, p packed) error {
	n := len(b.chunks)
	if n == 0 || chunkSize-len(b.chunks[n-1]) < len(o.Text)+headSize {
		if n == maxChunks {
			return ErrFull
		}
		size := chunkSize
		if n == 0 { // the first grows, so that a small index stays small
			size = b.first
		}
		chunk := make([]byte, 0, size)
		b.chunks = append(b.chunks, chunk)
		n++
	}
	b.chunks[n-1] = appendRecord(b.chunks[n-1], o, p)
	b.texts++
	return nil
}

// Build makes the Index; the Builder is empty after it.
func (b *Builder) Build() (*Index, error) {
	x := &Index{}
	n4, n6 := 0, 0
	x.four, n4 = build4(b.four)
	x.six, n6 = build6(b.six, b.Seed)
	b.four, b.six = nil, nil
	x.asn = buildASN(b.asn)
	x.size = n4 + n6 + len(x.asn)
	b.buildTable(x)
	if b.Prefixes {
		x.prefixes = buildPrefixes(&x.table)
	}
	*b = Builder{Seed: b.Seed, Prefixes: b.Prefixes, MaxEntries: b.MaxEntries}
	return x, nil
}

func buildASN(items []uint64) []uint64 {
	slices.Sort(items)
	out := items[:0]
	for _, it := range items {
		if n := len(out); n > 0 && out[n-1]>>16 == it>>16 {
			if secondWins(packed(out[n-1]), packed(it)) {
				out[n-1] = it
			}
			continue
		}
		out = append(out, it)
	}
	return slices.Clip(out)
}

// buildTable puts the records into the table. Chunks become strings as they
// are, for nobody writes to them any more.
func (b *Builder) buildTable(x *Index) {
	x.table = newTable(b.texts, newSalts(b.Seed))
	t := &x.table
	x.minLabels = 1 << 15
	var hosts []uint64
	for c := range b.chunks {
		t.chunks = append(t.chunks, text(b.chunks[c]))
		b.chunks[c] = nil
		for at := 0; at < len(t.chunks[c]); {
			e, size := readRecord(t.chunks[c][at:])
			ref := uint32(c)<<chunkBits + uint32(at) + 1
			at += size
			h := t.key(e)
			if first := t.same(h, e); first != 0 {
				if secondWins(t.at(first).brief, e.brief) {
					t.replace(h, first, ref)
				}
				continue
			}
			t.put(h, ref)
			x.size++
			hosts = x.note(e, hosts)
		}
	}
	x.hosts = newHostFilter(hosts)
}

// text makes a string of a chunk that is not written to any more; one that is
// much emptier than its room is copied.
func text(chunk []byte) string {
	if len(chunk) < cap(chunk)/4*3 {
		return string(chunk)
	}
	return view(chunk)
}

// same finds the record of the same object, 0 if there is none.
func (t *table) same(h uint64, e entry) uint32 {
	c := t.find(h)
	for ref := t.next(&c); ref != 0; ref = t.next(&c) {
		if o := t.at(ref); o.typ == e.typ && o.below == e.below && o.hex == e.hex && o.text == e.text {
			return ref
		}
	}
	return 0
}
