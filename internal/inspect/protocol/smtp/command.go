package smtp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// verb is a client's command as far as its reply matters.
type verb uint8

const (
	verbOther verb = iota
	verbHelo
	verbMail
	verbRcpt
	verbData
	verbBdat
	verbRset
	verbQuit
	verbStartTLS
)

// words are the commands and what follows them, lower case.
var words = [...]struct {
	text string
	verb verb
}{
	{"ehlo", verbHelo}, {"helo", verbHelo}, {"lhlo", verbHelo}, {"mail from:", verbMail}, {"rcpt to:", verbRcpt},
	{"data", verbData}, {"bdat", verbBdat}, {"rset", verbRset}, {"quit", verbQuit}, {"starttls", verbStartTLS},
}

// verbOf tells the command of a line and what comes behind it.
func verbOf(text []byte) (verb, []byte) {
	for i := range words {
		w := &words[i]
		n := len(w.text)
		if !line.Begins(text, w.text) {
			continue
		}
		if w.text[n-1] != ':' && len(text) > n && text[n] != ' ' && text[n] != '\t' {
			continue
		}
		return w.verb, text[n:]
	}
	return verbOther, nil
}

// command takes a line of the client.
func (p *parser) command(text []byte, env *protocol.Env) {
	v, rest := verbOf(text)
	if v == verbOther && len(text) == 0 {
		return
	}
	t := p.transaction(v)
	if v == verbOther {
		p.strange(text)
	}
	p.midLine = false
	p.await(v)
	switch v {
	case verbHelo:
		p.hello(t, rest)
	case verbMail:
		if t.hasFrom {
			p.event(eventDuplicate)
			return
		}
		t.from, t.hasFrom = append(t.from[:0], argument(rest)...), true
		t.raise(packet.ToServer, protocol.StageLine)
	case verbRcpt:
		t.addRecipient(argument(rest))
		t.inspection.Again(packet.ToServer)
	case verbData:
		p.mode = modeData
		p.startMail(t)
	case verbBdat:
		p.chunk(t, rest)
	case verbRset:
		p.reset(t)
	}
}

// transaction is the one a command belongs to; a new one begins with the first
// command behind a finished mail, save RSET.
func (p *parser) transaction(v verb) *Tx {
	if p.cur != nil && (p.cur.stage[packet.ToServer] != protocol.StageDone || v == verbRset) {
		return p.cur
	}
	p.giveUp()
	t := p.txs.New()
	t.helo = append(t.helo, p.helo...)
	t.raise(packet.ToServer, protocol.StageStart)
	t.raise(packet.ToClient, protocol.StageStart)
	p.cur = t
	t.inspection.Events, p.early = p.early, protocol.Events{}
	return t
}

// giveUp ends what is left of older mails: the replies to them have come or
// will not, and no more than maxTxs wait for the engine.
func (p *parser) giveUp() {
	live := p.txs.Live()
	for i, t := range live {
		t.raise(packet.ToClient, protocol.StageDone)
		if i < len(live)-maxTxs {
			t.inspection.Done = true
		}
	}
	if len(live) > maxTxs {
		p.Sweep()
	}
}

// strange looks at a line that is no known command.
func (p *parser) strange(text []byte) {
	if p.midLine {
		p.event(eventBdatLength)
		return
	}
	for _, c := range text[:min(len(text), 4)] {
		if c < 0x20 || c > 0x7e {
			p.event(eventUnparsable)
			return
		}
	}
}

// await notes that a command waits for its reply. After DATA and STARTTLS the
// client must wait (RFC 2920 section 3.1).
func (p *parser) await(v verb) {
	if n := len(p.pending); n > 0 && (p.pending[n-1] == verbData || p.pending[n-1] == verbStartTLS) && p.mode == modeCommand && p.greeted {
		p.event(eventPipelining)
	}
	if len(p.pending) < maxPending {
		p.pending = append(p.pending, v)
	}
}

func (p *parser) hello(t *Tx, rest []byte) {
	if len(p.helo) > 0 {
		p.event(eventDuplicate)
		return
	}
	p.helo = append(p.helo[:0], argument(rest)...)
	t.helo = append(t.helo[:0], p.helo...)
}

// argument is the first word behind a command.
func argument(rest []byte) []byte {
	rest = bytes.TrimLeft(rest, " \t")
	if i := bytes.IndexByte(rest, ' '); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// chunk begins a BDAT chunk: "BDAT 1000" or "BDAT 1000 LAST".
func (p *parser) chunk(t *Tx, rest []byte) {
	rest = bytes.TrimSpace(rest)
	size, tail, _ := bytes.Cut(rest, []byte(" "))
	n, ok := decimal(size)
	if !ok {
		p.event(eventUnparsable)
		return
	}
	p.left, p.mode = n, modeBdat
	p.lastChunk = line.Begins(bytes.TrimSpace(tail), "last")
	p.startMail(t)
	if n == 0 {
		p.mode = modeCommand
		if p.lastChunk {
			p.lastChunk = false
			p.finish(t, true)
		}
	}
}

// decimal reads a number without allocating.
func decimal(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// reset ends the mail that RSET gives up.
func (p *parser) reset(t *Tx) {
	p.left, p.lastChunk = 0, false
	p.body.Reset()
	if t.hasFrom {
		p.finish(t, false)
	}
}
