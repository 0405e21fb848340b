package enip

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Events, by their number in Spec.Events.
const (
	eventTooManyTransactions = iota
	eventInvalidPdu
)

const maxTx = 1024

// parser follows one flow.
type parser struct {
	txs  txlist.List[Tx, *Tx]
	held exchange.Held
	lost [2]bool // bytes are missing; look for the next message
}

// Reset forgets the flow.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held.Reset()
	p.lost = [2]bool{}
}

// Txs are the live exchanges.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.txs.Sweep() }

// End closes what waits for an answer that cannot come.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap drops the message in hand.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.held.Drop(d)
	p.lost[d] = true
	return protocol.Status{}
}

// Parse takes a datagram or the next bytes of a stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.UDP {
		if len(data) >= headerLen && len(data) >= length(data) {
			p.message(d, data[:length(data)], env)
		}
		return protocol.Status{}
	}
	data = p.held.Join(d, data)
	if p.lost[d] {
		if len(data) < headerLen || !known(data) {
			p.held.Drop(d)
			return protocol.Status{}
		}
		p.lost[d] = false
	}
	for len(data) >= headerLen && len(data) >= length(data) {
		n := length(data)
		p.message(d, data[:n], env)
		data = data[n:]
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

func (p *parser) message(d packet.Direction, b []byte, env *protocol.Env) {
	if env.WantFrames {
		env.Frames = append(env.Frames, protocol.Frame{Name: "hdr", Dir: d, Data: b[:headerLen]},
			protocol.Frame{Name: "data", Dir: d, Data: b[headerLen:]}, protocol.Frame{Name: "pdu", Dir: d, Data: b})
	}
	var one pdu
	var tx *Tx
	if d == packet.ToClient {
		one.command, one.session = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[4:])
		tx = p.asked(&one, b)
	}
	if tx == nil {
		if len(p.txs.Live()) >= maxTx {
			p.flooded()
			return
		}
		tx = p.txs.New()
	}
	tx.msg[d] = append(tx.msg[d][:0], b...)
	tx.pdus[d].fill(tx.msg[d])
	if tx.pdus[d].invalid {
		tx.Event(eventInvalidPdu)
	}
	tx.Reach(d, protocol.StageDone)
	if d == packet.ToClient {
		tx.Close()
	}
}

// asked is the exchange that a response answers. Those before it will have no
// answer: answers come in order.
func (p *parser) asked(resp *pdu, b []byte) *Tx {
	seq, hasSeq := sequence(b)
	for _, tx := range p.txs.Live() {
		q := &tx.pdus[packet.ToServer]
		if !q.there || tx.pdus[packet.ToClient].there {
			continue
		}
		if q.command != resp.command || q.session != resp.session && q.command != cmdRegister || hasSeq != q.hasSeq || hasSeq && seq != q.sequence {
			if tx.Stage(packet.ToClient) != protocol.StageDone {
				tx.Close()
			}
			continue
		}
		return tx
	}
	return nil
}

// sequence is the sequence number of a connected message.
func sequence(b []byte) (uint16, bool) {
	var p pdu
	p.command = uint16(b[0]) | uint16(b[1])<<8
	if p.command != cmdSendUnitData && p.command != cmdSendRRData {
		return 0, false
	}
	r := cursor{b: b[headerLen:]}
	r.take(6)
	for range r.uint16() {
		kind := r.uint16()
		in := cursor{b: r.take(int(r.uint16()))}
		if r.bad {
			break
		}
		if kind == itemConnected {
			seq := in.uint16()
			return seq, !in.bad
		}
	}
	return 0, false
}

// flooded closes all exchanges and tells it on the first.
func (p *parser) flooded() {
	for i, tx := range p.txs.Live() {
		if i == 0 {
			tx.Event(eventTooManyTransactions)
		}
		tx.Close()
	}
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	onPort := srcPort == 44818 || dstPort == 44818 || srcPort == 2222 || dstPort == 2222
	if !onPort {
		return protocol.No
	}
	if len(data) < headerLen {
		return protocol.More
	}
	if !known(data) {
		return protocol.No
	}
	return protocol.Yes
}

