package connect

import "encoding/binary"

// Instructions of eBPF (Documentation/bpf/standardization/instruction-set.rst).
// Only those that every kernel with these hooks knows, without atomic ones,
// which some 32-bit machines cannot translate.
const (
	opLoad4   = 0x61 // dst = *(u32 *)(src + off)
	opLoad8   = 0x79
	opStore1  = 0x73 // *(u8 *)(dst + off) = src
	opStore2  = 0x6b
	opStore4  = 0x63
	opSet4    = 0x62 // *(u32 *)(dst + off) = imm
	opSet8    = 0x7a
	opWide    = 0x18 // dst = 64 bits in two instructions
	opMove    = 0xbf // dst = src; 0xb7: imm
	opNumber  = 0xb7
	opAdd     = 0x0f
	opAddN    = 0x07
	opSub     = 0x1f
	opOr      = 0x4f
	opAnd     = 0x5f
	opAndN    = 0x57
	opXor     = 0xaf
	opXorN    = 0xa7
	opLeftN   = 0x67
	opRightN  = 0x77 // without sign
	opNetwork = 0xdc // to or from network order, imm bits
	opGo      = 0x05
	opEqual   = 0x1d // jumps if dst == src
	opEqualN  = 0x15
	opNotN    = 0x55
	opNot     = 0x5d
	opMore    = 0x2d // jumps if dst > src
	opCall    = 0x85
	opExit    = 0x95

	mapOf = 1 // src of opWide: imm is the descriptor of a map

	callLookup  = 1
	callUpdate  = 2
	callProcess = 14  // pid and tgid
	callName    = 16  // of the thread
	callNetwork = 122 // cookie of the network namespace
)

// Offsets in struct bpf_sock_addr.
const (
	ctxAddr4 = 4
	ctxAddr6 = 8
	ctxPort  = 24
	ctxProto = 36
)

// The program's stack, from its top (register 10) down.
const (
	stackIndex = -4
	stackKey   = -32 // attemptKey bytes
	stackValue = -56 // attemptValue bytes
)

// label is a place in a program that jumps go to before it is known.
type label int

const (
	pass label = iota
	found
	mapped
	answer
	known
	labels
)

// assembler puts a program together.
type assembler struct {
	code  []byte
	at    [labels]int
	jumps []struct {
		place int
		to    label
	}
}

// add appends one instruction. Which half of the second byte is dst follows the
// machine's byte order, as a bit field of C does.
func (a *assembler) add(op uint8, dst, src uint8, off int16, imm int32) {
	registers := src<<4 | dst
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		registers = dst<<4 | src
	}
	ne := binary.NativeEndian
	a.code = append(a.code, op, registers)
	a.code = ne.AppendUint16(a.code, uint16(off))
	a.code = ne.AppendUint32(a.code, uint32(imm))
}

// when jumps to l if the test holds.
func (a *assembler) when(op uint8, dst, src uint8, imm int32, l label) {
	a.jumps = append(a.jumps, struct {
		place int
		to    label
	}{len(a.code) / 8, l})
	a.add(op, dst, src, 0, imm)
}

func (a *assembler) here(l label) { a.at[l] = len(a.code) / 8 }

func (a *assembler) wide(dst uint8, src uint8, v uint64) {
	a.add(opWide, dst, src, 0, int32(uint32(v)))
	a.add(0, 0, 0, 0, int32(uint32(v>>32)))
}

// pointer puts the address of a place on the stack into a register.
func (a *assembler) pointer(dst uint8, place int32) {
	a.add(opMove, dst, 10, 0, 0)
	a.add(opAddN, dst, 0, 0, place)
}

func (a *assembler) end() []byte {
	for _, j := range a.jumps {
		binary.NativeEndian.PutUint16(a.code[8*j.place+2:], uint16(a.at[j.to]-j.place-1))
	}
	return a.code
}

// source is what programs are made from.
type source struct {
	refuse         bool
	cookie         uint64 // only this network namespace; 0: all
	four, six      int    // maps of ranges
	count4, count6 int    // ranges in them, at least 1
	attempts       int    // map
	anyone         bool   // do not ask for the process
}

