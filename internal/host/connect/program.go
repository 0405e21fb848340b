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

// insn is one instruction.
type insn struct {
	op, dst, src uint8
	off          int16
	imm          int32
}

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
	jumps []jump
}

type jump struct {
	place int
	to    label
}

// put appends instructions. Which half of the second byte is dst follows the
// machine's byte order, as a bit field of C does. Inlined, it would be larger
// than all of the instructions.
//
//go:noinline
func (a *assembler) put(list ...insn) {
	ne := binary.NativeEndian
	for _, in := range list {
		registers := in.src<<4 | in.dst
		if ne.Uint16([]byte{0, 1}) == 1 {
			registers = in.dst<<4 | in.src
		}
		a.code = append(a.code, in.op, registers)
		a.code = ne.AppendUint16(a.code, uint16(in.off))
		a.code = ne.AppendUint32(a.code, uint32(in.imm))
	}
}

// when jumps to l if the test holds.
//
//go:noinline
func (a *assembler) when(op, dst, src uint8, imm int32, l label) {
	a.jumps = append(a.jumps, jump{len(a.code) / 8, l})
	a.put(insn{op, dst, src, 0, imm})
}

func (a *assembler) here(l label) { a.at[l] = len(a.code) / 8 }

// wide puts 64 bits into a register; src is mapOf when they are a map.
func (a *assembler) wide(dst, src uint8, v uint64) {
	a.put(insn{opWide, dst, src, 0, int32(uint32(v))}, insn{imm: int32(uint32(v >> 32))})
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
	self           uint32 // this process is let through; 0: none is
}

// program gives the instructions for a hook of IPv4 or IPv6 addresses.
//
// Registers: 6 the context, 7 the address (or its high half), 9 its low half, 8
// the place in the ranges. The search has no branches: the kernel's verifier
// follows each of them, and there would be one more at each halving.
func (s *source) program(six bool) []byte {
	a := &assembler{}
	a.put(insn{op: opMove, dst: 6, src: 1})
	if s.cookie != 0 {
		a.put(insn{op: opCall, imm: callNetwork})
		a.wide(1, 0, s.cookie)
		a.when(opNot, 0, 1, 0, pass)
	}
	if six {
		a.address6()
		a.search(s.six, s.count6, true)
	} else {
		a.put(insn{opSet8, 10, 0, stackKey, 0},
			insn{opSet4, 10, 0, stackKey + 8, int32(mappedWord())},
			insn{opLoad4, 7, 6, ctxAddr4, 0},
			insn{opStore4, 10, 7, stackKey + 12, 0})
	}
	a.here(mapped)
	a.put(insn{opNetwork, 7, 0, 0, 32})
	a.search(s.four, s.count4, false)
	a.here(found)
	s.note(a)
	a.here(answer)
	value := int32(1)
	if s.refuse {
		value = 0
	}
	a.put(insn{opNumber, 0, 0, 0, value}, insn{op: opExit})
	a.here(pass)
	a.put(insn{opNumber, 0, 0, 0, 1}, insn{op: opExit})
	return a.end()
}

// mappedWord is the word before the IPv4 address in an IPv4-mapped one.
func mappedWord() uint32 { return binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}) }

// address6 copies the address to the stack and into registers 7 and 9; a mapped
// one goes on as IPv4.
func (a *assembler) address6() {
	a.put(insn{opLoad4, 1, 6, ctxAddr6, 0}, insn{opStore4, 10, 1, stackKey, 0},
		insn{opLoad4, 2, 6, ctxAddr6 + 4, 0}, insn{opStore4, 10, 2, stackKey + 4, 0},
		insn{opLoad4, 3, 6, ctxAddr6 + 8, 0}, insn{opStore4, 10, 3, stackKey + 8, 0},
		insn{opLoad4, 4, 6, ctxAddr6 + 12, 0}, insn{opStore4, 10, 4, stackKey + 12, 0},
		insn{opMove, 7, 4, 0, 0}, // an IPv4 address, if it is one
		insn{opMove, 5, 1, 0, 0}, insn{opOr, 5, 2, 0, 0}, insn{opMove, 0, 3, 0, 0})
	a.wide(8, 0, uint64(mappedWord()))
	a.put(insn{opXor, 0, 8, 0, 0}, insn{opOr, 5, 0, 0, 0})
	a.when(opEqualN, 5, 0, 0, mapped)
	a.put(insn{opNetwork, 1, 0, 0, 32}, insn{opNetwork, 2, 0, 0, 32}, insn{opNetwork, 3, 0, 0, 32}, insn{opNetwork, 4, 0, 0, 32},
		insn{opMove, 7, 1, 0, 0}, insn{opLeftN, 7, 0, 0, 32}, insn{opOr, 7, 2, 0, 0},
		insn{opMove, 9, 3, 0, 0}, insn{opLeftN, 9, 0, 0, 32}, insn{opOr, 9, 4, 0, 0})
}

// search goes to found when one of the n ranges of the map, at least one, holds
// the address, else to pass.
func (a *assembler) search(ranges, n int, six bool) {
	a.put(insn{opNumber, 8, 0, 0, 0})
	for ; n > 1; n -= n / 2 {
		half := int32(n / 2)
		a.fetch(ranges, half)
		if six {
			a.borrow6()
		} else { // 1 when the range begins after the address, else 0
			a.put(insn{opLoad4, 1, 0, 0, 0}, insn{opMove, 4, 7, 0, 0}, insn{opSub, 4, 1, 0, 0}, insn{opRightN, 4, 0, 0, 63})
		}
		a.put(insn{opAddN, 4, 0, 0, -1}, // all bits when it does not
			insn{opAndN, 4, 0, 0, half}, insn{opAdd, 8, 4, 0, 0})
	}
	a.fetch(ranges, 0)
	if six {
		a.within6()
		return
	}
	a.put(insn{opLoad4, 1, 0, 0, 0}, insn{opLoad4, 2, 0, 4, 0})
	a.when(opMore, 1, 7, 0, pass)
	a.when(opMore, 7, 2, 0, pass)
	a.when(opGo, 0, 0, 0, found)
}