// Spec describes EtherNet/IP.
func Spec() protocol.Spec {
	on := func(f protocol.Field, name string, bits int, doc string, dirs protocol.Dirs) protocol.Keyword {
		return number.Keyword(protocol.ENIP, f, name, bits, nil, dirs, doc)
	}
	return protocol.Spec{
		ID: protocol.ENIP, Transport: protocol.OverTCP | protocol.OverUDP, Ports: []uint16{44818, 2222}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Keywords: []protocol.Keyword{
			serviceKeyword(),
			on(protocol.CIPStatus, "enip.cip_status", 8, "status of a CIP response", protocol.ToClientOnly),
			on(protocol.CIPExtendedStatus, "enip.cip_extendedstatus", 16, "extended status of a CIP response", protocol.ToClientOnly),
			on(protocol.CIPClass, "enip.cip_class", 32, "class in a request path", protocol.ToServerOnly),
			on(protocol.CIPInstance, "enip.cip_instance", 32, "instance in a request path", protocol.ToServerOnly),
			on(protocol.CIPAttribute, "enip.cip_attribute", 32, "attribute in a request path or list", protocol.ToServerOnly),
		},
		Events: []string{"too_many_transactions", "invalid_pdu"},
		Record: "enip",
	}
}

// wanted is the argument of cip_service.
type wanted struct {
	code                   uint8
	class, attribute       uint32
	hasClass, hasAttribute bool
}

func serviceKeyword() protocol.Keyword {
	return protocol.Keyword{
		Name: "cip_service", Aliases: []string{"enip.cip_service"}, Dirs: protocol.BothWays, On: []protocol.ID{protocol.ENIP}, Stage: protocol.StageDone,
		Doc: "CIP service, or service,class, or service,class,attribute of a message or of one in a multiple service",
		Compile: func(arg string) (protocol.Test, error) {
			w, err := compileService(arg)
			return func(tx protocol.Tx, d packet.Direction) bool {
				t, ok := tx.(*Tx)
				return ok && t.pdus[d].matches(&w)
			}, err
		},
	}
}

func compileService(arg string) (w wanted, err error) {
	parts := strings.Split(arg, ",")
	if len(parts) > 3 {
		return w, fmt.Errorf("%q has too many parts; write service,class,attribute", arg)
	}
	for i, part := range parts {
		part = strings.TrimSpace(part)
		not := false
		if i == 2 {
			part, not = strings.CutPrefix(part, "!")
		}
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 32)
		if err != nil || i == 0 && n > 127 {
			return w, fmt.Errorf("%q is not a number (a service is at most 127)", part)
		}
		switch i {
		case 0:
			w.code = uint8(n)
		case 1:
			w.class, w.hasClass = uint32(n), true
		default:
			w.attribute, w.hasAttribute = uint32(n), !not
		}
	}
	return w, nil
}

func (p *pdu) matches(w *wanted) bool {
	if !p.cip || len(p.services) == 0 {
		return false
	}
	if p.services[0].code == w.code {
		return p.serves(&p.services[0], w)
	}
	if p.services[0].code != serviceMultiple {
		return false
	}
	for i := range p.services[1:] {
		if s := &p.services[1+i]; s.code == w.code && p.serves(s, w) {
			return true
		}
	}
	return false
}

func (p *pdu) serves(s *service, w *wanted) bool {
	return (!w.hasClass || p.has(s, segClass, w.class)) && (!w.hasAttribute || p.has(s, segAttribute, w.attribute))
}

func (p *pdu) has(s *service, kind uint8, v uint32) bool {
	for _, seg := range p.segments[s.from:s.to] {
		if seg.kind == kind && seg.value == v {
			return true
		}
	}
	return false
}
