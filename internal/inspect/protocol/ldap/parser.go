package ldap

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/ber"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

// Events, by their number in Spec.Events.
const (
	eventTooManyTransactions = iota
	eventInvalidData
	eventRequestNotFound
	eventIncompleteData
)

// startTLS is the name of the extended operation after which TLS begins.
const startTLS = "1.3.6.1.4.1.1466.20037"

// parser follows one flow.
type parser struct {
	exchange.Chain[Tx, *Tx]
	maxTx int
}

// Parse takes a datagram or the next bytes of a stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if p.Over() {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	given := len(data)
	if !env.UDP {
		data = p.Held.Join(d, data)
	}
	for len(data) > 0 {
		e, o := ber.Read(data)
		if o == ber.Bad || o != ber.More && (e.Tag != ber.Sequence || e.Size > maxMessage) {
			return p.fail(eventInvalidData, env)
		}
		if o != ber.OK {
			if env.UDP {
				return p.fail(eventIncompleteData, env)
			}
			break
		}
		env.Frame(d, "pdu", data[:e.Size])
		ok, secured := p.message(d, data[:e.Size])
		if !ok {
			return p.fail(eventInvalidData, env)
		}
		data = data[e.Size:]
		if secured && !env.UDP {
			env.Consumed = given - len(data)
			p.Held.Drop(d)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
	}
	if !env.UDP {
		p.Held.Keep(d, data)
	}
	return protocol.Status{}
}

// fail blames the latest exchange.
func (p *parser) fail(event uint8, env *protocol.Env) protocol.Status {
	if live := p.Live(); len(live) > 0 {
		live[len(live)-1].Event(event)
	}
	if env.UDP {
		return protocol.Status{}
	}
	return p.Break()
}

func (p *parser) open() *Tx {
	if live := p.Live(); len(live) > p.maxTx {
		for _, old := range live {
			if !old.Closed() {
				old.Close()
				old.Event(eventTooManyTransactions)
				break
			}
		}
	}
	return p.New()
}

// message handles one message. secured says that TLS follows it.
func (p *parser) message(d packet.Direction, b []byte) (ok, secured bool) {
	id, op, ok := envelope(b)
	if !ok {
		return false, false
	}
	if d == packet.ToServer {
		tx := p.open()
		if !tx.fill(&tx.request, id, op) {
			tx.Event(eventInvalidData)
		}
		tx.Reach(packet.ToServer, protocol.StageDone)
		if tx.request.op == opUnbind || tx.request.op == opAbandon {
			tx.Close()
		}
		return true, false
	}
	tx := p.asked(id)
	if tx == nil {
		tx = p.open()
		tx.Reach(packet.ToServer, protocol.StageDone)
		tx.Reach(packet.ToClient, protocol.StageDone)
		if op.Tag&0x1f != opExtendedResp {
			tx.Event(eventRequestNotFound)
		}
	}
	tx.count++
	if len(tx.responses) < maxResponses {
		n := len(tx.responses)
		tx.responses = append(tx.responses, message{})
		if !tx.fill(&tx.responses[n], id, op) {
			tx.Event(eventInvalidData)
		}
		secured = tx.responses[n].op == opExtendedResp && tx.responses[n].hasCode && tx.responses[n].code == 0 &&
			tx.request.op == opExtended && string(tx.text(tx.request.text)) == startTLS
	}
	tx.Reach(packet.ToClient, protocol.StageStart)
	if last(op.Tag & 0x1f) {
		tx.Close()
	}
	return true, secured
}

// asked is the exchange with a message identifier.
func (p *parser) asked(id uint32) *Tx {
	for _, tx := range p.Live() {
		if tx.request.there && tx.request.id == id && !tx.Closed() {
			return tx
		}
	}
	return nil
}

// probe tells LDAP by its envelope.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if len(data) == 0 || data[0] != ber.Sequence {
		return protocol.No
	}
	outer, o := ber.Read(data)
	if o == ber.Bad || o != ber.More && outer.Size > maxMessage {
		return protocol.No
	}
	if o == ber.More {
		return protocol.More
	}
	head := outer.Data
	if o == ber.Long {
		n := 2
		if data[1] > 0x80 {
			n += int(data[1] & 0x7f)
		}
		head = data[n:]
	}
	id, rest := ber.Read(head)
	if rest == ber.More || rest == ber.Long {
		return protocol.More
	}
	if rest != ber.OK || id.Tag != ber.Integer || len(id.Data) > 4 || len(head) < id.Size {
		return protocol.No
	}
	if len(head) == id.Size {
		return protocol.More
	}
	tag := head[id.Size]
	if tag&0xc0 != 0x40 || !known(tag&0x1f) && tag&0x1f != opExtended {
		return protocol.No
	}
	fromServer := d == packet.ToClient || srcPort == 389 || srcPort == 3268
	if response := isResponse(tag & 0x1f); response && !fromServer || !response && d == packet.ToClient {
		return protocol.No
	}
	return protocol.Yes
}

// reversed says that a server's response came in the client's place: the flow
// was first seen in its middle.
func reversed(d packet.Direction, data []byte, _ bool) bool {
	return d == packet.ToServer && probe(packet.ToServer, data, 0, 0) == protocol.No
}

// Spec describes LDAP. The setting max-tx (256) bounds the live exchanges.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.LDAP, Transport: protocol.OverTCP | protocol.OverUDP, Ports: []uint16{389, 3268}, Probe: probe, Reversed: reversed, Open: open,
		Keywords: []protocol.Keyword{
			number.Keyword(protocol.LDAP, protocol.LDAPResponsesOperation, "ldap.responses.operation", 8, protocol.LDAPOperations(), protocol.ToClientOnly, "operation of a response"),
			number.Keyword(protocol.LDAP, protocol.LDAPResponsesResultCode, "ldap.responses.result_code", 32, resultCodes(), protocol.ToClientOnly, "result code of a response"),
		},
		Events: []string{"too_many_transactions", "invalid_data", "request_not_found", "incomplete_data"},
		Record: "ldap",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	maxTx := 256
	if s != nil {
		if v, ok := s.Lookup("max-tx"); ok {
			n, err := strconv.ParseUint(v, 10, 20)
			if err != nil {
				return nil, err
			}
			maxTx = int(n)
		}
	}
	return func() protocol.Parser { return &parser{maxTx: maxTx} }, nil
}
