package dnp3

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// frame wraps a transport segment.
func frame(control byte, segment string) []byte {
	b := []byte{5, 0x64, byte(minLength + len(segment)), control, 2, 0, 3, 0}
	b = binary.LittleEndian.AppendUint16(b, crc(b))
	for len(segment) > 0 {
		n := min(blockLen, len(segment))
		b = append(b, segment[:n]...)
		b = binary.LittleEndian.AppendUint16(b, crc(b[len(b)-n:]))
		segment = segment[n:]
	}
	return b
}

const (
	read     = "\xc8\x01\x3c\x02\x06\x3c\x01\x06"
	response = "\xc8\x81\x80\x01\x01\x02\x00\x00\x02\x81\x01\x81\x1e\x02\x17\x01\x05\x01\x00\x00"
)

func TestFragments(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, b := range frame(0xc4, "\xc0"+read) {
		f.Send(up, []byte{b})
	}
	f.Send(down, append(frame(0x44, "\x41"+response[:9]), frame(0x44, "\x82"+response[9:])...))
	if f.Number(0, protocol.DNP3Function, up, 0) != 1 || f.Text(0, protocol.DNP3Data, up, 0) != read || f.Text(1, protocol.DNP3Data, down, 0) != response {
		t.Error("fields")
	}
	if e := f.Tx(1).Inspection().Events; !e.Empty() {
		t.Error("events", e)
	}
	want := `{"type":"response","control":{"dir":false,"pri":true,"fcb":false,"fcv":false,"function_code":4},"src":3,"dst":2,"application":{"control":{"fir":true,"fin":true,"con":false,"uns":false,"sequence":8},"function_code":129,"objects":[{"group":1,"variation":2,"qualifier":0,"prefix_code":0,"range_code":0,"start":0,"stop":2,"count":3},{"group":30,"variation":2,"qualifier":23,"prefix_code":1,"range_code":7,"start":0,"stop":0,"count":1}],"complete":true},"iin":{"indicators":["device_restart","no_func_code_support"]}}`
	if got := f.Eve(1, down); got != want {
		t.Error(got)
	}
	for i, c := range []struct {
		n    int
		d    packet.Direction
		arg  string
		want bool
	}{{1, down, "device_restart", true}, {1, down, "need_time,no_func_code_support", true}, {1, down, "need_time", false}, {0, up, "device_restart", false}} {
		test, err := compileIndicators(c.arg)
		if err != nil || test(f.Tx(c.n), c.d) != c.want {
			t.Error(i, err)
		}
	}
	test, err := compileObject("30,2")
	if err != nil || !test(f.Tx(1), down) || test(f.Tx(0), up) {
		t.Error("object", err)
	}
}

func TestEvents(t *testing.T) {
	broken := frame(0xc4, "\xc0"+read)
	broken[9] ^= 1
	broken2 := frame(0xc4, "\xc0"+read)
	broken2[12] ^= 1
	for _, c := range []struct {
		data  []byte
		event uint8
	}{
		{broken, eventBadLinkCRC}, {broken2, eventBadTransportCRC}, {[]byte("\x05\x64\x04\xc4\x02\x00\x03\x00\x00\x00"), eventLenTooSmall},
		{frame(0xc4, "\xc0\xc8"), eventLenTooSmall}, {frame(0xc4, "\xc0\xc8\x02\xfa\x01\x00\x00\x00\x01"), eventUnknownObject},
	} {
		f := parsetest.Open(t, Spec(), nil)
		f.Send(up, c.data)
		if !f.Tx(0).Inspection().Events.Has(c.event) {
			t.Errorf("%x: %v", c.data, f.Tx(0).Inspection().Events)
		}
	}
}

func TestProbe(t *testing.T) {
	whole := string(frame(0xc4, "\xc0"+read))
	for data, want := range map[string]protocol.Verdict{whole: protocol.Yes, whole[:4]: protocol.More, "\x05": protocol.More, strings.Repeat("\x05", 20): protocol.No} {
		if got := Spec().Probe(up, []byte(data), 1, 20000); got != want {
			t.Errorf("%x: %v", data, got)
		}
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: frame(0xc4, "\xc0"+read)}, parsetest.Step{Dir: down, Data: frame(0x44, "\xc1"+response)})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xf0}, frame(0xc4, "\xc0"+read)...), false)
	f.Add(append([]byte{0xf1}, frame(0x44, "\xc1"+response)...), true)
	parsetest.Fuzz(f, Spec(), nil)
}
