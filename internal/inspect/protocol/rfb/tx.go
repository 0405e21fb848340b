package rfb

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

// Tx is the handshake of a connection.
type Tx struct {
	exchange.Base
	versions    [2][2][3]byte // by direction: major, minor
	hasVersion  [2]bool
	hasSecurity bool
	hasVNC      bool
	hasResult   bool
	hasShared   bool
	hasInit     bool
	shared      bool
	security    uint32
	result      uint32
	vnc         [2][16]byte // challenge, response
	init        [24]byte
	name        []byte
	reason      []byte
}

// Clear makes it ready for the next handshake.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Base: t.Base, name: t.name[:0], reason: t.reason[:0]}
}

// Bytes answers the desktop's name.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	return t.name, f == protocol.RFBName && d == packet.ToClient && i == 0 && t.hasInit
}

// Uint answers the security type.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	return uint64(t.security), f == protocol.RFBSecurityType && d == packet.ToServer && i == 0 && t.hasSecurity
}

var resultNames = [...]string{"OK", "FAIL", "TOOMANY"}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	t.eveVersion(&o, "server_protocol_version", packet.ToClient)
	t.eveVersion(&o, "client_protocol_version", packet.ToServer)
	if t.hasSecurity {
		o.BeginObject("authentication")
		t.eveSecurity(&o)
		o.End()
	}
	if len(t.reason) > 0 {
		o.Text("server_security_failure_reason", t.reason)
	}
	if t.hasShared {
		o.Bool("screen_shared", t.shared)
	}
	if t.hasInit {
		o.BeginObject("framebuffer")
		t.eveScreen(&o)
		o.End()
	}
	o.End()
	return o.B
}

func (t *Tx) eveVersion(o *eve.Object, key string, d packet.Direction) {
	if !t.hasVersion[d] {
		return
	}
	v := &t.versions[d]
	o.BeginObject(key)
	o.Text("major", v[0][:])
	o.Text("minor", v[1][:])
	o.End()
}

func (t *Tx) eveSecurity(o *eve.Object) {
	o.Uint("security_type", uint64(t.security))
	if t.security == securityVNC && t.hasVNC {
		var text [2][32]byte
		hex.Encode(text[0][:], t.vnc[0][:])
		hex.Encode(text[1][:], t.vnc[1][:])
		o.BeginObject("vnc")
		o.Text("challenge", text[0][:])
		o.Text("response", text[1][:])
		o.End()
	}
	if t.hasResult {
		if int64(t.result) < int64(len(resultNames)) {
			o.Str("security_result", resultNames[t.result])
		} else {
			o.Str("security_result", "UNKNOWN")
		}
	}
}

func (t *Tx) eveScreen(o *eve.Object) {
	b := &t.init
	o.Uint("width", uint64(binary.BigEndian.Uint16(b[0:])))
	o.Uint("height", uint64(binary.BigEndian.Uint16(b[2:])))
	o.Text("name", t.name)
	o.BeginObject("pixel_format")
	o.Uint("bits_per_pixel", uint64(b[4]))
	o.Uint("depth", uint64(b[5]))
	o.Bool("big_endian", b[6] != 0)
	o.Bool("true_color", b[7] != 0)
	o.Uint("red_max", uint64(binary.BigEndian.Uint16(b[8:])))
	o.Uint("green_max", uint64(binary.BigEndian.Uint16(b[10:])))
	o.Uint("blue_max", uint64(binary.BigEndian.Uint16(b[12:])))
	o.Uint("red_shift", uint64(b[14]))
	o.Uint("green_shift", uint64(b[15]))
	o.Uint("blue_shift", uint64(b[16]))
	o.End()
}

func resultKeyword() protocol.Keyword {
	return protocol.Keyword{
		Name: "rfb.secresult", Dirs: protocol.ToClientOnly, On: []protocol.ID{protocol.RFB}, Stage: protocol.StageDone,
		Doc: "result of the security handshake: ok, fail, toomany, unknown or a number, perhaps compared",
		Compile: func(arg string) (protocol.Test, error) {
			if strings.EqualFold(arg, "unknown") {
				arg = ">2"
			}
			want, err := number.Parse(arg, 32, map[string]uint64{"ok": 0, "fail": 1, "toomany": 2})
			return func(tx protocol.Tx, d packet.Direction) bool {
				t, ok := tx.(*Tx)
				return ok && d == packet.ToClient && t.hasResult && want.Match(uint64(t.result))
			}, err
		},
	}
}

// Spec describes RFB.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.RFB, Transport: protocol.OverTCP, Ports: []uint16{5900, 5901}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Keywords: []protocol.Keyword{resultKeyword()},
		Events:   []string{"unimplemented_security_type", "unknown_security_result", "malformed_message", "confused_state"},
		Record:   "rfb",
	}
}
