package dcerpc

// maxInterfaces bounds the interfaces remembered of one connection or pipe.
const maxInterfaces = 64

// Interface is one that a client asked for.
type Interface struct {
	UUID         UUID
	Major, Minor uint16
	Context      uint16
	Result       uint16 // the server's answer: 0 is accepted
	Reason       uint16
	Answered     bool
	First        bool // asked for in the first fragment of a bind
}

// Bindings are the interfaces of one connection or pipe. The zero value is
// ready.
type Bindings struct {
	list []Interface
	from int // the first of the last bind or alter context
}

// Reset forgets them.
func (b *Bindings) Reset() { b.list, b.from = b.list[:0], 0 }

// bind takes a BIND or ALTER_CONTEXT unit.
func (b *Bindings) bind(h Header, pdu []byte) {
	if h.Type == Bind && h.Flags&firstFragment != 0 {
		b.Reset()
	}
	b.from = len(b.list)
	if len(pdu) < 28 {
		return
	}
	rest := pdu[28:]
	for range pdu[24] {
		if len(rest) < 24 || len(b.list) >= maxInterfaces {
			return
		}
		b.list = append(b.list, Interface{
			Context: h.u16(rest), UUID: h.readUUID(rest[4:20]), Major: h.u16(rest[20:]), Minor: h.u16(rest[22:]), First: h.Flags&firstFragment != 0,
		})
		next := 24 + 20*int(rest[2])
		if next > len(rest) {
			return
		}
		rest = rest[next:]
	}
}

// answer takes a BINDACK or ALTER_CONTEXT_RESP unit.
func (b *Bindings) answer(h Header, pdu []byte) {
	if len(pdu) < 26 {
		return
	}
	at := 26 + int(h.u16(pdu[24:]))
	at = (at + 3) &^ 3
	if at+4 > len(pdu) {
		return
	}
	rest := pdu[at+4:]
	for i := range int(pdu[at]) {
		if len(rest) < 24 || b.from+i >= len(b.list) {
			return
		}
		f := &b.list[b.from+i]
		f.Result, f.Reason, f.Answered = h.u16(rest), h.u16(rest[2:]), true
		rest = rest[24:]
	}
}

// find is the accepted interface of a context.
func (b *Bindings) find(context uint16) (Interface, bool) {
	for i := len(b.list) - 1; i >= 0; i-- {
		if f := &b.list[i]; f.Context == context && f.Answered && f.Result == 0 {
			return *f, true
		}
	}
	return Interface{}, false
}
