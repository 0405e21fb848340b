package http

// symbol decodes one literal or match.
func (z *lzmaReader) symbol(emit func([]byte) error) error {
	if !z.unknown && z.left == 0 {
		z.ended = true
		return nil
	}
	pos := uint(z.total) & (1<<z.pb - 1)
	if z.bit(&z.isMatch[z.state<<4+pos]) == 0 {
		z.literalByte()
		return nil
	}
	var n uint
	if z.bit(&z.isRep[z.state]) != 0 {
		if z.total == 0 {
			return errBroken
		}
		short, length := z.repeated(pos)
		if short {
			return nil
		}
		n = length
	} else {
		z.rep[3], z.rep[2], z.rep[1] = z.rep[2], z.rep[1], z.rep[0]
		n = z.length(&z.matchLen, pos)
		z.state = lzmaNext(z.state, 7)
		z.rep[0] = z.distance(n)
		if z.rep[0] == 1<<32-1 {
			z.ended = true
			return nil
		}
	}
	return z.copyMatch(n+2, emit)
}

// lzmaNext is the state after a match: to when literals came before, three
// more when not.
func lzmaNext(state, to uint) uint {
	if state < 7 {
		return to
	}
	if to == 9 {
		return 11
	}
	return to + 3
}

// repeated reads which earlier distance is used again; short is a match of one
// byte, done already.
func (z *lzmaReader) repeated(pos uint) (short bool, n uint) {
	if z.bit(&z.isRep0[z.state]) == 0 {
		if z.bit(&z.isRep0Long[z.state<<4+pos]) == 0 {
			z.state = lzmaNext(z.state, 9)
			z.put(z.back(z.rep[0]))
			return true, 0
		}
	} else {
		var d uint32
		switch {
		case z.bit(&z.isRep1[z.state]) == 0:
			d = z.rep[1]
		case z.bit(&z.isRep2[z.state]) == 0:
			d = z.rep[2]
			z.rep[2] = z.rep[1]
		default:
			d = z.rep[3]
			z.rep[3], z.rep[2] = z.rep[2], z.rep[1]
		}
		z.rep[1], z.rep[0] = z.rep[0], d
	}
	n = z.length(&z.repLen, pos)
	z.state = lzmaNext(z.state, 8)
	return false, n
}

func (z *lzmaReader) distance(n uint) uint32 {
	slot := z.tree(z.slot[min(n, 3)][:], 6)
	if slot < 4 {
		return uint32(slot)
	}
	bits := slot>>1 - 1
	d := uint32(2|slot&1) << bits
	if slot < 14 {
		return d + uint32(z.reverse(z.special[uint(d)-slot:], bits))
	}
	d += z.direct(bits-4) << 4
	return d + uint32(z.reverse(z.align[:], 4))
}

// back is the byte at a distance (from 0) behind.
func (z *lzmaReader) back(d uint32) byte {
	i := z.dictPos - int(d) - 1
	if i < 0 {
		i += len(z.dict)
	}
	if i < 0 {
		return 0
	}
	return z.dict[i]
}

// put adds a byte to the output; the dictionary has room for one.
func (z *lzmaReader) put(c byte) {
	z.dict[z.dictPos] = c
	z.dictPos++
	z.total++
	z.left--
}

func (z *lzmaReader) literalByte() {
	var prev byte
	if z.total > 0 {
		prev = z.back(0)
	}
	state := (uint(z.total)&(1<<z.lp-1))<<z.lc + uint(prev)>>(8-z.lc)
	p := z.literal[0x300*state:]
	sym := uint(1)
	if z.state >= 7 {
		match := uint(z.back(z.rep[0]))
		for sym < 0x100 {
			m := match >> 7 & 1
			match <<= 1
			b := z.bit(&p[(1+m)<<8+sym])
			sym = sym<<1 | b
			if m != b {
				break
			}
		}
	}
	for sym < 0x100 {
		sym = sym<<1 | z.bit(&p[sym])
	}
	z.put(byte(sym))
	switch {
	case z.state < 4:
		z.state = 0
	case z.state < 10:
		z.state -= 3
	default:
		z.state -= 6
	}
}

// copyMatch copies n bytes from distance rep[0].
func (z *lzmaReader) copyMatch(n uint, emit func([]byte) error) error {
	if uint64(z.rep[0]) >= z.total {
		return errBroken
	}
	if int(z.rep[0]) >= len(z.dict) {
		return errMemory
	}
	if !z.unknown && uint64(n) > z.left {
		n = uint(z.left)
	}
	for range n {
		if z.dictPos == len(z.dict) {
			if err := z.flush(emit); err != nil {
				return err
			}
			z.dictPos, z.flushed = 0, 0
		}
		z.put(z.back(z.rep[0]))
	}
	return nil
}
