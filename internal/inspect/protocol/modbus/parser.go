package modbus

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
)

// Events, by their number in Spec.Events.
const (
	eventUnsolicited = iota
	eventInvalidFunction
	eventInvalidLength
	eventInvalidValue
	eventInvalidException
	eventMismatch
	eventFlooded
	eventInvalidProtocol
)

// maxLength is the greatest length a header may give.
const maxLength = 254

// parser follows one connection.
type parser struct {
	exchange.Chain[Tx, *Tx]
	flood int // requests without response that are too many
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if p.Over() {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	data = p.Held.Join(d, data)
	for len(data) > headerLen {
		_, _, length := readHeader(data)
		if length < 2 || length > maxLength {
			if tx := p.open(); tx != nil {
				tx.Event(eventInvalidLength)
				tx.Only(d)
				tx.Close()
			}
			return p.Break()
		}
		if len(data) < 6+length {
			break
		}
		env.Frame(d, "pdu", data[:6+length])
		if d == packet.ToServer {
			p.request(data[:6+length])
		} else {
			p.response(data[:6+length])
		}
		data = data[6+length:]
	}
	p.Held.Keep(d, data)
	return protocol.Status{}
}

// open begins an exchange; nil when the connection is flooded.
func (p *parser) open() *Tx {
	n := len(p.Live())
	if n > p.flood {
		return nil
	}
	tx := p.New()
	if n == p.flood {
		tx.Event(eventFlooded)
	}
	return tx
}

func (m *message) begin(b []byte) {
	m.there = true
	m.id, m.protocol, _ = readHeader(b)
	m.unit, m.function = b[6], b[7]
	if m.protocol != 0 {
		m.faults |= faultProtocol
	}
}

func (p *parser) request(b []byte) {
	tx := p.open()
	if tx == nil {
		return
	}
	tx.requestBytes = append(tx.requestBytes, b...)
	m := &tx.request
	m.begin(tx.requestBytes)
	m.readRequest(tx.requestBytes[8:])
	tx.blame(m)
	tx.Reach(packet.ToServer, protocol.StageStart)
}

func (p *parser) response(b []byte) {
	tx := p.asked(b)
	var req *message
	if tx == nil {
		if tx = p.open(); tx == nil {
			return
		}
		tx.Event(eventUnsolicited)
	} else {
		req = &tx.request
	}
	tx.responseBytes = append(tx.responseBytes, b...)
	m := &tx.response
	m.begin(tx.responseBytes)
	m.readResponse(tx.responseBytes[8:], req)
	if m.access()&(accessRead|accessWrite) != 0 && m.function < exceptionBit && m.faults&(faultLength|faultValue) != 0 {
		tx.Event(eventMismatch)
	} else {
		tx.blame(m)
	}
	tx.Close()
}

// asked is the exchange whose request a response answers.
func (p *parser) asked(b []byte) *Tx {
	id, _, _ := readHeader(b)
	for _, tx := range p.Live() {
		r := &tx.request
		if r.there && !tx.response.there && r.id == id && r.unit == b[6] && r.function == b[7]&^exceptionBit {
			return tx
		}
	}
	return nil
}

// probe tells Modbus by its header: protocol 0, a length that fits, a function
// code that exists, and by the server's port: the header alone says little.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	server := dstPort
	if d == packet.ToClient {
		server = srcPort
	}
	if server != 502 {
		return protocol.No
	}
	if len(data) <= headerLen {
		if len(data) >= 4 && data[2]|data[3] != 0 {
			return protocol.No
		}
		return protocol.More
	}
	_, proto, length := readHeader(data)
	if proto != 0 || length < 2 || length > maxLength || data[7] == 0 || categoryOf(data[7]&^exceptionBit, 0, false) == 0 {
		return protocol.No
	}
	return protocol.Yes
}

// Spec describes Modbus. The setting request-flood (500) says how many requests
// without response are too many.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.Modbus, Transport: protocol.OverTCP, Ports: []uint16{502}, Probe: probe, Open: open,
		Keywords: []protocol.Keyword{keyword()},
		Events: []string{
			"unsolicited_response", "invalid_function_code", "invalid_length", "invalid_value", "invalid_exception_code",
			"value_mismatch", "flooded", "invalid_protocol_id",
		},
		Record: "modbus",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	flood := 500
	if s != nil {
		if v, ok := s.Lookup("request-flood"); ok {
			n, err := strconv.ParseUint(v, 10, 20)
			if err != nil {
				return nil, err
			}
			flood = int(n)
		}
	}
	if flood == 0 {
		flood = 1 << 16
	}
	return func() protocol.Parser { return &parser{flood: flood} }, nil
}