// fetch puts the address of the range at the place, and so many further, into
// register 0.
func (a *assembler) fetch(ranges int, further int32) {
	a.put(insn{opMove, 3, 8, 0, 0}, insn{opAddN, 3, 0, 0, further}, insn{opStore4, 10, 3, stackIndex, 0})
	a.wide(1, mapOf, uint64(ranges))
	a.put(insn{opMove, 2, 10, 0, 0}, insn{opAddN, 2, 0, 0, stackIndex}, insn{opCall, 0, 0, 0, callLookup})
	a.when(opEqualN, 0, 0, 0, pass) // never; the verifier asks for it
}

// borrow6 puts into register 4 what (7,9) - (1,2) borrows, where the range at
// register 0 begins at (1,2): 1 when that is after the address, else 0. Of each
// half: where the two agree, their difference says it, where not, the second.
func (a *assembler) borrow6() {
	a.put(insn{opLoad8, 1, 0, 0, 0}, insn{opLoad8, 2, 0, 8, 0},
		insn{opMove, 3, 9, 0, 0}, insn{opSub, 3, 2, 0, 0},
		insn{opMove, 4, 9, 0, 0}, insn{opXor, 4, 2, 0, 0}, insn{opXorN, 4, 0, 0, -1}, insn{opAnd, 4, 3, 0, 0},
		insn{opMove, 5, 9, 0, 0}, insn{opXorN, 5, 0, 0, -1}, insn{opAnd, 5, 2, 0, 0},
		insn{opOr, 4, 5, 0, 0}, insn{opRightN, 4, 0, 0, 63},
		insn{opMove, 3, 7, 0, 0}, insn{opSub, 3, 1, 0, 0}, insn{opSub, 3, 4, 0, 0},
		insn{opMove, 4, 7, 0, 0}, insn{opXor, 4, 1, 0, 0}, insn{opXorN, 4, 0, 0, -1}, insn{opAnd, 4, 3, 0, 0},
		insn{opMove, 5, 7, 0, 0}, insn{opXorN, 5, 0, 0, -1}, insn{opAnd, 5, 1, 0, 0},
		insn{opOr, 4, 5, 0, 0}, insn{opRightN, 4, 0, 0, 63})
}

// within6 goes to found when the range at register 0 holds (7,9), else to pass.
func (a *assembler) within6() {
	a.put(insn{opLoad8, 1, 0, 0, 0}, insn{opLoad8, 2, 0, 8, 0}, insn{opLoad8, 3, 0, 16, 0}, insn{opLoad8, 4, 0, 24, 0})
	a.when(opMore, 1, 7, 0, pass)
	a.put(insn{opNot, 1, 7, 1, 0}) // the high halves differ: the low one does not matter
	a.when(opMore, 2, 9, 0, pass)
	a.when(opMore, 7, 3, 0, pass)
	a.put(insn{opNot, 7, 3, 1, 0})
	a.when(opMore, 9, 4, 0, pass)
	a.when(opGo, 0, 0, 0, found)
}

// note counts the attempt.
func (s *source) note(a *assembler) {
	a.put(insn{opNumber, 0, 0, 0, 0})
	if !s.anyone {
		a.put(insn{opCall, 0, 0, 0, callProcess}, insn{opRightN, 0, 0, 0, 32})
		if s.self != 0 {
			a.when(opEqualN, 0, 0, int32(s.self), pass)
		}
	}
	a.put(insn{opStore4, 10, 0, stackKey + 16, 0}, insn{opSet4, 10, 0, stackKey + 20, 0},
		insn{opLoad4, 1, 6, ctxPort, 0}, insn{opStore2, 10, 1, stackKey + 20, 0},
		insn{opLoad4, 1, 6, ctxProto, 0}, insn{opStore1, 10, 1, stackKey + 22, 0})
	a.wide(1, mapOf, uint64(s.attempts))
	a.put(insn{opMove, 2, 10, 0, 0}, insn{opAddN, 2, 0, 0, stackKey}, insn{opCall, 0, 0, 0, callLookup})
	a.when(opNotN, 0, 0, 0, known)
	a.put(insn{opSet4, 10, 0, stackValue, 1}, insn{opSet4, 10, 0, stackValue + 4, 0}, insn{opSet4, 10, 0, stackValue + 8, 0},
		insn{opSet4, 10, 0, stackValue + 12, 0}, insn{opSet4, 10, 0, stackValue + 16, 0})
	if !s.anyone {
		a.put(insn{opMove, 1, 10, 0, 0}, insn{opAddN, 1, 0, 0, stackValue + 4}, insn{opNumber, 2, 0, 0, 16}, insn{opCall, 0, 0, 0, callName})
	}
	a.wide(1, mapOf, uint64(s.attempts))
	a.put(insn{opMove, 2, 10, 0, 0}, insn{opAddN, 2, 0, 0, stackKey}, insn{opMove, 3, 10, 0, 0}, insn{opAddN, 3, 0, 0, stackValue},
		insn{opNumber, 4, 0, 0, 1}, // only if there is none yet
		insn{opCall, 0, 0, 0, callUpdate})
	a.when(opGo, 0, 0, 0, answer)
	a.here(known) // two processors at once may count one too few
	a.put(insn{opLoad4, 1, 0, 0, 0}, insn{opAddN, 1, 0, 0, 1}, insn{opStore4, 0, 1, 0, 0})
}
