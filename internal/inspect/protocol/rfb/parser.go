package rfb

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Events, by their number in Spec.Events.
const (
	eventUnimplementedSecurity = iota
	eventUnknownResult
	eventMalformed
	eventConfused
)

// step is what is expected next.
type step uint8

const (
	stepServerVersion step = iota
	stepClientVersion
	stepSecurityTypes  // server, from 3.7
	stepSecurityType33 // server, 3.3
	stepChoice         // client, from 3.7
	stepChallenge      // server
	stepAnswer         // client
	stepAppleServer    // server: parameters of the Diffie-Hellman exchange
	stepAppleClient    // client
	stepResult         // server
	stepReason         // server
	stepClientInit     // client
	stepServerInit     // server
	stepOver
)

// from is who speaks in a step.
func (s step) from() packet.Direction {
	switch s {
	case stepClientVersion, stepChoice, stepAnswer, stepAppleClient, stepClientInit:
		return packet.ToServer
	}
	return packet.ToClient
}

const (
	securityNone  = 1
	securityVNC   = 2
	securityApple = 30

	maxName = 1 << 12
	maxHeld = 1 << 16
)

// parser follows one connection.
type parser struct {
	txs    txlist.List[Tx, *Tx]
	held   exchange.Held
	step   step
	tx     *Tx // the handshake, nil before it and once it is swept
	keyLen int // of the Apple exchange
}

// Reset forgets the connection.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held.Reset()
	p.step, p.tx, p.keyLen = stepServerVersion, nil, 0
}

// Txs is the handshake.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees it when the engine is done with it.
func (p *parser) Sweep() {
	if p.tx != nil && p.tx.Inspection().Done {
		p.tx = nil
		p.step = stepOver
	}
	p.txs.Sweep()
}

// End closes a handshake that cannot go on.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap ends parsing: the handshake cannot be followed any more.
func (p *parser) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	p.over()
	return protocol.Status{}
}

