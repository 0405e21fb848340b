package dcerpc

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// maxStub bounds the bytes of arguments kept of one call and direction.
const maxStub = 1 << 20

// Call is one call with its answer, or a bind with its answer. The zero value
// is ready for Take.
type Call struct {
	ID       uint32
	Opnum    uint16
	Context  uint16
	types    [2]Type
	seen     [2]bool
	Done     [2]bool // the last fragment was seen, by direction
	Frags    [2]int
	stub     [2][]byte
	bound    Interface
	resolved bool        // bound is valid
	asked    []Interface // a bind's interfaces, with their answers
	lost     bool        // bytes of it are missing
	heads    bool        // the stub is shown with the object before it, or the head of a response, as rules over TCP expect
}

// Reset makes the call ready for another and keeps its memory.
func (c *Call) Reset() {
	*c = Call{stub: [2][]byte{c.stub[0][:0], c.stub[1][:0]}, asked: c.asked[:0]}
}

// Seen says whether anything of it was seen in d.
func (c *Call) Seen(d packet.Direction) bool { return c.seen[d] }

// Stub are the arguments, or results, so far.
func (c *Call) Stub(d packet.Direction) []byte { return c.stub[d] }

// IsRequest says whether it is a call rather than a bind.
func (c *Call) IsRequest() bool {
	return c.seen[packet.ToServer] && c.types[packet.ToServer] == Request || c.seen[packet.ToClient] && c.types[packet.ToClient] == Response
}

// Interface is the one that is called, false when it is not known.
func (c *Call) Interface() (Interface, bool) { return c.bound, c.resolved }

// Take adds a whole unit of the call.
func (c *Call) Take(d packet.Direction, h Header, pdu []byte, b *Bindings) {
	if !c.seen[d] {
		c.seen[d], c.types[d] = true, h.Type
		c.ID = h.CallID
	}
	c.Frags[d]++
	switch h.Type {
	case Bind, AlterContext:
		b.bind(h, pdu)
		c.asked = append(c.asked[:0], b.list[b.from:]...)
	case BindAck, AlterContextResp:
		b.answer(h, pdu)
		c.asked = append(c.asked[:0], b.list[b.from:]...)
	case Request:
		c.request(d, h, pdu)
	case Response:
		if len(pdu) >= 24 {
			c.Context = h.u16(pdu[20:])
			c.add(d, pdu[c.responseHead():])
		}
	}
	if h.Type == Request || h.Type == Response {
		c.bound, c.resolved = b.find(c.Context)
	}
	if h.Flags&lastFragment != 0 || h.Type != Request && h.Type != Response {
		c.Done[d] = true
	}
}

func (c *Call) request(d packet.Direction, h Header, pdu []byte) {
	if len(pdu) < 24 {
		return
	}
	c.Context, c.Opnum = h.u16(pdu[20:]), h.u16(pdu[22:])
	stub := pdu[24:]
	if h.Flags&hasObject != 0 && !c.heads {
		stub = stub[min(16, len(stub)):]
	}
	c.add(d, stub)
}

// responseHead is where the stub of a response begins.
func (c *Call) responseHead() int {
	if c.heads {
		return HeaderSize
	}
	return 24
}

func (c *Call) add(d packet.Direction, stub []byte) {
	room := maxStub - len(c.stub[d])
	c.stub[d] = append(c.stub[d], stub[:min(len(stub), room)]...)
}

// Begins says whether a unit of direction d begins a call rather than goes on
// with one.
func Begins(h Header) bool {
	switch h.Type {
	case Bind, AlterContext:
		return true
	case Request:
		return h.Flags&firstFragment != 0
	}
	return false
}

// Continues says whether a unit of direction d belongs to the call.
func (c *Call) Continues(d packet.Direction, h Header) bool {
	return c.ID == h.CallID && !c.Done[d] && (d == packet.ToClient || c.seen[d] && c.types[d] == h.Type)
}

// Write writes the call as eve.json shows it within an SMB record; each has
// the place of opnum that such records have.
func (c *Call) Write(o *eve.Object) {
	const up, down = packet.ToServer, packet.ToClient
	c.writeType(o, "request", up)
	c.writeType(o, "response", down)
	if c.IsRequest() {
		o.Uint("opnum", uint64(c.Opnum))
		c.writeSide(o, "req", up, false)
		if c.resolved {
			o.BeginArray("interfaces")
			c.bound.write(o, false, false)
			o.EndArray()
		}
		c.writeSide(o, "res", down, false)
	}
	c.writeAsked(o, true)
	o.Uint("call_id", uint64(c.ID))
}

func (c *Call) writeType(o *eve.Object, key string, d packet.Direction) {
	if c.seen[d] {
		o.Str(key, c.types[d].String())
		return
	}
	o.Str(key, "UNREPLIED")
}

func (c *Call) writeSide(o *eve.Object, key string, d packet.Direction, opnum bool) {
	if !c.seen[d] || c.types[d] != Request && c.types[d] != Response {
		return
	}
	o.BeginObject(key)
	if opnum {
		o.Uint("opnum", uint64(c.Opnum))
	}
	o.Uint("frag_cnt", uint64(c.Frags[d]))
	o.Uint("stub_data_size", uint64(len(c.stub[d])))
	o.End()
}

func (c *Call) writeAsked(o *eve.Object, reason bool) {
	if len(c.asked) == 0 {
		return
	}
	o.BeginArray("interfaces")
	for i := range c.asked {
		c.asked[i].write(o, true, reason)
	}
	o.EndArray()
}

// write writes an interface as an array element.
func (f *Interface) write(o *eve.Object, result, reason bool) {
	o.Begin()
	f.UUID.write(o, "uuid")
	var text [12]byte
	o.Text("version", appendVersion(text[:0], f.Major, f.Minor))
	if result {
		o.Uint("ack_result", uint64(f.Result))
	}
	if reason {
		o.Uint("ack_reason", uint64(f.Reason))
	}
	o.End()
}
