package http

// The order in which a dynamic block gives the lengths of its code length
// code, and what lengths and distances begin at (RFC 1951 sections 3.2.5, 3.2.7).
var (
	codeOrder   = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

func (f *inflater) tableSizes() (bool, error) {
	v, ok := f.take(14)
	if !ok {
		return false, nil
	}
	f.hlit, f.hdist, f.hclen = v&31+257, v>>5&31+1, v>>10+4
	if f.hlit > 286 || f.hdist > 30 {
		return false, errBroken
	}
	clear(f.lengths[:19])
	f.have = 0
	f.state = inflateCodeLengths
	return true, nil
}

func (f *inflater) codeLengths() (bool, error) {
	for f.have < f.hclen {
		v, ok := f.take(3)
		if !ok {
			return false, nil
		}
		f.lengths[codeOrder[f.have]] = uint8(v)
		f.have++
	}
	if !f.lit.build(f.lengths[:19]) {
		return false, errBroken
	}
	f.have = 0
	f.state = inflateLengths
	return true, nil
}

// readLengths reads the code lengths of both codes, with their runs.
func (f *inflater) readLengths() (bool, error) {
	for f.have < f.hlit+f.hdist {
		f.refill()
		sym, n := f.lit.decode(f.bits, f.nbits)
		if sym < 0 {
			return false, shortOrBroken(sym)
		}
		if sym < 16 {
			f.drop(n)
			f.lengths[f.have] = uint8(sym)
			f.have++
			continue
		}
		extra, base := [3]uint32{2, 3, 7}[sym-16], [3]int{3, 3, 11}[sym-16]
		if f.nbits < n+extra {
			return false, nil
		}
		run := base + int(f.bits>>n&(1<<extra-1))
		f.drop(n + extra)
		if err := f.repeat(sym, run); err != nil {
			return false, err
		}
	}
	if f.lengths[256] == 0 || !f.lit.build(f.lengths[:f.hlit]) || !f.dist.build(f.lengths[f.hlit:f.hlit+f.hdist]) {
		return false, errBroken
	}
	f.state = inflateSymbols
	return true, nil
}

func (f *inflater) repeat(sym, run int) error {
	var v uint8
	if sym == 16 {
		if f.have == 0 {
			return errBroken
		}
		v = f.lengths[f.have-1]
	}
	if f.have+run > f.hlit+f.hdist {
		return errBroken
	}
	for range run {
		f.lengths[f.have] = v
		f.have++
	}
	return nil
}

func (f *inflater) drop(n uint32) {
	f.bits >>= n
	f.nbits -= n
}

// shortOrBroken turns the outcome of decode into an error.
func shortOrBroken(sym int) error {
	if sym == -1 {
		return nil
	}
	return errBroken
}

// decodeSymbols decodes literals and copies until the block ends, the input
// ends or the buffer is nearly full.
func (f *inflater) decodeSymbols() (bool, error) {
	for f.to <= inflateBuf-512 {
		f.refill()
		sym, n := f.lit.decode(f.bits, f.nbits)
		switch {
		case sym < 0:
			return false, shortOrBroken(sym)
		case sym < 256:
			f.drop(n)
			f.out[f.to] = byte(sym)
			f.to++
		case sym == 256:
			f.drop(n)
			f.state = inflateBlock
			return true, nil
		default:
			done, err := f.copyMatch(sym-257, n)
			if !done {
				return false, err
			}
		}
	}
	return true, nil
}

// copyMatch reads the rest of a length and distance pair, whose length symbol
// took n bits, and copies. Nothing is consumed when bits are missing.
func (f *inflater) copyMatch(sym int, n uint32) (bool, error) {
	if sym >= len(lengthBase) {
		return false, errBroken
	}
	extra := uint32(lengthExtra[sym])
	if f.nbits < n+extra {
		return false, nil
	}
	length := int(lengthBase[sym]) + int(f.bits>>n&(1<<extra-1))
	n += extra
	dsym, dn := f.dist.decode(f.bits>>n, f.nbits-n)
	if dsym < 0 {
		return false, shortOrBroken(dsym)
	}
	if dsym >= len(distBase) {
		return false, errBroken
	}
	n += dn
	extra = uint32(distExtra[dsym])
	if f.nbits < n+extra {
		return false, nil
	}
	distance := int(distBase[dsym]) + int(f.bits>>n&(1<<extra-1))
	if distance > f.to {
		return false, errBroken
	}
	f.drop(n + extra)
	out := f.out[f.to-distance : f.to+length]
	for i := distance; i < len(out); {
		i += copy(out[i:], out[:i])
	}
	f.to += length
	return true, nil
}
