package rule

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// appSet is a set of application protocols by protocol.ID; 0 is all of them.
type appSet uint64

func (s appSet) has(id protocol.ID) bool { return s == 0 || s&(1<<id) != 0 }

func appsOf(ids []protocol.ID) appSet {
	var s appSet
	for _, id := range ids {
		if id == protocol.Any {
			return 0
		}
		s |= 1 << id
	}
	if s&(1<<protocol.HTTP2|1<<protocol.DNS) != 0 {
		s |= 1 << protocol.DOH2
	}
	return s
}

// transports is a set of what follows the IP header.
type transports uint16

const (
	overTCP transports = 1 << iota
	overUDP
	overICMP4
	overICMP6
	overSCTP
	overESP
	overAH
	overGRE
	overOther
	overNothing // no IP at all
	overAnyIP   = overTCP | overUDP | overICMP4 | overICMP6 | overSCTP | overESP | overAH | overGRE | overOther
)

func transportOf(p *packet.Packet) transports {
	if p.IPVersion == 0 {
		return overNothing
	}
	switch p.Proto {
	case 6:
		return overTCP
	case 17:
		return overUDP
	case 1:
		return overICMP4
	case 58:
		return overICMP6
	case 132:
		return overSCTP
	case 50:
		return overESP
	case 51:
		return overAH
	case 47:
		return overGRE
	}
	return overOther
}

// needs are conditions of a rule on a packet and its flow, as bits.
type needs uint16

const (
	needEstablished needs = 1 << iota
	needNotEstablished
	needFlow
	needFragment
	needNoFragment
	needRealPacket // not one that the engine made for a flow's end
	needDecoder    // decode-event: the packet need not be valid
	needFlowStart  // hook tcp:flow_start: the first packet in its direction
	needUnverified // keyword looks at broken packets as well
)

// class says when a rule is looked at.
type class uint8

const (
	classIPOnly class = iota // once for each direction of a flow
	classPacket              // every packet
	classTx                  // transactions
	classFrame               // frames
	classApp                 // once, when the flow's protocol becomes known in a direction
)

// Where the contents of a rule without a buffer of a protocol are looked for.
const (
	inPacket uint8 = 1 << iota
	inStream
)

// rule is one compiled rule.
type rule struct {
	apps      appSet
	header    uint32
	over      transports
	needs     needs
	class     class
	action    Action
	dirs      protocol.Dirs
	ipVersion uint8          // 0: both
	where     uint8          // inPacket, inStream: of payload
	quiet     bool           // noalert
	shared    bool           // programs share variables: always evaluated from the first step
	anyPacket bool           // also packets that the engine made
	twoWay    bool           // => : steps of both directions count together
	again     protocol.Stage // beyond it, the rule fires with each inspection of a transaction: see repeatFrom
	limits    []memory.Threshold
	suppress  *memory.Suppression // nil for none

	checks  []check // cheap tests of packet and flow, then those of memory
	late    []check // tests that change memory (flowint), after the payload
	payload *payload.Program
	steps   []step
	effects []effect
}

// check is a test of a packet and what is known of its flow.
type check interface {
	holds(in *Inspector, c *Context) bool
}

// effect is what a rule does when it has matched.
type effect interface {
	apply(in *Inspector, c *Context, tx protocol.Tx)
}

// stepKind is what a step of a rule looks at.
type stepKind uint8

const (
	stepBytes   stepKind = iota // a field of the transaction
	stepStream                  // a field that grows
	stepUint                    // a number of the transaction
	stepTest                    // a protocol's own keyword
	stepEvent                   // app-layer-event
	stepStage                   // hook: how far the transaction has come
	stepPayload                 // contents without buffer in a rule about transactions
	stepFile                    // name, digest … of a file, all of one and the same
	stepFrame                   // a frame
	stepHeader                  // header bytes of the packet (tcp.hdr)
)

// step is a test of one buffer of a transaction.
type step struct {
	kind    stepKind
	stage   protocol.Stage
	dirs    protocol.Dirs
	multi   bool
	gated   bool // stepPayload: looked at only with packets in which the search found its literal
	field   protocol.Field
	chain   uint16 // index into Set.chains, 0 for none
	event   uint8
	frame   uint16 // index into Set.frames
	buffer  packetBuffer
	program *payload.Program
	number  number.Several
	test    protocol.Test
	file    []fileTest
}
