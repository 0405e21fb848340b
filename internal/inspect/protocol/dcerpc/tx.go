package dcerpc

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Tx is one call over TCP or UDP. It implements protocol.Tx,
// protocol.Recorder and Carrier.
type Tx struct {
	inspection protocol.Inspection
	call       Call
	minor      uint8
	udp        bool
	activity   UUID   // UDP: with sequence, what a call is known by
	sequence   uint32 // UDP
}

// Clear makes the transaction ready for the next call.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.call.Reset()
	t.minor, t.udp, t.activity, t.sequence = 0, false, UUID{}, 0
}

// RPC is the call.
func (t *Tx) RPC() *Call { return &t.call }

// Stage is how far the call has come.
func (t *Tx) Stage(d packet.Direction) protocol.Stage {
	switch {
	case t.call.Done[d] || t.call.lost:
		return protocol.StageDone
	case t.call.seen[d]:
		return protocol.StageBody
	}
	return protocol.StageStart
}

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are none.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

// Uint answers no field.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Window answers no field.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Bytes are the arguments of the call, or its results.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if f != protocol.DCERPCStubData || i != 0 {
		return nil, false
	}
	return t.call.stub[d], len(t.call.stub[d]) > 0
}

// AppendEve appends the record of the call.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	const up, down = packet.ToServer, packet.ToClient
	c := &t.call
	o := eve.Object{B: dst}
	o.Begin()
	c.writeType(&o, "request", up)
	if c.seen[up] && c.types[up] == Request {
		c.writeSide(&o, "req", up, true)
	}
	if c.seen[up] && c.types[up] == Bind {
		c.writeAsked(&o, false)
	}
	c.writeType(&o, "response", down)
	c.writeSide(&o, "res", down, false)
	if t.udp {
		t.activity.write(&o, "activityuuid")
		o.Uint("seqnum", uint64(t.sequence))
		o.Str("rpc_version", "4.0")
		o.End()
		return o.B
	}
	o.Uint("call_id", uint64(c.ID))
	var text [12]byte
	o.Text("rpc_version", appendVersion(text[:0], 5, uint16(t.minor)))
	o.End()
	return o.B
}

func appendVersion(dst []byte, major, minor uint16) []byte {
	dst = strconv.AppendUint(dst, uint64(major), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(minor), 10)
}
