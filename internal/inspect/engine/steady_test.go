package engine_test

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// ordinary are rules of the kinds that large sets are made of.
const ordinary = `
alert http $EXTERNAL_NET any -> $HOME_NET any (msg:"uri"; flow:established,to_server; http.uri; content:"/shell.php"; nocase; sid:1;)
alert http any any -> any any (msg:"agent"; flow:established,to_server; http.user_agent; content:"BotKit/"; startswith; http.method; content:"POST"; sid:2;)
alert http any any -> any any (msg:"body"; flow:established,to_client; file.data; content:"eval(unescape("; pcre:"/eval\x28unescape\x28[^)]{40}/"; sid:3;)
alert dns any any -> any any (msg:"name"; dns.query; content:".evil.example"; endswith; nocase; sid:4;)
alert mqtt any any -> any any (msg:"topic"; mqtt.publish.topic; content:"firmware/"; startswith; sid:5;)
alert tcp any any -> any 23 (msg:"raw"; flow:established,to_server; content:"|00|wget http"; sid:6;)
alert udp any any -> any any (msg:"udp"; content:"|de ad be ef|"; depth:8; byte_test:2,>,5,4,relative; sid:7;)
alert tcp any any -> any any (msg:"bits"; flow:established; content:"LOGIN root"; flowbits:set,root; noalert; sid:8;)
alert tcp any any -> any any (msg:"odd"; flags:SF; sid:9;)
alert http any any -> any any (msg:"often"; http.uri; content:"/a.html"; threshold:type limit, track by_src, count 1, seconds 3600; sid:10;)
`

// query asks for example.com; answer gives one address.
var (
	query  = []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	answer = []byte("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x5d\xb8\xd8\x22")
	get    = []byte("GET /a.html?b=c HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test/1.0\r\nAccept: */*\r\n\r\n")
	page   = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html><p>hello</p></html>\r\n")
)

// steady fails when step, once warm, allocates.
func steady(t *testing.T, step func()) {
	t.Helper()
	for range 400 {
		step()
	}
	if n := testing.AllocsPerRun(400, step); n != 0 && !parsetest.Race {
		t.Errorf("%v allocations a run, want 0", n)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	t.Run("tcp", func(t *testing.T) {
		s := begin(open(t, ordinary, nil, engine.Settings{"stream.reassembly.depth": "0"}), 40000, 9999)
		data := []byte("\x01\x02 some bytes of a protocol nobody knows, again and again \xff\xfe")
		steady(t, func() { s.say(packet.ToServer, data); s.say(packet.ToClient, data) })
	})
	t.Run("udp", func(t *testing.T) {
		e := open(t, ordinary, nil, nil)
		up, down := udp(1, 2, 4000, 4001, []byte("\x99\x98 a datagram")), udp(2, 1, 4001, 4000, []byte("\x99\x98 another"))
		now := int64(1e18)
		steady(t, func() { now += 1e6; e.Frame(rawIP, up, now, 1); e.Frame(rawIP, down, now, 2) })
	})
	t.Run("http", func(t *testing.T) {
		s := begin(open(t, ordinary, nil, engine.Settings{"stream.reassembly.depth": "0"}), 40000, 80)
		steady(t, func() { s.say(packet.ToServer, get); s.say(packet.ToClient, page) })
	})
	t.Run("dns", func(t *testing.T) {
		e := open(t, ordinary, nil, nil)
		up, down := udp(1, 2, 4000, 53, query), udp(2, 1, 53, 4000, answer)
		now := int64(1e18)
		steady(t, func() { now += 1e6; e.Frame(rawIP, up, now, 1); e.Frame(rawIP, down, now, 2) })
	})
	t.Run("mqtt", func(t *testing.T) {
		s := begin(open(t, ordinary, nil, engine.Settings{"stream.reassembly.depth": "0"}), 40000, 1883)
		s.say(packet.ToServer, []byte("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"))
		s.say(packet.ToClient, []byte("\x20\x02\x00\x00"))
		steady(t, func() { s.say(packet.ToServer, []byte("\x30\x0d\x00\x06sensor21.5 C")) })
	})
	t.Run("flows", func(t *testing.T) {
		e := open(t, ordinary, nil, nil)
		now, port := int64(1e18), uint16(1024)
		steady(t, func() {
			port++
			now += 60e9
			e.Frame(rawIP, shortLived(port), now, 1)
		})
	})
}

// shortLived is a DNS query from a port, in memory that is used again.
func shortLived(port uint16) []byte {
	b := reusable[:]
	b[20], b[21] = byte(port>>8), byte(port)
	return b
}

var reusable = udp(1, 2, 0, 53, query)

func BenchmarkFrameHTTP(b *testing.B) {
	s := begin(open(b, ordinary, nil, engine.Settings{"stream.reassembly.depth": "0"}), 40000, 80)
	b.SetBytes(int64(len(get) + len(page) + 160))
	b.ReportAllocs()
	for b.Loop() {
		s.say(packet.ToServer, get)
		s.say(packet.ToClient, page)
	}
}

// FuzzFrame inspects sequences of frames: each begins with its length in one
// byte and goes as raw IP.
func FuzzFrame(f *testing.F) {
	pack := func(frames ...[]byte) (out []byte) {
		for _, b := range frames {
			out = append(append(out, byte(len(b))), b...)
		}
		return out
	}
	f.Add(pack(udp(1, 2, 4000, 53, query), udp(2, 1, 53, 4000, answer)))
	f.Add(pack(ip(4, 1, 2, udp(3, 4, 5, 6, []byte("tunnel")))))
	f.Add(pack(ip(6, 1, 2, append([]byte("\x10\x00\x00\x50\x00\x00\x00\x01\x00\x00\x00\x01\x50\x18\xff\xff\x00\x00\x00\x00"), get...))))
	set := compile(f, ordinary)
	f.Fuzz(func(t *testing.T, data []byte) {
		e := start(t, set, &found{}, engine.Settings{"stream.midstream": "true"})
		now := int64(1e18)
		for n := uint64(1); len(data) > 0 && n < 64; n++ {
			size := min(int(data[0]), len(data)-1)
			e.Frame(rawIP, data[1:1+size:1+size], now, n)
			data, now = data[1+size:], now+1e9
		}
		e.Close()
	})
}
