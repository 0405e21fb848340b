// Package dcerpc follows DCE remote procedure calls (C706, MS-RPCE): over TCP
// with fragments, over UDP, and, for package smb, through named pipes. It knows
// interfaces by UUID and calls by number and leaves arguments as bytes. The
// inspection engine calls it through Spec and UDPSpec; smb uses Call and
// Bindings.
package dcerpc

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/eve"
)

// Type is the kind of a protocol data unit.
type Type uint8

// The kinds that matter here (C706 section 12.6.4).
const (
	Request          Type = 0
	Response         Type = 2
	Fault            Type = 3
	Bind             Type = 11
	BindAck          Type = 12
	BindNak          Type = 13
	AlterContext     Type = 14
	AlterContextResp Type = 15
)

var typeNames = [...]string{
	"REQUEST", "PING", "RESPONSE", "FAULT", "WORKING", "NOCALL", "REJECT", "ACK", "CL_CANCEL", "FACK", "CANCEL_ACK",
	"BIND", "BINDACK", "BINDNAK", "ALTER_CONTEXT", "ALTER_CONTEXT_RESP", "AUTH3", "SHUTDOWN", "CO_CANCEL", "ORPHANED", "RTS",
}

// String is eve.json's word for it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "UNKNOWN"
}

// Flags of a header.
const (
	firstFragment = 1
	lastFragment  = 2
	hasObject     = 0x80
)

// HeaderSize is the length of the header of connection-oriented RPC.
const HeaderSize = 16

// Header is what every unit of connection-oriented RPC begins with.
type Header struct {
	Minor   uint8
	Type    Type
	Flags   uint8
	Little  bool   // little-endian numbers
	FragLen uint16 // length of the unit with its header
	AuthLen uint16
	CallID  uint32
}

// ReadHeader reads a header, false when b does not begin with one.
func ReadHeader(b []byte) (Header, bool) {
	if len(b) < HeaderSize || b[0] != 5 || b[1] > 1 || int(b[2]) >= len(typeNames) || b[4]&0xee != 0 || b[5] > 3 {
		return Header{}, false
	}
	h := Header{Minor: b[1], Type: Type(b[2]), Flags: b[3], Little: b[4]&0x10 != 0}
	h.FragLen, h.AuthLen, h.CallID = h.u16(b[8:]), h.u16(b[10:]), h.u32(b[12:])
	return h, h.FragLen >= HeaderSize
}

func (h Header) u16(b []byte) uint16 {
	if h.Little {
		return binary.LittleEndian.Uint16(b)
	}
	return binary.BigEndian.Uint16(b)
}

func (h Header) u32(b []byte) uint32 {
	if h.Little {
		return binary.LittleEndian.Uint32(b)
	}
	return binary.BigEndian.Uint32(b)
}

// UUID is an interface's identity in the order in which it is written.
type UUID [16]byte

// readUUID reads a UUID of 16 bytes.
func (h Header) readUUID(b []byte) (u UUID) {
	copy(u[:], b)
	if h.Little {
		u[0], u[1], u[2], u[3] = b[3], b[2], b[1], b[0]
		u[4], u[5] = b[5], b[4]
		u[6], u[7] = b[7], b[6]
	}
	return u
}

const hexDigits = "0123456789abcdef"

// append writes the UUID in its usual form.
func (u UUID) append(dst []byte) []byte {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// write writes the UUID as a field.
func (u UUID) write(o *eve.Object, key string) {
	var text [36]byte
	o.Text(key, u.append(text[:0]))
}