func (p *parser) over() {
	p.step = stepOver
	if p.tx != nil {
		p.tx.Close()
	}
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if p.step == stepOver {
		return protocol.Status{}
	}
	data = p.held.Join(d, data)
	for len(data) > 0 && p.step != stepOver {
		if p.step.from() != d {
			if p.tx != nil && p.held.Len(d.Other()) == 0 && p.step != stepServerVersion && p.step != stepClientInit {
				p.tx.Event(eventConfused)
			}
			break
		}
		n := p.take(data)
		if n == 0 {
			break
		}
		if n < 0 {
			if p.tx != nil {
				p.tx.Event(eventMalformed)
			}
			p.over()
			return protocol.Status{Code: protocol.StatusFailed}
		}
		env.Frame(d, "pdu", data[:n])
		data = data[n:]
	}
	if p.step == stepOver || len(data) > maxHeld {
		data = nil
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// take handles what is expected next at the beginning of b. It gives the bytes
// taken, 0 when there are not enough, below 0 when they are none.
func (p *parser) take(b []byte) int {
	switch p.step {
	case stepServerVersion, stepClientVersion:
		return p.takeVersion(b)
	case stepSecurityTypes:
		return p.takeTypes(b)
	case stepSecurityType33:
		if len(b) < 4 {
			return 0
		}
		p.secure(binary.BigEndian.Uint32(b))
		return 4
	case stepChoice:
		p.secure(uint32(b[0]))
		return 1
	case stepChallenge, stepAnswer:
		if len(b) < 16 {
			return 0
		}
		copy(p.tx.vnc[p.step-stepChallenge][:], b)
		p.tx.hasVNC = true
		p.step = map16(p.step)
		return 16
	case stepAppleServer:
		return p.takeApple(b)
	case stepAppleClient:
		if len(b) < 128+p.keyLen {
			return 0
		}
		p.step = stepResult
		return 128 + p.keyLen
	case stepResult:
		return p.takeResult(b)
	case stepReason:
		return p.takeReason(b)
	case stepClientInit:
		p.tx.shared, p.tx.hasShared = b[0] != 0, true
		p.step = stepServerInit
		return 1
	default:
		return p.takeInit(b)
	}
}

// map16 is the step after one of the two with 16 bytes.
func map16(s step) step {
	if s == stepChallenge {
		return stepAnswer
	}
	return stepResult
}

// version reads "RFB 003.008\n".
func version(b []byte) (major, minor [3]byte, ok bool) {
	if len(b) < 12 || string(b[:4]) != "RFB " || b[7] != '.' || b[11] != '\n' {
		return major, minor, false
	}
	for _, i := range [...]int{4, 5, 6, 8, 9, 10} {
		if b[i] < '0' || b[i] > '9' {
			return major, minor, false
		}
	}
	return [3]byte(b[4:7]), [3]byte(b[8:11]), true
}

func (p *parser) takeVersion(b []byte) int {
	if len(b) < 12 {
		return 0
	}
	major, minor, ok := version(b)
	if !ok {
		return -1
	}
	if p.step == stepServerVersion {
		p.tx = p.txs.New()
		p.tx.versions[packet.ToClient] = [2][3]byte{major, minor}
		p.tx.hasVersion[packet.ToClient] = true
		p.tx.Reach(packet.ToClient, protocol.StageStart)
		p.step = stepClientVersion
		return 12
	}
	p.tx.versions[packet.ToServer] = [2][3]byte{major, minor}
	p.tx.hasVersion[packet.ToServer] = true
	p.tx.Reach(packet.ToServer, protocol.StageStart)
	p.step = stepSecurityTypes
	if string(minor[:]) < "007" && string(major[:]) == "003" {
		p.step = stepSecurityType33
	}
	return 12
}

func (p *parser) takeTypes(b []byte) int {
	n := 1 + int(b[0])
	if len(b) < n {
		return 0
	}
	p.step = stepChoice
	if b[0] == 0 {
		p.step = stepReason
	}
	return n
}

// secure notes the security type and what it leads to.
func (p *parser) secure(kind uint32) {
	p.tx.security, p.tx.hasSecurity = kind, true
	switch kind {
	case 0:
		p.step = stepReason
	case securityNone:
		p.step = stepClientInit
		if minor := p.tx.versions[packet.ToServer][1]; string(minor[:]) >= "008" {
			p.step = stepResult
		}
	case securityVNC:
		p.step = stepChallenge
	case securityApple:
		p.step = stepAppleServer
	default:
		p.tx.Event(eventUnimplementedSecurity)
		p.over()
	}
}

func (p *parser) takeApple(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < 4+2*n {
		return 0
	}
	p.keyLen, p.step = n, stepAppleClient
	return 4 + 2*n
}

func (p *parser) takeResult(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	p.tx.result, p.tx.hasResult = binary.BigEndian.Uint32(b), true
	minor := p.tx.versions[packet.ToServer][1]
	switch {
	case p.tx.result == 0:
		p.step = stepClientInit
	case p.tx.result == 1 && string(minor[:]) >= "008":
		p.step = stepReason
	case p.tx.result <= 2:
		p.over()
	default:
		p.tx.Event(eventUnknownResult)
		p.over()
	}
	return 4
}

func (p *parser) takeReason(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(b))
	if n > maxName {
		return -1
	}
	if len(b) < 4+n {
		return 0
	}
	p.tx.reason = append(p.tx.reason[:0], b[4:4+n]...)
	p.over()
	return 4 + n
}

func (p *parser) takeInit(b []byte) int {
	if len(b) < 24 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(b[20:]))
	if n > maxName {
		return -1
	}
	if len(b) < 24+n {
		return 0
	}
	copy(p.tx.init[:], b)
	p.tx.hasInit = true
	p.tx.name = append(p.tx.name[:0], b[24:24+n]...)
	p.over()
	return 24 + n
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	const begin = "RFB 003."
	n := min(len(begin), len(data))
	switch {
	case string(data[:min(4, n)]) != begin[:min(4, n)]:
		return protocol.No
	case len(data) < 12:
		return protocol.More
	}
	if _, _, ok := version(data); ok {
		return protocol.Yes
	}
	return protocol.No
}
