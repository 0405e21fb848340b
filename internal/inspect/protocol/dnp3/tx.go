package dnp3

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const maxObjects = 512

// Function codes with a meaning here.
const (
	functionRead     = 1
	functionResponse = 129

	functionConfirm     = 0
	functionUnsolicited = 130
)

// Tx is one application fragment.
type Tx struct {
	single.Message
	link        uint8 // control byte of the link layer
	src, dst    uint16
	control     uint8 // of the application layer
	function    uint8
	indicators  uint16
	isResponse  bool
	complete    bool // all objects were read
	hasFunction bool
	fragment    []byte
	objects     []object
}

// Clear makes it ready for the next fragment.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, fragment: t.fragment[:0], objects: t.objects[:0]}
}

// Bytes answers the fragment.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	return t.fragment, f == protocol.DNP3Data && d == t.Dir && i == 0 && t.hasFunction
}

// Uint answers the function code and the internal indicators.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.Dir || i > 0 || !t.hasFunction {
		return 0, false
	}
	switch f {
	case protocol.DNP3Function:
		return uint64(t.function), true
	case protocol.DNP3Indicators:
		return uint64(t.indicators), t.isResponse
	}
	return 0, false
}

// fill parses a fragment. False means that it is too short.
func (t *Tx) fill(a *assembly) bool {
	t.link, t.src, t.dst = a.control, a.src, a.dst
	t.fragment = append(t.fragment[:0], a.buf...)
	b := t.fragment
	if len(b) < 2 {
		return false
	}
	t.control, t.function, t.hasFunction = b[0], b[1], true
	b = b[2:]
	if t.isResponse = t.function >= functionResponse && t.Dir == packet.ToClient; t.isResponse {
		if len(b) < 2 {
			return false
		}
		t.indicators = binary.BigEndian.Uint16(b)
		b = b[2:]
	}
	t.complete = t.readObjects(b, t.function != functionRead)
	if !t.complete {
		t.Event(eventUnknownObject)
	}
	return true
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	if !t.hasFunction {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	switch {
	case t.isResponse && t.function == functionUnsolicited:
		o.Str("type", "unsolicited_response")
	case t.isResponse:
		o.Str("type", "response")
	default:
		o.Str("type", "request")
	}
	o.BeginObject("control")
	o.Bool("dir", t.link&0x80 != 0)
	o.Bool("pri", t.link&0x40 != 0)
	o.Bool("fcb", t.link&0x20 != 0)
	o.Bool("fcv", t.link&0x10 != 0)
	o.Uint("function_code", uint64(t.link&15))
	o.End()
	o.Uint("src", uint64(t.src))
	o.Uint("dst", uint64(t.dst))
	o.BeginObject("application")
	t.eveApplication(&o)
	o.End()
	if t.isResponse {
		o.BeginObject("iin")
		t.eveIndicators(&o)
		o.End()
	}
	o.End()
	return o.B
}

func (t *Tx) eveApplication(o *eve.Object) {
	o.BeginObject("control")
	o.Bool("fir", t.control&0x80 != 0)
	o.Bool("fin", t.control&0x40 != 0)
	o.Bool("con", t.control&0x20 != 0)
	o.Bool("uns", t.control&0x10 != 0)
	o.Uint("sequence", uint64(t.control&15))
	o.End()
	o.Uint("function_code", uint64(t.function))
	if len(t.objects) > 0 {
		o.BeginArray("objects")
		for i := range t.objects {
			ob := &t.objects[i]
			o.Begin()
			o.Uint("group", uint64(ob.group))
			o.Uint("variation", uint64(ob.variation))
			o.Uint("qualifier", uint64(ob.qualifier))
			o.Uint("prefix_code", uint64(ob.qualifier>>4&7))
			o.Uint("range_code", uint64(ob.qualifier&15))
			o.Uint("start", uint64(ob.start))
			o.Uint("stop", uint64(ob.stop))
			o.Uint("count", uint64(ob.count))
			o.End()
		}
		o.EndArray()
	}
	o.Bool("complete", t.complete)
}

// indicators are the names of the internal indicators, from the highest bit of
// the first byte down (IEEE 1815, 4.2.2.6).
var indicators = [16]string{
	"device_restart", "device_trouble", "local_control", "need_time", "class_3_events", "class_2_events", "class_1_events",
	"all_stations", "reserved_1", "reserved_2", "config_corrupt", "already_executing", "event_buffer_overflow",
	"parameter_error", "object_unknown", "no_func_code_support",
}

func (t *Tx) eveIndicators(o *eve.Object) {
	if t.indicators == 0 {
		return
	}
	o.BeginArray("indicators")
	for i, name := range indicators {
		if t.indicators&(1<<(15-i)) != 0 {
			o.ItemStr(name)
		}
	}
	o.EndArray()
}

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.DNP3}
	return []protocol.Keyword{
		{
			Name: "dnp3_ind", Aliases: []string{"dnp3.ind"}, Dirs: protocol.ToClientOnly, On: on, Stage: protocol.StageDone,
			Doc:     "internal indicators of a response, any of which must be set",
			Compile: compileIndicators,
		},
		{
			Name: "dnp3_obj", Aliases: []string{"dnp3.obj"}, Dirs: protocol.BothWays, On: on, Stage: protocol.StageDone,
			Doc:     "group,variation of an object",
			Compile: compileObject,
		},
	}
}

func compileIndicators(arg string) (protocol.Test, error) {
	var mask uint16
	for _, part := range strings.Split(arg, ",") {
		name, bit := strings.ToLower(strings.TrimSpace(part)), -1
		for i, known := range indicators {
			if name == known {
				bit = 15 - i
			}
		}
		if n, err := strconv.ParseUint(name, 0, 16); err == nil {
			mask |= uint16(n)
			continue
		}
		if bit < 0 {
			return nil, fmt.Errorf("%q is not an internal indicator such as device_restart", name)
		}
		mask |= 1 << bit
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		v, ok := tx.Uint(protocol.DNP3Indicators, d, 0)
		return ok && uint16(v)&mask != 0
	}, nil
}

func compileObject(arg string) (protocol.Test, error) {
	group, variation, ok := strings.Cut(arg, ",")
	a, err := strconv.ParseUint(strings.TrimSpace(group), 10, 8)
	b, err2 := strconv.ParseUint(strings.TrimSpace(variation), 10, 8)
	if !ok || err != nil || err2 != nil {
		return nil, fmt.Errorf("%q is not group,variation with numbers up to 255", arg)
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		if !ok || d != t.Dir {
			return false
		}
		for i := range t.objects {
			if t.objects[i].group == uint8(a) && t.objects[i].variation == uint8(b) {
				return true
			}
		}
		return false
	}, nil
}
