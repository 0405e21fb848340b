package payload

// maxASN1Frames bounds how many elements asn1 looks at, and maxASN1Depth how
// deep they may stand in one another (Suricata's asn1-max-frames is 256).
const (
	maxASN1Frames = 256
	maxASN1Depth  = 24
)

// shows walks BER elements (X.690) and says whether one shows what the step
// looks for.
func (s *step) shows(pos int, st *State) bool {
	from := int(st.value(s.offset))
	if s.relative {
		from += pos
	}
	if from < 0 || from >= len(st.buf) {
		return false
	}
	frames := maxASN1Frames
	return s.asn1Walk(st.buf[from:], 0, &frames)
}

type berElement struct {
	class, tag  byte
	constructed bool
	length      uint64
	body        []byte // what of it is in the buffer
	rest        []byte
}

func (s *step) asn1Walk(b []byte, depth int, frames *int) bool {
	for len(b) > 0 && *frames > 0 {
		*frames--
		e, ok := readBER(b)
		if !ok {
			return false
		}
		if s.asn1Shows(&e) {
			return true
		}
		if e.constructed && depth < maxASN1Depth && s.asn1Walk(e.body, depth+1, frames) {
			return true
		}
		b = e.rest
	}
	return false
}

// asn1Shows tests one element for the oddities of which exploits make use.
func (s *step) asn1Shows(e *berElement) bool {
	if s.asn1.Oversize > 0 && e.length > uint64(s.asn1.Oversize) {
		return true
	}
	if e.class != 0 || e.constructed {
		return false
	}
	if s.asn1.BitstringOverflow && e.tag == 3 && len(e.body) > 0 && e.length > 0 && uint64(e.body[0]) > (e.length-1)*8 {
		return true
	}
	// A decimal real (X.690 8.5.8) that is longer than a double's text.
	return s.asn1.DoubleOverflow && e.tag == 9 && len(e.body) > 0 && e.body[0]&0xc0 == 0 && e.length > 256
}

// readBER reads the header of the element at the begin of b.
func readBER(b []byte) (e berElement, ok bool) {
	if len(b) < 2 {
		return e, false
	}
	e.class, e.constructed, e.tag = b[0]>>6, b[0]&0x20 != 0, b[0]&0x1f
	i := 1
	if e.tag == 0x1f { // high tag numbers end with a byte below 0x80
		for i < len(b) && b[i] >= 0x80 {
			i++
		}
		i++
	}
	if i >= len(b) {
		return e, false
	}
	l := b[i]
	i++
	switch {
	case l < 0x80:
		e.length = uint64(l)
	case l == 0x80: // indefinite: until the end of what encloses it
		e.length = 0
		e.body, e.rest = b[i:], nil
		return e, true
	default:
		for range int(l & 0x7f) {
			if i >= len(b) {
				return e, false
			}
			e.length = min(e.length, 1<<40)<<8 | uint64(b[i])
			i++
		}
	}
	n := int(min(e.length, uint64(len(b)-i)))
	e.body, e.rest = b[i:i+n], b[i+n:]
	return e, true
}
