package dns

import "encoding/binary"

const (
	maxName   = 1025 // bytes of a name as text that are kept
	maxLabels = 255  // labels and pointers followed in one name
	maxArena  = 1 << 17
)

// span is a piece of Tx.arena.
type span struct{ at, n uint32 }

// oddity is what was wrong with a name that could still be read.
type oddity uint8

const (
	oddTruncated oddity = 1 << iota
	oddLoop
	oddLabels
)

// name reads the name at pos, appends it to the arena as text, and gives the
// position after it in the message.
func (t *Tx) name(pos int) (s span, next int, ok bool) {
	msg, start := t.msg, len(t.arena)
	next = -1
	for steps := 0; ; steps++ {
		if steps > maxLabels {
			t.odd |= oddLabels
			ok = next >= 0
			break
		}
		if pos >= len(msg) || msg[pos] == 0 {
			pos, ok = min(pos+1, len(msg)), true
			break
		}
		n := int(msg[pos])
		if n&0xc0 == 0 {
			if pos+1+n > len(msg) {
				return span{}, 0, false
			}
			t.label(start, msg[pos+1:pos+1+n])
			pos += 1 + n
			continue
		}
		if n&0xc0 != 0xc0 || pos+2 > len(msg) {
			return span{}, 0, false
		}
		target := int(binary.BigEndian.Uint16(msg[pos:])) & 0x3fff
		if target > len(msg) {
			return span{}, 0, false
		}
		if target == pos {
			t.odd |= oddLoop
			ok = next >= 0
			break
		}
		if next < 0 {
			next = pos + 2
		}
		pos = target
	}
	if next < 0 {
		next = pos
	}
	return span{uint32(start), uint32(len(t.arena) - start)}, next, ok
}

// label appends a label to the name that begins at start in the arena.
func (t *Tx) label(start int, label []byte) {
	if len(t.arena)-start+len(label) >= maxName || len(t.arena)+len(label) >= maxArena {
		t.odd |= oddTruncated
		return
	}
	if len(t.arena) > start {
		t.arena = append(t.arena, '.')
	}
	t.arena = append(t.arena, label...)
}
