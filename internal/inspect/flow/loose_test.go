package flow

import (
	"fmt"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// newLive is a wire through a table that stops what it finds invalid, and may
// begin after the connections.
func newLive(t *testing.T) *wire {
	return newWire(t, func(c *Config) {
		s := &c.Stream
		s.Inline, s.DropInvalid, s.Midstream, s.Live = true, true, true, true
	})
}

// pass sends a segment that must go through.
func (w *wire) pass(who, flags string, seq, ack uint32, payload string) Outcome {
	w.t.Helper()
	o := w.tcp(who, flags, seq, ack, payload)
	if o.Drop {
		w.t.Errorf("dropped: %s %s seq %d ack %d %q", who, flags, seq, ack, payload)
	}
	return o
}

// TestPickedUpAtClosedWindow: a session is picked up at a segment whose window
// is zero. That says nothing of what the other side may send, so the other
// side's acknowledgements must go through.
func TestPickedUpAtClosedWindow(t *testing.T) {
	w := newLive(t)
	p := w.base(true, protoTCP)
	p.Has |= packet.HasTCP
	p.TCPFlags, p.Seq, p.Ack, p.L4Header = packet.ACK, 1_000_000, 5_000_000, 20
	p.Payload, p.Data = []byte("first"), make([]byte, 59)
	if o := w.table.Packet(p); o.Drop {
		t.Fatal("the first segment was dropped")
	}
	for i := range uint32(50) {
		w.pass("s", "A", 5_000_000, 1_000_005+i*3000, "")
		w.pass("c", "A", 1_000_005+i*3000, 5_000_000, "more")
	}
	w.pass("s", "A", 5_000_000, 1_150_009, "answer")
	w.pass("c", "A", 1_150_009, 5_000_006, "")
}

// TestBytesMissedAfterPickup: bytes that both ends know went by unseen. What
// follows goes through and is delivered behind a gap.
func TestBytesMissedAfterPickup(t *testing.T) {
	w := newLive(t)
	w.pass("c", "A", 1000, 5000, "one")
	w.notes.take()
	w.pass("s", "A", 9000, 400_000, "far")     // has 399,000 bytes that we have not, and sent 4,000 of its own
	w.pass("c", "A", 400_000, 9003, "on")      // acknowledges them
	w.pass("s", "A", 9003, 400_002, "farther") // which makes the gap due
	w.pass("c", "A", 1003, 9010, "late")       // acknowledged long ago, but perhaps its sender has not heard
	w.pass("c", "FA", 400_002, 9010, "")
	w.pass("s", "FA", 9010, 400_003, "")
	w.pass("c", "A", 400_003, 9011, "")
	w.want(w.notes.take(), `to_server gap 398997; to_server "on"; to_client gap 4000; to_client "farfarther"; to_server end`)
}

// TestMissed: the table stood still while a session of which it saw the
// handshake went on.
func TestMissed(t *testing.T) {
	for _, missed := range []bool{false, true} {
		w := newLive(t)
		w.handshake()
		w.pass("c", "A", 1001, 5001, "one")
		if missed {
			w.table.Missed()
		}
		a := w.tcp("s", "A", 5001, 900_000, "")
		b := w.tcp("c", "A", 900_000, 5001, "on")
		c := w.tcp("c", "RA", 1_400_000, 5001, "")
		for i, o := range []Outcome{a, b, c} {
			if o.Drop == missed {
				t.Errorf("segment %d, missed %v: dropped %v", i, missed, o.Drop)
			}
		}
		if over := c.Flow.TCPState == TCPClosed; over != missed {
			t.Errorf("missed %v: state %v after the reset", missed, c.Flow.TCPState)
		}
	}
}

// TestMissedHandshake: the rest of a handshake went by unseen.
func TestMissedHandshake(t *testing.T) {
	for seen := 1; seen <= 2; seen++ {
		w := newLive(t)
		w.tcp("c", "S", 1000, 0, "")
		if seen > 1 {
			w.tcp("s", "SA", 5000, 1001, "")
		}
		w.table.Missed()
		w.notes.take()
		o := w.pass("c", "A", 1501, 5801, "GET")
		w.pass("s", "A", 5801, 1504, "OK")
		w.want(w.notes.take(), `to_server "GET"; to_client "OK"`)
		if o.Flow.Flags&FlagMidstream == 0 {
			t.Errorf("%d of the handshake seen: not picked up", seen)
		}
	}
}

// TestEndsOfUnknownSessions: the end of a connection that is older than the
// table reaches the other side.
func TestEndsOfUnknownSessions(t *testing.T) {
	w := newLive(t)
	w.events(w.pass("c", "FA", 1000, 5000, "bye"), "fin_but_no_session")
	w.pass("s", "A", 5000, 1004, "")
	w.pass("s", "FA", 5000, 1004, "")
	o := w.pass("c", "A", 1004, 5001, "")
	if o.Flow.TCPState != TCPClosed {
		t.Errorf("state %v after both FINs", o.Flow.TCPState)
	}
	w = newLive(t)
	w.events(w.pass("c", "RA", 1000, 5000, ""), "rst_but_no_session")
}

// TestLooseRewrites: a sender cannot slip other bytes past by sending first
// what its receiver does not take.
func TestLooseRewrites(t *testing.T) {
	w := newLive(t)
	w.pass("c", "A", 1000, 5000, "start")
	w.pass("s", "A", 5000, 1005, "")
	w.pass("c", "A", 1005, 77_000_000, "harmless") // its acknowledgement is of bytes that nobody sent
	o := w.pass("c", "A", 1005, 5000, "exploits")
	if got := fmt.Sprintf("%s", o.Rewrite); got != "harmless" {
		t.Errorf("sent on as %q", got)
	}
	w.notes.take()
	w.pass("c", "A", 90_000, 5000, "from afar") // moves nothing until it is acknowledged
	o = w.pass("c", "A", 3_000_000, 5000, "beyond the depth")
	w.pass("c", "A", 1013, 5000, "next")
	w.want(w.notes.take(), `to_server "next"`)
	if o.Flow.Flags&FlagDepth0 != 0 {
		t.Error("a segment that nobody acknowledged ends the reading")
	}
	w.pass("s", "A", 5000, 3_000_016, "")
	w.pass("c", "A", 3_000_016, 5000, "last")
	if o.Flow.Flags&FlagDepth0 == 0 {
		t.Error("the depth is not reached though the receiver has more")
	}
}
