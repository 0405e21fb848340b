package dnp3

import (
	"encoding/binary"
	"sort"
)

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

// sizes are the bytes of a point by group and variation, in order (IEEE 1815,
// annex A).
var sizes = [...]struct {
	key  uint16 // group and variation
	size int8
}{
	{1<<8 | 1, sizeBits}, {1<<8 | 2, 1}, {2<<8 | 1, 1}, {2<<8 | 2, 7}, {2<<8 | 3, 3}, {3<<8 | 1, sizePairs},
	{3<<8 | 2, 1}, {4<<8 | 1, 1}, {4<<8 | 2, 7}, {4<<8 | 3, 3}, {10<<8 | 1, sizeBits}, {10<<8 | 2, 1}, {11<<8 | 1, 1},
	{11<<8 | 2, 7}, {12<<8 | 1, 11}, {12<<8 | 2, 11}, {12<<8 | 3, sizeBits}, {13<<8 | 1, 1}, {13<<8 | 2, 7},
	{20<<8 | 1, 5}, {20<<8 | 2, 3}, {20<<8 | 3, 5}, {20<<8 | 4, 3}, {20<<8 | 5, 4}, {20<<8 | 6, 2}, {20<<8 | 7, 4},
	{20<<8 | 8, 2}, {21<<8 | 1, 5}, {21<<8 | 2, 3}, {21<<8 | 3, 5}, {21<<8 | 4, 3}, {21<<8 | 5, 11}, {21<<8 | 6, 9},
	{21<<8 | 7, 11}, {21<<8 | 8, 9}, {21<<8 | 9, 4}, {21<<8 | 10, 2}, {21<<8 | 11, 4}, {21<<8 | 12, 2}, {22<<8 | 1, 5},
	{22<<8 | 2, 3}, {22<<8 | 3, 5}, {22<<8 | 4, 3}, {22<<8 | 5, 11}, {22<<8 | 6, 9}, {22<<8 | 7, 11}, {22<<8 | 8, 9},
	{23<<8 | 1, 5}, {23<<8 | 2, 3}, {23<<8 | 3, 5}, {23<<8 | 4, 3}, {23<<8 | 5, 11}, {23<<8 | 6, 9}, {23<<8 | 7, 11},
	{23<<8 | 8, 9}, {30<<8 | 1, 5}, {30<<8 | 2, 3}, {30<<8 | 3, 4}, {30<<8 | 4, 2}, {30<<8 | 5, 5}, {30<<8 | 6, 9},
	{31<<8 | 1, 5}, {31<<8 | 2, 3}, {31<<8 | 3, 11}, {31<<8 | 4, 9}, {31<<8 | 5, 4}, {31<<8 | 6, 2}, {31<<8 | 7, 5},
	{31<<8 | 8, 9}, {32<<8 | 1, 5}, {32<<8 | 2, 3}, {32<<8 | 3, 11}, {32<<8 | 4, 9}, {32<<8 | 5, 5}, {32<<8 | 6, 9},
	{32<<8 | 7, 11}, {32<<8 | 8, 15}, {33<<8 | 1, 5}, {33<<8 | 2, 3}, {33<<8 | 3, 11}, {33<<8 | 4, 9}, {33<<8 | 5, 5},
	{33<<8 | 6, 9}, {33<<8 | 7, 11}, {33<<8 | 8, 15}, {34<<8 | 1, 2}, {34<<8 | 2, 4}, {34<<8 | 3, 4}, {40<<8 | 1, 5},
	{40<<8 | 2, 3}, {40<<8 | 3, 5}, {40<<8 | 4, 9}, {41<<8 | 1, 5}, {41<<8 | 2, 3}, {41<<8 | 3, 5}, {41<<8 | 4, 9},
	{42<<8 | 1, 5}, {42<<8 | 2, 3}, {42<<8 | 3, 11}, {42<<8 | 4, 9}, {42<<8 | 5, 5}, {42<<8 | 6, 9}, {42<<8 | 7, 11},
	{42<<8 | 8, 15}, {43<<8 | 1, 5}, {43<<8 | 2, 3}, {43<<8 | 3, 11}, {43<<8 | 4, 9}, {43<<8 | 5, 5}, {43<<8 | 6, 9},
	{43<<8 | 7, 11}, {43<<8 | 8, 15}, {50<<8 | 1, 6}, {50<<8 | 2, 10}, {50<<8 | 3, 6}, {50<<8 | 4, 11}, {51<<8 | 1, 6},
	{51<<8 | 2, 6}, {52<<8 | 1, 2}, {52<<8 | 2, 2}, {80<<8 | 1, sizeBits}, {81<<8 | 1, 3}, {86<<8 | 2, 1},
	{101<<8 | 1, 2}, {101<<8 | 2, 4}, {101<<8 | 3, 8}, {102<<8 | 1, 1}, {120<<8 | 3, 6}, {120<<8 | 4, 4},
	{121<<8 | 1, 7}, {122<<8 | 1, 13}, {122<<8 | 2, 11},
}

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
	key := uint16(o.group)<<8 | uint16(o.variation)
	i := sort.Search(len(sizes), func(i int) bool { return sizes[i].key >= key })
	if i < len(sizes) && sizes[i].key == key {
		return int(sizes[i].size)
	}
	return sizeUnknown
}
