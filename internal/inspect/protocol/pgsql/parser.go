package pgsql

import (
	"encoding/binary"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Codes that stand where start-up messages have the protocol version.
const (
	version3      = 196608
	codeSSL       = 80877103
	codeCancel    = 80877102
	codeGSS       = 80877104
	maxMessage    = 1 << 24
	maxKept       = 1 << 16 // bytes of a message and of all answers that a transaction keeps
	maxHeader     = 8
	startupMaxLen = 10000
)

// login is how far authentication has come, which tells what 'p' means.
type login uint8

const (
	loginNone login = iota
	loginPassword
	loginSASL
	loginSASLGoing
)

// skip is a message whose rest is passed over.
type skip struct {
	left int
}

// parser follows one connection.
type parser struct {
	txs       txlist.List[Tx, *Tx]
	held      exchange.Held
	skip      [2]skip
	login     login
	started   bool // the start-up message was seen, or one of the backend
	asked     bool // an SSL request awaits its one-byte answer
	current   *Tx
	passwords bool
	maxTx     int
	over      bool // a fault or a gap in one direction ends both
}

// Reset forgets the connection.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held.Reset()
	*p = parser{txs: p.txs, held: p.held, passwords: p.passwords, maxTx: p.maxTx}
}

// Txs are the live transactions.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() {
	if p.current != nil && p.current.Inspection().Done {
		p.current = nil
	}
	p.txs.Sweep()
}

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap goes on when the bytes belong to a message that is passed over.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	p.held.Drop(d)
	if n <= uint64(p.skip[d].left) {
		p.skip[d].left -= int(n)
		return protocol.Status{}
	}
	p.over = true
	return protocol.Status{Code: protocol.StatusFailed}
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if p.over {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	consumed := min(p.skip[d].left, len(data))
	p.skip[d].left -= consumed
	data = data[consumed:]
	given := len(data)
	data = p.held.Join(d, data)
	for len(data) > 0 {
		n, ok := p.next(d, data)
		if !ok {
			p.held.Drop(d)
			p.over = true
			return protocol.Status{Code: protocol.StatusFailed}
		}
		if n == 0 || len(data) < n && n <= maxKept {
			break
		}
		whole := data[:min(n, len(data))]
		env.Frame(d, "pdu", whole)
		var switched bool
		if d == packet.ToServer {
			p.request(whole)
			env.TriggerRawStream = true
		} else {
			switched = p.response(whole)
		}
		p.skip[d].left = n - len(whole)
		data = data[len(whole):]
		if switched {
			p.held.Drop(d)
			env.Consumed = consumed + given - len(data)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// next is the length of the message that b begins with, 0 when it cannot be
// told yet.
func (p *parser) next(d packet.Direction, b []byte) (int, bool) {
	if d == packet.ToClient && p.asked && (b[0] == 'S' || b[0] == 'N') {
		return 1, true
	}
	if d == packet.ToServer && b[0] == 0 {
		if len(b) < 4 {
			return 0, true
		}
		n := int(binary.BigEndian.Uint32(b))
		return n, n >= 8 && n <= startupMaxLen
	}
	if len(b) < 5 {
		return 0, true
	}
	n := int(binary.BigEndian.Uint32(b[1:]))
	return 1 + n, n >= 4 && n < maxMessage && b[0] >= '1' && b[0] <= 'z'
}

func (p *parser) open() *Tx {
	if live := p.txs.Live(); len(live) > p.maxTx {
		for _, old := range live {
			if !old.Closed() {
				old.Close()
				break
			}
		}
	}
	p.current = p.txs.New()
	p.current.passwords = p.passwords
	return p.current
}

func (p *parser) request(b []byte) {
	kind := kindUnknown
	if b[0] == 0 {
		kind = p.startup(b)
	} else {
		switch b[0] {
		case 'Q':
			kind = kindQuery
		case 'X':
			kind = kindTerminate
		case 'p':
			kind = p.secret()
		}
	}
	if kind == kindUnknown {
		return
	}
	tx := p.open()
	tx.kind = kind
	tx.request = append(tx.request[:0], b[:min(len(b), maxKept)]...)
	tx.Reach(packet.ToServer, protocol.StageDone)
	if kind == kindTerminate || kind == kindCancel {
		tx.Close()
	}
}

func (p *parser) startup(b []byte) kind {
	switch binary.BigEndian.Uint32(b[4:]) {
	case codeSSL, codeGSS:
		p.asked = true
		return kindSSL
	case codeCancel:
		if len(b) >= 16 {
			return kindCancel
		}
	case version3, version3 + 2:
		p.started = true
		return kindStartup
	}
	return kindUnknown
}

// secret is what a 'p' message is at this point of the login.
func (p *parser) secret() kind {
	switch p.login {
	case loginSASL:
		p.login = loginSASLGoing
		return kindSASLInitial
	case loginSASLGoing:
		return kindSASLResponse
	}
	return kindPassword
}

// response handles one message of the backend. True means that TLS follows.
func (p *parser) response(b []byte) bool {
	tx := p.current
	if tx == nil {
		tx = p.open()
		tx.Reach(packet.ToServer, protocol.StageDone)
	}
	tx.Reach(packet.ToClient, protocol.StageStart)
	if p.asked && len(b) == 1 {
		p.asked = false
		tx.answers = append(tx.answers, b...)
		tx.Reach(packet.ToClient, protocol.StageDone)
		return b[0] == 'S'
	}
	p.asked = false
	if b[0] == 'D' {
		tx.rows++
		if len(b) >= 7 { // without the length of each value
			tx.rowBytes += uint64(max(0, len(b)-7-4*int(binary.BigEndian.Uint16(b[5:]))))
		}
		return false
	}
	if len(tx.answers)+len(b) <= maxKept {
		tx.answers = append(tx.answers, b...)
	}
	if p.ends(b) {
		tx.Reach(packet.ToClient, protocol.StageDone)
	}
	return false
}

// ends says whether a message is the last answer to a request.
func (p *parser) ends(b []byte) bool {
	switch b[0] {
	case 'Z':
		return true
	case 'E':
		return p.login != loginNone || !p.started
	case 'R':
		if len(b) < 9 {
			return false
		}
		switch binary.BigEndian.Uint32(b[5:]) {
		case 0:
			p.login = loginNone
		case 3, 5, 7, 8, 9:
			p.login = loginPassword
			return true
		case 10:
			p.login = loginSASL
			return true
		case 11:
			p.login = loginSASLGoing
			return true
		}
	}
	return false
}

// probe tells PostgreSQL by its start-up messages, or on its port by any
// message.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	onPort := srcPort == 5432 || dstPort == 5432
	if len(data) < maxHeader {
		if onPort && len(data) > 0 && (d == packet.ToClient && (data[0] == 'S' || data[0] == 'N') && len(data) == 1) {
			return protocol.Maybe
		}
		if len(data) > 0 && data[0] != 0 && !onPort {
			return protocol.No
		}
		return protocol.More
	}
	n := binary.BigEndian.Uint32(data)
	switch code := binary.BigEndian.Uint32(data[4:]); {
	case code == codeSSL && n == 8, code == codeGSS && n == 8, code == codeCancel && n == 16:
		return protocol.Yes
	case (code == version3 || code == version3+2) && n > 8 && n < startupMaxLen && len(data) > 8 && data[8] > ' ' && data[8] < 0x7f:
		return protocol.Yes
	}
	if !onPort || data[0] == 0 {
		return protocol.No
	}
	if n := binary.BigEndian.Uint32(data[1:]); n >= 4 && n < maxMessage && known(d, data[0]) {
		return protocol.Maybe
	}
	return protocol.No
}

func known(d packet.Direction, c byte) bool {
	set := "RSKTDCEZNIn123tAGHWdcsV"
	if d == packet.ToServer {
		set = "QXpPBDEHSCFdcf"
	}
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// Spec describes PostgreSQL. Settings: max-tx (1024), eve.passwords (no).
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.PGSQL, Transport: protocol.OverTCP, Ports: []uint16{5432}, Probe: probe, Open: open, Record: "pgsql",
		Events: []string{"invalid_length", "malformed_request", "malformed_response", "too_many_transactions"},
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	passwords, maxTx := false, 1024
	if s != nil {
		v, _ := s.Lookup("eve.passwords")
		passwords = v == "yes" || v == "true" || v == "1"
		if v, ok := s.Lookup("max-tx"); ok {
			n, err := strconv.ParseUint(v, 10, 20)
			if err != nil {
				return nil, err
			}
			maxTx = int(n)
		}
	}
	return func() protocol.Parser { return &parser{passwords: passwords, maxTx: maxTx} }, nil
}
