package smtp

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// maxReply is the longest line of a reply without CR LF (RFC 5321 section 4.5.3.1.5).
const maxReply = 510

// parseServer takes the server's replies.
func (p *parser) parseServer(data []byte, env *protocol.Env) protocol.Status {
	for rest := data; len(rest) > 0; {
		text, end, after, ok := p.server.Next(rest, maxReply)
		if !ok {
			break
		}
		rest = after
		continued := p.replyCut
		p.replyCut = end == line.Cut
		if continued {
			continue
		}
		if p.replyCut {
			p.event(eventReplyTooLong)
		}
		if env.WantFrames {
			p.frames[packet.ToClient].Line(env, packet.ToClient, "response_line", text, end)
		}
		if p.reply(text) {
			env.Consumed = len(data) - len(rest)
			p.finish(p.cur, true)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
	}
	return protocol.Status{}
}

// reply takes a line of a reply; true says that TLS begins.
func (p *parser) reply(text []byte) bool {
	code, ok := replyCode(text)
	if !ok || !known(code) {
		p.event(eventInvalidReply)
		if !ok {
			return false
		}
	}
	more := len(text) > 3 && text[3] == '-'
	first := !p.multiline
	p.multiline = more
	if !p.greeted {
		p.greeted = true
		if code == 220 {
			return false
		}
		p.event(eventNoWelcome)
	}
	if len(p.pending) == 0 {
		if first {
			p.event(eventUnmatchedReply)
		}
		return false
	}
	if p.pending[0] == verbHelo && len(text) > 4 && line.Begins(text[4:], "pipelining") {
		p.pipelining = true
	}
	if more {
		return false
	}
	return p.answer(code)
}

// answer matches a whole reply with the command that waits longest.
func (p *parser) answer(code int) bool {
	if code == 354 { // it can only answer DATA, whatever replies are missing before
		for i, v := range p.pending {
			if v == verbData {
				p.pending = append(p.pending[:0], p.pending[i:]...)
				break
			}
		}
	}
	v := p.pending[0]
	p.pending = append(p.pending[:0], p.pending[1:]...)
	if len(p.pending) == 0 {
		p.settle()
	}
	switch v {
	case verbStartTLS:
		if code == 220 {
			return true
		}
		p.event(eventTLSRejected)
	case verbData:
		if code == 354 {
			return false
		}
		p.event(eventDataRejected)
		if p.mode == modeData && p.cur != nil && p.cur.stage[packet.ToServer] < protocol.StageBody && p.client.Held() == 0 && !p.begun() {
			p.mode = modeCommand
		}
	}
	return false
}

// begun says whether something of the mail was seen.
func (p *parser) begun() bool {
	return p.cur.hasMail && p.cur.mail.Begun()
}

// settle completes the server's side of finished mails.
func (p *parser) settle() {
	for _, t := range p.txs.Live() {
		if t.stage[packet.ToServer] == protocol.StageDone {
			t.raise(packet.ToClient, protocol.StageDone)
		}
	}
}

// replyCode reads the three digits of a reply.
func replyCode(text []byte) (int, bool) {
	if len(text) < 3 {
		return 0, false
	}
	code := 0
	for _, c := range text[:3] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, true
}

// known says whether a code is one that SMTP and its extensions define.
func known(code int) bool {
	switch code {
	case 211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 401, 402, 421, 432, 435, 450, 451, 452, 454, 455,
		500, 501, 502, 503, 504, 521, 523, 524, 525, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556, 557:
		return true
	}
	return false
}
