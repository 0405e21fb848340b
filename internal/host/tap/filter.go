package tap

import "golang.org/x/sys/unix"

// Ports is a closed range of ports.
type Ports struct{ Low, High uint16 }

// Filter says which packets are wanted. Fragments of IP are, whatever is in
// them, when anything is.
type Filter struct {
	Interfaces []int   // by index
	TCP, UDP   []Ports // one of the packet's two ports; at most 24 ranges each
	Other      bool    // packets of other protocols
}

// Instructions of classic BPF.
const (
	loadWord   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	loadPort   = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
	headerOf4  = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH
	setX       = unix.BPF_LDX | unix.BPF_IMM
	jumpEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpAtMost = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K // taken when greater
	jumpFrom   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	jumpBits   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	jump       = unix.BPF_JMP | unix.BPF_JA
	answer     = unix.BPF_RET | unix.BPF_K
)

// Ancillary data of classic BPF (linux/filter.h).
const (
	adProtocol = 0xfffff000
	adType     = adProtocol + 4
	adIndex    = adProtocol + 8
)

// label is a place in a program that jumps go to before it is known.
type label int

// assembler puts a program together in order; jumps by label are far jumps, so
// that distances never matter.
type assembler struct {
	code  []unix.SockFilter
	at    map[label]int
	jumps map[int]label // by place of the jump
}

func (a *assembler) add(code uint16, k uint32) {
	a.code = append(a.code, unix.SockFilter{Code: code, K: k})
}

// when goes to l when the test holds, and on otherwise.
func (a *assembler) when(test uint16, k uint32, l label) {
	a.code = append(a.code, unix.SockFilter{Code: test, K: k, Jf: 1})
	a.goTo(l)
}

// unless goes to l when the test does not hold.
func (a *assembler) unless(test uint16, k uint32, l label) {
	a.code = append(a.code, unix.SockFilter{Code: test, K: k, Jt: 1})
	a.goTo(l)
}

func (a *assembler) goTo(l label) {
	a.jumps[len(a.code)] = l
	a.add(jump, 0)
}

func (a *assembler) here(l label) { a.at[l] = len(a.code) }

func (a *assembler) program() []unix.SockFilter {
	for place, l := range a.jumps {
		a.code[place].K = uint32(a.at[l] - place - 1)
	}
	return a.code
}

// The places of the filter's program.
const (
	take label = iota
	leave
	wanted
	version6
	transport
	tcp
	udp
	hopByHop
)

// ETHERTYPEs and IP protocol numbers.
const (
	etherIPv4, etherIPv6 = 0x0800, 0x86dd
	protoTCP, protoUDP   = 6, 17
	protoICMPv6          = 58
)

// program is the filter for packets that begin with the IP header. On the way
// in only those for this host count; those that it only passes on do not.
func (f *Filter) program() []unix.SockFilter {
	a := &assembler{at: map[label]int{}, jumps: map[int]label{}}
	if len(f.Interfaces) > 1 { // else the socket is bound to the one
		a.add(loadWord, adIndex)
		for _, index := range f.Interfaces {
			a.when(jumpEqual, uint32(index), wanted)
		}
		a.goTo(leave)
	}
	a.here(wanted)
	a.add(loadWord, adType)
	a.code = append(a.code, unix.SockFilter{Code: jumpEqual, K: unix.PACKET_OUTGOING, Jt: 2})
	a.unless(jumpEqual, unix.PACKET_HOST, leave)
	a.add(loadWord, adProtocol)
	a.when(jumpEqual, etherIPv6, version6)
	a.unless(jumpEqual, etherIPv4, leave)
	a.add(loadHalf, 6)
	a.when(jumpBits, 0x3fff, take) // a fragment
	a.add(headerOf4, 0)
	a.add(loadByte, 9)
	a.goTo(transport)
	a.here(version6)
	a.add(setX, 40)
	a.add(loadByte, 6)
	a.when(jumpEqual, 0, hopByHop)
	for _, extension := range [...]uint32{43, 44, 60} {
		a.when(jumpEqual, extension, take) // what follows would have to be sought
	}
	a.here(transport)
	a.when(jumpEqual, protoTCP, tcp)
	a.when(jumpEqual, protoUDP, udp)
	if f.Other {
		a.goTo(take)
	}
	a.goTo(leave)
	a.here(tcp)
	a.ports(f.TCP)
	a.here(udp)
	a.ports(f.UDP)
	a.here(hopByHop) // in every network: reports of who listens to which group (RFC 3810)
	a.add(loadByte, 40)
	a.unless(jumpEqual, protoICMPv6, take)
	if !f.Other {
		a.goTo(leave)
	}
	a.here(take)
	a.add(answer, 0xffff)
	a.here(leave)
	a.add(answer, 0)
	return a.program()
}

// ports goes to take when one of the two ports is in the list, else to leave.
func (a *assembler) ports(list []Ports) {
	if len(list) == 1 && list[0] == (Ports{0, 65535}) {
		a.goTo(take)
		return
	}
	for _, at := range [...]uint32{0, 2} {
		if len(list) == 0 {
			break
		}
		a.add(loadPort, at)
		for _, p := range list {
			// The packet's port is in the range: from p.Low on, and not above p.High.
			a.code = append(a.code, unix.SockFilter{Code: jumpFrom, K: uint32(p.Low), Jf: 2},
				unix.SockFilter{Code: jumpAtMost, K: uint32(p.High), Jt: 1})
			a.goTo(take)
		}
	}
	a.goTo(leave)
}
