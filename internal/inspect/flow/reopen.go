package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// Reopen has every flow that is bypassed now inspected again from its next
// packet on, as after a change of rules.
func (t *Table) Reopen() { t.epoch++ }

// reopen takes a flow up again that was bypassed before the last Reopen. What
// TCP sent meanwhile was not followed, so its session begins anew at a segment
// that both sides' sequence numbers can be read from; others pass until then.
func (t *Table) reopen(slot int32, e *entry, p *packet.Packet) {
	f := &e.flow
	if f.Flags&FlagBypassed == 0 {
		e.epoch = t.epoch
		return
	}
	if f.Proto == protoTCP {
		if p.Has&packet.HasTCP == 0 || p.BadL4Sum || p.TCPFlags&(packet.SYN|packet.FIN|packet.RST|packet.ACK) != packet.ACK {
			return
		}
		if e.sess >= 0 {
			t.freeSession(e)
		}
	}
	e.epoch = t.epoch
	f.Flags &^= FlagBypassed | FlagNoRaw | FlagDepth0 | FlagDepth1 | FlagGap0 | FlagGap1
	f.Flags |= FlagReopened
	t.relist(slot, e)
}
