package dcerpc

import (
	"encoding/binary"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// service is 367abb81-9844-35f1-ad32-98f038001003 as little-endian bytes.
var service = []byte{0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03}

// unit makes a little-endian unit.
func unit(t Type, flags byte, call uint32, body []byte) []byte {
	b := []byte{5, 0, byte(t), flags, 0x10, 0, 0, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(HeaderSize+len(body)))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, call)
	return append(b, body...)
}

func bind(version byte) []byte {
	b := []byte{0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0}
	b = append(b, service...)
	b = append(b, version, 0, 0, 0)
	return unit(Bind, 3, 1, append(b, make([]byte, 20)...))
}

func bindAck(result byte) []byte {
	b := []byte{0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 4, 0, '1', '3', '5', 0, 0, 0, 1, 0, 0, 0, result, 0, 0, 0}
	return unit(BindAck, 3, 1, append(b, make([]byte, 20)...))
}

func request(flags byte, stub string) []byte {
	return unit(Request, flags, 2, append([]byte{4, 0, 0, 0, 7, 0, 15, 0}, stub...))
}

func response(stub string) []byte {
	return unit(Response, 3, 2, append([]byte{4, 0, 0, 0, 7, 0, 0, 0}, stub...))
}

func session() []parsetest.Step {
	return []parsetest.Step{{Dir: up, Data: bind(2)}, {Dir: down, Data: bindAck(0)}, {Dir: up, Data: append(request(1, "abc"), request(2, "def")...)}, {Dir: down, Data: response("result")}}
}

// matches compiles and asks a keyword.
func matches(t *testing.T, name, arg string, tx protocol.Tx) bool {
	t.Helper()
	for _, k := range keywords() {
		if k.Name == name {
			test, err := k.Compile(arg)
			if err != nil {
				t.Fatal(err)
			}
			return test(tx, up)
		}
	}
	t.Fatal("no keyword " + name)
	return false
}

func TestCallInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 5, 17, 1000} {
		f := parsetest.Open(t, Spec(), nil)
		for _, s := range session() {
			for data := s.Data; len(data) > 0; {
				k := min(n, len(data))
				if st := f.Send(s.Dir, data[:k]); st.Code != protocol.StatusOK {
					t.Fatalf("status %v", st)
				}
				data = data[k:]
			}
		}
		if got := f.Text(1, protocol.DCERPCStubData, up, 0); got != "abcdef" {
			t.Errorf("pieces of %d: stub %q", n, got)
		}
		if got, want := f.Eve(0, up), `{"request":"BIND","interfaces":[{"uuid":"367abb81-9844-35f1-ad32-98f038001003","version":"2.0","ack_result":0}],"response":"BINDACK","call_id":1,"rpc_version":"5.0"}`; got != want {
			t.Errorf("record %s", got)
		}
		if got, want := f.Eve(1, up), `{"request":"REQUEST","req":{"opnum":15,"frag_cnt":2,"stub_data_size":6},"response":"RESPONSE","res":{"frag_cnt":1,"stub_data_size":14},"call_id":2,"rpc_version":"5.0"}`; got != want {
			t.Errorf("record %s", got)
		}
		const uuid = "367abb81-9844-35f1-ad32-98f038001003"
		for arg, want := range map[string]bool{uuid: true, uuid + ",=2": true, uuid + ",>2": false, uuid + ",<3,any_frag": true, uuid + ",!2": false, "367abb81-9844-35f1-ad32-98f038001004": false} {
			if got := matches(t, "dcerpc.iface", arg, f.Tx(1)); got != want {
				t.Errorf("dcerpc.iface:%s is %v", arg, got)
			}
		}
		for arg, want := range map[string]bool{"15": true, "1,2": false, "3,10-16": true, "16-20": false} {
			if got := matches(t, "dcerpc.opnum", arg, f.Tx(1)); got != want {
				t.Errorf("dcerpc.opnum:%s is %v", arg, got)
			}
		}
		if matches(t, "dcerpc.iface", uuid, f.Tx(0)) {
			t.Error("the bind is taken for a call")
		}
	}
}

func TestRejectedInterface(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, bind(2))
	f.Send(down, bindAck(2))
	f.Send(up, request(3, "x"))
	if matches(t, "dcerpc.iface", "367abb81-9844-35f1-ad32-98f038001003", f.Tx(1)) {
		t.Error("a rejected interface matches")
	}
}

// datagram makes a connectionless unit.
func datagram(t Type, stub string) []byte {
	b := make([]byte, udpHeaderSize)
	b[0], b[1], b[4] = 4, byte(t), 0x10
	copy(b[24:], service)
	b[40], b[60], b[64], b[68] = 9, 2, 5, 15
	binary.LittleEndian.PutUint16(b[74:], uint16(len(stub)))
	return append(b, stub...)
}

func TestDatagrams(t *testing.T) {
	f := parsetest.Open(t, UDPSpec(), nil)
	f.Send(up, datagram(Request, "ask"))
	f.Send(down, datagram(Response, "answer"))
	if up, down := f.Text(0, protocol.DCERPCStubData, up, 0), f.Text(0, protocol.DCERPCStubData, down, 0); up != "ask" || down != "answer" || len(f.Parser.Txs()) != 1 {
		t.Errorf("stubs %q, %q", up, down)
	}
	if !matches(t, "dcerpc.iface", "367abb81-9844-35f1-ad32-98f038001003,=2", f.Tx(0)) || !matches(t, "dcerpc.opnum", "15", f.Tx(0)) {
		t.Error("keywords do not match")
	}
}

func TestBadArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"dcerpc.iface": {"", "x", "367abb81-9844-35f1-ad32-98f03800100", "367abb81-9844-35f1-ad32-98f038001003,1", "367abb81-9844-35f1-ad32-98f038001003,any_frag,=1", "367abb81+9844-35f1-ad32-98f038001003", "367abb81-9844-35f1-ad32-98f038001003,=99999"},
		"dcerpc.opnum": {"", "x", "65536", "5-2", "1,", "1-2-3"},
	} {
		for _, k := range keywords() {
			for _, arg := range args {
				if k.Name != name {
					continue
				}
				if _, err := k.Compile(arg); err == nil {
					t.Errorf("%s takes %q", name, arg)
				}
			}
		}
	}
}

func TestProbe(t *testing.T) {
	if probeTCP(up, bind(1), 0, 0) != protocol.Yes || probeTCP(up, bind(1)[:5], 0, 0) != protocol.More || probeTCP(up, []byte("GET / HTTP/1.1\r\n"), 0, 0) != protocol.No {
		t.Error("TCP")
	}
	if probeUDP(up, datagram(Request, "x"), 0, 0) != protocol.Yes || probeUDP(up, make([]byte, 100), 0, 0) != protocol.No {
		t.Error("UDP")
	}
}

func TestSteady(t *testing.T) { parsetest.Steady(t, Spec(), false, session()...) }

func FuzzParse(f *testing.F) {
	for _, s := range session() {
		f.Add(append([]byte{200}, s.Data...), false)
	}
	parsetest.Fuzz(f, Spec(), nil)
}

func FuzzParseUDP(f *testing.F) {
	f.Add(append([]byte{200}, datagram(Request, "x")...), true)
	parsetest.Fuzz(f, UDPSpec(), nil)
}
