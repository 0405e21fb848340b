package http2

// Outcomes of reading a header block.
type blockError uint8

const (
	blockOK blockError = iota
	blockBroken
	blockOverflow // an integer does not fit (RFC 7541 section 5.1)
)

const (
	maxFieldBytes   = 64 << 10  // bytes of one name or value
	maxHeaderBytes  = 256 << 10 // bytes of all names and values in one direction of a transaction
	maxHeaderFields = 1024
	entryOverhead   = 32 // RFC 7541 section 4.1
)

// span is a piece of an arena.
type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// headers are the fields of one direction of a transaction.
type headers struct {
	arena  []byte
	fields []field
}

// field is a header field, or a change of the table's size.
type field struct {
	name, value span
	size        uint32
	isSize      bool
}

func (h *headers) reset() {
	if cap(h.arena) > 16<<10 {
		h.arena = nil
	}
	h.arena, h.fields = h.arena[:0], h.fields[:0]
}

func (h *headers) text(b []byte) span {
	from := uint32(len(h.arena))
	h.arena = append(h.arena, b...)
	return span{from, uint32(len(h.arena))}
}

// full says whether no further field is kept.
func (h *headers) full() bool {
	return len(h.fields) >= maxHeaderFields || len(h.arena) >= maxHeaderBytes
}

// find is the i-th value of the named field; the name is compared without case.
func (h *headers) find(name string, i int) ([]byte, bool) {
	for k := range h.fields {
		f := &h.fields[k]
		if f.isSize || !equalFold(f.name.of(h.arena), name) {
			continue
		}
		if i == 0 {
			return f.value.of(h.arena), true
		}
		i--
	}
	return nil, false
}

// equalFold says whether b is the lower case name, without regard to case.
func equalFold(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// table is a dynamic table (RFC 7541 section 2.3.2): entries in an arena,
// oldest first.
type table struct {
	arena   []byte
	entries []field
	first   int // entries before it are evicted
	size    int
	limit   int
}

const defaultTable = 4096 // RFC 7540 section 6.5.2

func (t *table) reset() {
	*t = table{arena: t.arena[:0], entries: t.entries[:0], limit: defaultTable}
}

func (t *table) add(name, value []byte) {
	need := len(name) + len(value) + entryOverhead
	t.evict(t.limit - need)
	if need > t.limit {
		return
	}
	t.compact()
	from := uint32(len(t.arena))
	t.arena = append(t.arena, name...)
	mid := uint32(len(t.arena))
	t.arena = append(t.arena, value...)
	t.entries = append(t.entries, field{name: span{from, mid}, value: span{mid, uint32(len(t.arena))}})
	t.size += need
}

// evict drops entries until size is at most room.
func (t *table) evict(room int) {
	for t.first < len(t.entries) && t.size > max(room, 0) {
		f := &t.entries[t.first]
		t.size -= int(f.value.to-f.name.from) + entryOverhead
		t.first++
	}
}

// compact frees the memory of evicted entries once it is worth the move.
func (t *table) compact() {
	if t.first == len(t.entries) {
		t.arena, t.entries, t.first = t.arena[:0], t.entries[:0], 0
		return
	}
	base := t.entries[t.first].name.from
	if int(base) < 8<<10 && t.first < 256 {
		return
	}
	t.arena = t.arena[:copy(t.arena, t.arena[base:])]
	t.entries = t.entries[:copy(t.entries, t.entries[t.first:])]
	t.first = 0
	for i := range t.entries {
		f := &t.entries[i]
		f.name = span{f.name.from - base, f.name.to - base}
		f.value = span{f.value.from - base, f.value.to - base}
	}
}

// decoder reads header blocks of one direction.
type decoder struct {
	table table
	most  int // limit that the settings allow
	b     []byte
	h     *headers
}

// decode appends the fields of a header block to h. The table stays in step
// also where h is full. sizes is called with each change of the table's size.
func (x *decoder) decode(b []byte, h *headers) blockError {
	x.b, x.h = b, h
	for len(x.b) > 0 {
		var err blockError
		switch c := x.b[0]; {
		case c&0x80 != 0:
			err = x.indexed()
		case c&0xc0 == 0x40:
			err = x.literal(6, true)
		case c&0xe0 == 0x20:
			err = x.sizeUpdate()
		default:
			err = x.literal(4, false)
		}
		if err != blockOK {
			return err
		}
	}
	return blockOK
}

// integer reads a number with a prefix of n bits (RFC 7541 section 5.1).
func (x *decoder) integer(n uint) (uint64, blockError) {
	if len(x.b) == 0 {
		return 0, blockBroken
	}
	mask := byte(1)<<n - 1
	v := uint64(x.b[0] & mask)
	x.b = x.b[1:]
	if v < uint64(mask) {
		return v, blockOK
	}
	for shift := uint(0); ; shift += 7 {
		if len(x.b) == 0 {
			return 0, blockBroken
		}
		c := x.b[0]
		x.b = x.b[1:]
		if shift > 28 && c != 0 {
			return 0, blockOverflow
		}
		if shift > 56 {
			return 0, blockOverflow
		}
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return v, blockOK
		}
	}
}

