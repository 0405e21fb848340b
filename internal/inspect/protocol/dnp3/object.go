package dnp3

import "encoding/binary"

// object is one object header of an application fragment.
type object struct {
	group, variation uint8
	qualifier        uint8
	start, stop      uint32
	count            uint32
}

// Sizes of points that are no number of bytes.
const (
	sizeUnknown = -1
	sizeBits    = -2 // one bit a point
	sizePairs   = -3 // two bits a point
)

// sizes are the bytes of a point by group and variation (IEEE 1815, annex A).
var sizes = map[uint16]int8{
	g(1, 1): sizeBits, g(1, 2): 1, g(2, 1): 1, g(2, 2): 7, g(2, 3): 3, g(3, 1): sizePairs, g(3, 2): 1,
	g(4, 1): 1, g(4, 2): 7, g(4, 3): 3, g(10, 1): sizeBits, g(10, 2): 1, g(11, 1): 1, g(11, 2): 7,
	g(12, 1): 11, g(12, 2): 11, g(12, 3): sizeBits, g(13, 1): 1, g(13, 2): 7,
	g(20, 1): 5, g(20, 2): 3, g(20, 3): 5, g(20, 4): 3, g(20, 5): 4, g(20, 6): 2, g(20, 7): 4, g(20, 8): 2,
	g(21, 1): 5, g(21, 2): 3, g(21, 3): 5, g(21, 4): 3, g(21, 5): 11, g(21, 6): 9, g(21, 7): 11, g(21, 8): 9,
	g(21, 9): 4, g(21, 10): 2, g(21, 11): 4, g(21, 12): 2,
	g(22, 1): 5, g(22, 2): 3, g(22, 3): 5, g(22, 4): 3, g(22, 5): 11, g(22, 6): 9, g(22, 7): 11, g(22, 8): 9,
	g(23, 1): 5, g(23, 2): 3, g(23, 3): 5, g(23, 4): 3, g(23, 5): 11, g(23, 6): 9, g(23, 7): 11, g(23, 8): 9,
	g(30, 1): 5, g(30, 2): 3, g(30, 3): 4, g(30, 4): 2, g(30, 5): 5, g(30, 6): 9,
	g(31, 1): 5, g(31, 2): 3, g(31, 3): 11, g(31, 4): 9, g(31, 5): 4, g(31, 6): 2, g(31, 7): 5, g(31, 8): 9,
	g(32, 1): 5, g(32, 2): 3, g(32, 3): 11, g(32, 4): 9, g(32, 5): 5, g(32, 6): 9, g(32, 7): 11, g(32, 8): 15,
	g(33, 1): 5, g(33, 2): 3, g(33, 3): 11, g(33, 4): 9, g(33, 5): 5, g(33, 6): 9, g(33, 7): 11, g(33, 8): 15,
	g(34, 1): 2, g(34, 2): 4, g(34, 3): 4, g(40, 1): 5, g(40, 2): 3, g(40, 3): 5, g(40, 4): 9,
	g(41, 1): 5, g(41, 2): 3, g(41, 3): 5, g(41, 4): 9,
	g(42, 1): 5, g(42, 2): 3, g(42, 3): 11, g(42, 4): 9, g(42, 5): 5, g(42, 6): 9, g(42, 7): 11, g(42, 8): 15,
	g(43, 1): 5, g(43, 2): 3, g(43, 3): 11, g(43, 4): 9, g(43, 5): 5, g(43, 6): 9, g(43, 7): 11, g(43, 8): 15,
	g(50, 1): 6, g(50, 2): 10, g(50, 3): 6, g(50, 4): 11, g(51, 1): 6, g(51, 2): 6, g(52, 1): 2, g(52, 2): 2,
	g(80, 1): sizeBits, g(81, 1): 3, g(86, 2): 1, g(101, 1): 2, g(101, 2): 4, g(101, 3): 8, g(102, 1): 1, g(120, 3): 6, g(120, 4): 4,
	g(121, 1): 7, g(122, 1): 13, g(122, 2): 11,
}

func g(group, variation uint8) uint16 { return uint16(group)<<8 | uint16(variation) }

// sized are groups whose points always have their own size before them.
func sized(group uint8) bool {
	return group == 70 || group == 83 || group == 85 || group == 87 || group == 90 || group == 120
}

// readObjects reads the object headers, and steps over their points. Without
// points (a function that only names objects) those with a prefix have some all
// the same. False means that an object is not known.
func (t *Tx) readObjects(b []byte, points bool) bool {
	for len(b) >= 3 && len(t.objects) < maxObjects {
		o := object{group: b[0], variation: b[1], qualifier: b[2]}
		rest, ok := o.readRange(b[3:])
		if !ok {
			return false
		}
		t.objects = append(t.objects, o)
		if o.count > 0 && (points || o.qualifier>>4&7 != 0) {
			if rest, ok = o.skip(rest); !ok {
				return false
			}
		}
		b = rest
	}
	return len(b) == 0 || len(t.objects) >= maxObjects
}

// readRange reads the range field (IEEE 1815, 4.2.2.7.3).
func (o *object) readRange(b []byte) ([]byte, bool) {
	switch code := o.qualifier & 15; code {
	case 0, 1, 2, 3, 4, 5:
		n := 1 << (code % 3)
		if len(b) < 2*n {
			return b, false
		}
		o.start, o.stop = little(b[:n]), little(b[n:2*n])
		if o.stop < o.start {
			return b, false
		}
		o.count = o.stop - o.start + 1
		return b[2*n:], true
	case 6:
		return b, true
	case 7, 8, 9, 11:
		n := 1
		if code < 11 {
			n = 1 << (code - 7)
		}
		if len(b) < n {
			return b, false
		}
		o.count = little(b[:n])
		return b[n:], true
	}
	return b, false
}

func little(b []byte) uint32 {
	switch len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.LittleEndian.Uint16(b))
	}
	return binary.LittleEndian.Uint32(b)
}

// skip steps over the points of an object with their prefixes.
func (o *object) skip(b []byte) ([]byte, bool) {
	prefix := o.qualifier >> 4 & 7
	if prefix >= 4 && prefix <= 6 { // each point has its size before it
		n := 1 << (prefix - 4)
		for range o.count {
			if len(b) < n {
				return b, false
			}
			size := little(b[:n])
			if uint64(len(b)-n) < uint64(size) {
				return b, false
			}
			b = b[n+int(size):]
		}
		return b, true
	}
	if prefix == 7 {
		return b, false
	}
	index := uint64(0)
	if prefix > 0 {
		index = 1 << (prefix - 1)
	}
	var n uint64
	switch size := o.size(); size {
	case sizeUnknown:
		return b, false
	case sizeBits:
		n = (uint64(o.count)+7)/8 + index*uint64(o.count)
	case sizePairs:
		n = (uint64(o.count)+3)/4 + index*uint64(o.count)
	default:
		n = (uint64(size) + index) * uint64(o.count)
	}
	if n > uint64(len(b)) {
		return b, false
	}
	return b[n:], true
}

// size is the bytes of a point.
func (o *object) size() int {
	switch {
	case o.group == 60:
		return 0
	case o.group >= 110 && o.group <= 114:
		return int(o.variation) // a string as long as the variation says
	case sized(o.group):
		return sizeUnknown
	}
	if n, ok := sizes[g(o.group, o.variation)]; ok {
		return int(n)
	}
	return sizeUnknown
}