// program gives the instructions for a hook of IPv4 or IPv6 addresses.
//
// Registers: 6 the context, 7 the address (or its high half), 9 its low half, 8
// the place in the ranges. The search has no branches: the kernel's verifier
// follows each of them, and there would be one more at each halving.
func (s *source) program(six bool) []byte {
	a := &assembler{}
	a.add(opMove, 6, 1, 0, 0)
	if s.cookie != 0 {
		a.add(opCall, 0, 0, 0, callNetwork)
		a.wide(1, 0, s.cookie)
		a.when(opNot, 0, 1, 0, pass)
	}
	if six {
		s.address6(a)
		a.search(s.six, s.count6, true)
	} else {
		a.add(opSet8, 10, 0, stackKey, 0)
		a.add(opSet4, 10, 0, stackKey+8, int32(mappedWord()))
		a.add(opLoad4, 7, 6, ctxAddr4, 0)
		a.add(opStore4, 10, 7, stackKey+12, 0)
	}
	a.here(mapped)
	a.add(opNetwork, 7, 0, 0, 32)
	a.search(s.four, s.count4, false)
	a.here(found)
	s.note(a)
	a.here(answer)
	value := int32(1)
	if s.refuse {
		value = 0
	}
	a.add(opNumber, 0, 0, 0, value)
	a.add(opExit, 0, 0, 0, 0)
	a.here(pass)
	a.add(opNumber, 0, 0, 0, 1)
	a.add(opExit, 0, 0, 0, 0)
	return a.end()
}

// mappedWord is the word before the IPv4 address in an IPv4-mapped one.
func mappedWord() uint32 { return binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}) }

// address6 copies the address to the stack and into registers 7 and 9; a mapped
// one goes on as IPv4.
func (s *source) address6(a *assembler) {
	for i := range int16(4) {
		a.add(opLoad4, 1+uint8(i), 6, ctxAddr6+4*i, 0)
		a.add(opStore4, 10, 1+uint8(i), stackKey+4*i, 0)
	}
	a.add(opMove, 7, 4, 0, 0) // an IPv4 address, if it is one
	a.add(opMove, 5, 1, 0, 0)
	a.add(opOr, 5, 2, 0, 0)
	a.add(opMove, 0, 3, 0, 0)
	a.wide(8, 0, uint64(mappedWord()))
	a.add(opXor, 0, 8, 0, 0)
	a.add(opOr, 5, 0, 0, 0)
	a.when(opEqualN, 5, 0, 0, mapped)
	for i := range uint8(4) {
		a.add(opNetwork, 1+i, 0, 0, 32)
	}
	a.add(opMove, 7, 1, 0, 0)
	a.add(opLeftN, 7, 0, 0, 32)
	a.add(opOr, 7, 2, 0, 0)
	a.add(opMove, 9, 3, 0, 0)
	a.add(opLeftN, 9, 0, 0, 32)
	a.add(opOr, 9, 4, 0, 0)
}

// search goes to found when one of the n ranges of the map holds the address,
// and on otherwise (or to pass).
func (a *assembler) search(ranges, n int, six bool) {
	a.add(opNumber, 8, 0, 0, 0)
	for ; n > 1; n -= n / 2 {
		half := int32(n / 2)
		a.fetch(ranges, half)
		if six {
			a.add(opLoad8, 1, 0, 0, 0)
			a.add(opLoad8, 2, 0, 8, 0)
			a.borrow6()
		} else { // 1 when the range begins after the address, else 0
			a.add(opLoad4, 1, 0, 0, 0)
			a.add(opMove, 4, 7, 0, 0)
			a.add(opSub, 4, 1, 0, 0)
			a.add(opRightN, 4, 0, 0, 63)
		}
		a.add(opAddN, 4, 0, 0, -1) // all bits when it does not
		a.add(opAndN, 4, 0, 0, half)
		a.add(opAdd, 8, 4, 0, 0)
	}
	a.fetch(ranges, 0)
	if six {
		a.within6()
		return
	}
	a.add(opLoad4, 1, 0, 0, 0)
	a.add(opLoad4, 2, 0, 4, 0)
	a.when(opMore, 1, 7, 0, pass)
	a.when(opMore, 7, 2, 0, pass)
	a.when(opGo, 0, 0, 0, found)
}

