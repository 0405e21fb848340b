package krb5

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const (
	maxMessage = 256 << 10 // longest message over TCP that is looked at
	maxTxs     = 256
)

// parser follows one flow.
type parser struct {
	txs     txlist.List[Tx, *Tx]
	held    [2][]byte
	skip    [2]uint64 // bytes of a message that is too long
	request int32     // the kind of the last request
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held[0], p.held[1] = p.held[0][:0], p.held[1][:0]
	p.skip, p.request = [2]uint64{}, 0
}

// Txs are the messages.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the messages that are done.
func (p *parser) Sweep() { p.txs.Sweep() }

// Parse takes a datagram, or bytes of a stream in which every message has its
// length before it (RFC 4120 section 7.2.2).
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.UDP {
		return p.message(d, data)
	}
	for len(data) > 0 || len(p.held[d]) > 0 {
		if n := min(p.skip[d], uint64(len(data))); n > 0 {
			p.skip[d] -= n
			data = data[n:]
			continue
		}
		var whole []byte
		whole, data = p.next(d, data)
		if whole == nil {
			return protocol.Status{}
		}
		if len(whole) == 4 {
			continue
		}
		if st := p.message(d, whole[4:]); st.Code != protocol.StatusOK {
			return st
		}
	}
	return protocol.Status{}
}

// next takes a message with its length off what is held and data, nil when it
// is not whole yet.
func (p *parser) next(d packet.Direction, data []byte) (whole, rest []byte) {
	held := p.held[d]
	if n := min(4-len(held), len(data)); n > 0 && len(held) > 0 {
		held, data = append(held, data[:n]...), data[n:]
	}
	head := held
	if len(head) == 0 {
		head = data
	}
	if len(head) < 4 {
		p.held[d] = append(held, data...)
		return nil, nil
	}
	n := uint64(binary.BigEndian.Uint32(head)) + 4
	if n > maxMessage {
		p.held[d] = held[:0]
		p.skip[d] = n - uint64(len(held))
		return head[:4], data
	}
	if len(held) == 0 && uint64(len(data)) >= n {
		return data[:n], data[n:]
	}
	take := min(n-uint64(len(held)), uint64(len(data)))
	held = append(held, data[:take]...)
	if uint64(len(held)) < n {
		p.held[d] = held
		return nil, nil
	}
	p.held[d] = held[:0]
	return held, data[take:]
}

// message takes a whole message.
func (p *parser) message(d packet.Direction, b []byte) protocol.Status {
	t := p.begin(d)
	tag, body, _, ok := element(b)
	if ok && isMessage(tag) {
		t.kind = int32(tag & 0x1f)
		body, ok = inside(body, tagSequence)
	}
	if !ok || !isMessage(tag) {
		t.inspection.Events.Set(eventMalformed)
		return protocol.Status{Code: protocol.StatusFailed}
	}
	switch t.kind {
	case msgASReq, msgTGSReq:
		p.request = t.kind
		ok = t.readRequest(body)
	case msgASRep, msgTGSRep:
		ok = t.readReply(body)
	case msgError:
		ok = t.readError(body)
		t.request = p.request
	}
	if !ok {
		t.inspection.Events.Set(eventMalformed)
	}
	return protocol.Status{}
}

// begin makes a transaction; the oldest is given up when too many wait.
func (p *parser) begin(d packet.Direction) *Tx {
	if live := p.txs.Live(); len(live) >= maxTxs {
		for _, t := range live[:maxTxs/2] {
			t.inspection.Done = true
		}
		p.txs.Sweep()
	}
	t := p.txs.New()
	t.dir = d
	t.inspection.OneSided(d)
	return t
}

func (t *Tx) readRequest(body []byte) bool {
	req, ok := field(body, 4)
	if !ok {
		return false
	}
	if req, ok = inside(req, tagSequence); !ok {
		return false
	}
	t.cname.read(req, 1)
	t.setRealm(req, 2)
	t.sname.read(req, 3)
	return true
}

func (t *Tx) readReply(body []byte) bool {
	t.setRealm(body, 3)
	t.cname.read(body, 4)
	ticket, ok := field(body, 5)
	if !ok {
		return false
	}
	if ticket, ok = openTicket(ticket); !ok {
		return false
	}
	t.sname.read(ticket, 2)
	t.ticket, t.hasTicket = encryptionOf(ticket, 3)
	t.encryption, t.encrypted = encryptionOf(body, 6)
	if t.encrypted && weak(t.encryption) {
		t.inspection.Events.Set(eventWeak)
	}
	return true
}

func (t *Tx) readError(body []byte) bool {
	code, ok := integer(body, 6)
	t.code = code
	t.setRealm(body, 7)
	t.cname.read(body, 8)
	t.sname.read(body, 10)
	return ok
}

// encryptionOf is the type of the EncryptedData in a context tag.
func encryptionOf(sequence []byte, number byte) (int32, bool) {
	b, ok := field(sequence, number)
	if !ok {
		return 0, false
	}
	if b, ok = inside(b, tagSequence); !ok {
		return 0, false
	}
	return integer(b, 0)
}

func (t *Tx) setRealm(sequence []byte, number byte) {
	if v, ok := text(sequence, number); ok {
		t.realm, t.hasRealm = append(t.realm[:0], v...), true
	}
}

// Gap says that bytes are missing: what follows cannot be told apart.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	if p.skip[d] >= n {
		p.skip[d] -= n
		return protocol.Status{}
	}
	p.held[d] = p.held[d][:0]
	return protocol.Status{Code: protocol.StatusFailed}
}

// End says that a side has ended.
func (p *parser) End(packet.Direction, *protocol.Env) {}