func (x *decoder) sizeUpdate() blockError {
	v, err := x.integer(5)
	if err != blockOK {
		return err
	}
	if len(x.h.fields) < maxHeaderFields {
		x.h.fields = append(x.h.fields, field{isSize: true, size: uint32(min(v, 1<<32-1))})
	}
	x.table.limit = int(min(v, uint64(x.most)))
	x.table.evict(x.table.limit)
	return blockOK
}

// entry is the i-th entry of static and dynamic table, from 1.
func (x *decoder) entry(i uint64) (name, value []byte, ok bool) {
	if i == 0 {
		return nil, nil, false
	}
	if i <= uint64(len(staticTable)) {
		e := &staticTable[i-1]
		return e.name, e.value, true
	}
	t := &x.table
	i -= uint64(len(staticTable)) + 1
	if i >= uint64(len(t.entries)-t.first) {
		return nil, nil, false
	}
	f := &t.entries[len(t.entries)-1-int(i)]
	return f.name.of(t.arena), f.value.of(t.arena), true
}

func (x *decoder) indexed() blockError {
	i, err := x.integer(7)
	if err != blockOK {
		return err
	}
	name, value, ok := x.entry(i)
	if !ok {
		return blockBroken
	}
	if !x.h.full() {
		x.h.fields = append(x.h.fields, field{name: x.h.text(name), value: x.h.text(value)})
	}
	return blockOK
}

// literal reads a field whose name may be indexed (RFC 7541 section 6.2).
func (x *decoder) literal(bits uint, index bool) blockError {
	i, err := x.integer(bits)
	if err != blockOK {
		return err
	}
	mark := len(x.h.arena)
	var f field
	if i > 0 {
		name, _, ok := x.entry(i)
		if !ok {
			return blockBroken
		}
		f.name = x.h.text(name)
	} else if f.name, err = x.text(); err != blockOK {
		return err
	}
	if f.value, err = x.text(); err != blockOK {
		return err
	}
	if index {
		x.table.add(f.name.of(x.h.arena), f.value.of(x.h.arena))
	}
	if x.h.full() {
		x.h.arena = x.h.arena[:mark]
		return blockOK
	}
	x.h.fields = append(x.h.fields, f)
	return blockOK
}

// text reads a string literal (RFC 7541 section 5.2) into the headers' arena.
func (x *decoder) text() (span, blockError) {
	packed := len(x.b) > 0 && x.b[0]&0x80 != 0
	n, err := x.integer(7)
	if err != blockOK {
		return span{}, err
	}
	if n > uint64(len(x.b)) {
		return span{}, blockBroken
	}
	raw := x.b[:n]
	x.b = x.b[n:]
	if !packed {
		return x.h.text(raw[:min(len(raw), maxFieldBytes)]), blockOK
	}
	from := uint32(len(x.h.arena))
	var ok bool
	if x.h.arena, ok = appendHuffman(x.h.arena, raw, maxFieldBytes); !ok {
		return span{}, blockBroken
	}
	return span{from, uint32(len(x.h.arena))}, blockOK
}