// fetch puts the address of the range at the place, and so many further, into
// register 0.
func (a *assembler) fetch(ranges int, further int32) {
	a.add(opMove, 3, 8, 0, 0)
	a.add(opAddN, 3, 0, 0, further)
	a.add(opStore4, 10, 3, stackIndex, 0)
	a.wide(1, mapOf, uint64(ranges))
	a.pointer(2, stackIndex)
	a.add(opCall, 0, 0, 0, callLookup)
	a.when(opEqualN, 0, 0, 0, pass) // never; the verifier asks for it
}

// borrow6 puts into register 4 what (7,9) - (1,2) borrows: 1 when the range
// begins after the address, else 0.
func (a *assembler) borrow6() {
	a.add(opNumber, 4, 0, 0, 0)
	for _, half := range [...][2]uint8{{9, 2}, {7, 1}} {
		x, y := half[0], half[1]
		a.add(opMove, 3, x, 0, 0) // x - y - what the low half borrows
		a.add(opSub, 3, y, 0, 0)
		a.add(opSub, 3, 4, 0, 0)
		a.add(opMove, 4, x, 0, 0) // where x and y agree, the difference says it
		a.add(opXor, 4, y, 0, 0)
		a.add(opXorN, 4, 0, 0, -1)
		a.add(opAnd, 4, 3, 0, 0)
		a.add(opMove, 5, x, 0, 0) // where they do not, y does
		a.add(opXorN, 5, 0, 0, -1)
		a.add(opAnd, 5, y, 0, 0)
		a.add(opOr, 4, 5, 0, 0)
		a.add(opRightN, 4, 0, 0, 63)
	}
}

// within6 goes to found when the range at register 0 holds (7,9), else to pass.
func (a *assembler) within6() {
	for i, v := range [...]int16{0, 8, 16, 24} {
		a.add(opLoad8, 1+uint8(i), 0, v, 0)
	}
	a.when(opMore, 1, 7, 0, pass)
	a.add(opNot, 1, 7, 1, 0) // the high halves differ: the low one does not matter
	a.when(opMore, 2, 9, 0, pass)
	a.when(opMore, 7, 3, 0, pass)
	a.add(opNot, 7, 3, 1, 0)
	a.when(opMore, 9, 4, 0, pass)
	a.when(opGo, 0, 0, 0, found)
}

// note counts the attempt.
func (s *source) note(a *assembler) {
	a.add(opNumber, 0, 0, 0, 0)
	if !s.anyone {
		a.add(opCall, 0, 0, 0, callProcess)
		a.add(opRightN, 0, 0, 0, 32)
	}
	a.add(opStore4, 10, 0, stackKey+16, 0)
	a.add(opSet4, 10, 0, stackKey+20, 0)
	a.add(opLoad4, 1, 6, ctxPort, 0)
	a.add(opStore2, 10, 1, stackKey+20, 0)
	a.add(opLoad4, 1, 6, ctxProto, 0)
	a.add(opStore1, 10, 1, stackKey+22, 0)
	a.wide(1, mapOf, uint64(s.attempts))
	a.pointer(2, stackKey)
	a.add(opCall, 0, 0, 0, callLookup)
	a.when(opNotN, 0, 0, 0, known)
	a.add(opSet4, 10, 0, stackValue, 1)
	for i := range int16(4) {
		a.add(opSet4, 10, 0, stackValue+4+4*i, 0)
	}
	if !s.anyone {
		a.pointer(1, stackValue+4)
		a.add(opNumber, 2, 0, 0, 16)
		a.add(opCall, 0, 0, 0, callName)
	}
	a.wide(1, mapOf, uint64(s.attempts))
	a.pointer(2, stackKey)
	a.pointer(3, stackValue)
	a.add(opNumber, 4, 0, 0, 1) // only if there is none yet
	a.add(opCall, 0, 0, 0, callUpdate)
	a.when(opGo, 0, 0, 0, answer)
	a.here(known) // two processors at once may count one too few
	a.add(opLoad4, 1, 0, 0, 0)
	a.add(opAddN, 1, 0, 0, 1)
	a.add(opStore4, 0, 1, 0, 0)
}
