package ledger

import (
	"bytes"
	"hash/maphash"

	"github.com/masugata/masugata/internal/intel/reputation"
)

func (l *Ledger) hash(key []byte) uint32 { return uint32(maphash.Bytes(l.seed, key)) }

func (l *Ledger) keyOf(o *object) []byte { return l.keys.at(o.key, int(o.size)) }

// find is the number of the object with this key; 0 is none.
func (l *Ledger) find(key []byte) uint32 {
	id, _ := l.search(key, l.hash(key))
	return id
}

// search also gives the slot where the key stands or would stand.
func (l *Ledger) search(key []byte, h uint32) (id, slot uint32) {
	mask := uint32(len(l.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := l.slots[i]
		if s == 0 {
			return 0, i
		}
		if uint32(s>>32) != h {
			continue
		}
		if o := l.objects.at(uint32(s)); int(o.size) == len(key) && bytes.Equal(l.keyOf(o), key) {
			return uint32(s), i
		}
	}
}

// insert finds or makes the object of a key.
func (l *Ledger) insert(key []byte) (id uint32, made bool, err error) {
	h := l.hash(key)
	id, slot := l.search(key, h)
	if id != 0 {
		return id, false, nil
	}
	if l.count >= l.config.MaxObjects {
		return 0, false, &Full{"objects", l.config.MaxObjects}
	}
	more := 0
	if l.objects.grows() {
		more += chunkSize * 12
	}
	if l.keys.grows(len(key)) {
		more += arenaSize
	}
	rehash := 4*(l.count+1) > 3*len(l.slots)
	if rehash {
		more += 8 * len(l.slots)
	}
	if err := l.room(more); err != nil {
		return 0, false, err
	}
	if rehash {
		l.rehash(2 * len(l.slots))
		_, slot = l.search(key, h)
	}
	id = l.objects.take(nextObject)
	*l.objects.at(id) = object{key: l.keys.put(key), size: uint16(len(key))}
	l.slots[slot] = uint64(h)<<32 | uint64(id)
	l.count++
	l.cover(key, id)
	return id, true, nil
}

// room says whether so many bytes more stay within the bound.
func (l *Ledger) room(more int) error {
	if more > 0 && l.Bytes()+more > l.config.MaxBytes {
		return &Full{"bytes", l.config.MaxBytes}
	}
	return nil
}

func (l *Ledger) rehash(size int) {
	old := l.slots
	l.slots = make([]uint64, size)
	mask := uint32(size - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) & mask
		for l.slots[i] != 0 {
			i = (i + 1) & mask
		}
		l.slots[i] = s
	}
}

// remove forgets an object that has no claims.
func (l *Ledger) remove(id uint32) {
	o := l.objects.at(id)
	key := l.keyOf(o)
	_, slot := l.search(key, l.hash(key))
	l.vacate(slot)
	l.uncover(key)
	l.keys.drop(o.key, int(o.size))
	*o = object{claims: l.objects.unused}
	l.objects.unused = id
	l.count--
}

// vacate empties a slot and moves up what had been pushed past it.
func (l *Ledger) vacate(slot uint32) {
	mask := uint32(len(l.slots) - 1)
	for i := slot; ; {
		i = (i + 1) & mask
		s := l.slots[i]
		if s == 0 {
			break
		}
		if home := uint32(s>>32) & mask; (i-home)&mask >= (i-slot)&mask {
			l.slots[slot] = s
			slot = i
		}
	}
	l.slots[slot] = 0
}

// cover notes an object that can cover others.
func (l *Ledger) cover(key []byte, id uint32) {
	switch typeOf(key) {
	case reputation.TypePrefix:
		if p := prefixOf(key); !p.IsSingleIP() {
			l.wide.put(p, id)
		}
	case reputation.TypeURL:
		if key[0]&belowBit != 0 {
			l.prefixes++
		}
		if key[1] == '/' {
			l.paths++
		}
	}
}

func (l *Ledger) uncover(key []byte) {
	switch typeOf(key) {
	case reputation.TypePrefix:
		if p := prefixOf(key); !p.IsSingleIP() {
			l.wide.drop(p)
		}
	case reputation.TypeURL:
		if key[0]&belowBit != 0 {
			l.prefixes--
		}
		if key[1] == '/' {
			l.paths--
		}
	}
}
