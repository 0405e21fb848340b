package rule

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// fakeTx is a transaction made of values by keyword.
type fakeTx struct {
	stage  [2]protocol.Stage
	values map[protocol.Field][]string
	uints  map[protocol.Field][]uint64
	body   map[protocol.Field]protocol.Window
	files  []*protocol.File
	ins    protocol.Inspection
}

func (t *fakeTx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

func (t *fakeTx) Bytes(f protocol.Field, _ packet.Direction, i int) ([]byte, bool) {
	if v := t.values[f]; i < len(v) {
		return []byte(v[i]), true
	}
	return nil, false
}

func (t *fakeTx) Uint(f protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	if v := t.uints[f]; i < len(v) {
		return v[i], true
	}
	return 0, false
}

func (t *fakeTx) Window(f protocol.Field, _ packet.Direction, i int) (protocol.Window, bool) {
	w, ok := t.body[f]
	return w, ok && i == 0
}

func (t *fakeTx) Files(packet.Direction) []*protocol.File { return t.files }
func (t *fakeTx) Inspection() *protocol.Inspection        { return &t.ins }

func address(s string) packet.Addr { return netip.MustParseAddr(s).As16() }

// world is one flow with an Inspector.
type world struct {
	t   *testing.T
	in  *Inspector
	f   flow.Flow
	p   packet.Packet
	now int64
}

func newWorld(t *testing.T, rules string) *world {
	t.Helper()
	o := stockOptions()
	o.Specs = testSpecs()
	o.Load = func(string) ([]byte, error) { return []byte("0cc175b9c0f1b6a831c399e269772661\n"), nil }
	set, refusals, err := Compile([]Source{{"test.rules", []byte(rules)}}, o)
	if err != nil || len(refusals) > 0 {
		t.Fatalf("refused %+v %v", refusals, err)
	}
	w := &world{t: t, in: NewInspector(set, InspectorConfig{}), now: 1e18}
	w.f = flow.Flow{ID: 1, Client: address("192.168.0.1"), Server: address("8.8.8.8"), ClientPort: 1234, ServerPort: 80,
		Proto: 6, IPVersion: 4, TCPState: flow.TCPEstablished, State: flow.StateEstablished, Packets: [2]uint64{2, 1}}
	w.p = packet.Packet{IPVersion: 4, Proto: 6, Has: packet.HasIPv4 | packet.HasTCP, TTL: 64, TCPFlags: packet.ACK | packet.PSH}
	return w
}

// sids inspects and gives the numbers of the rules that fired.
func (w *world) sids(c *Context) []uint32 {
	w.now += 1e6
	c.Outcome.Established = true
	c.Packet, c.Flow, c.Now, c.App = &w.p, &w.f, w.now, w.f.App
	w.p.Src, w.p.Dst, w.p.SrcPort, w.p.DstPort = w.f.Client, w.f.Server, w.f.ClientPort, w.f.ServerPort
	if c.Dir == packet.ToClient {
		w.p.Src, w.p.Dst, w.p.SrcPort, w.p.DstPort = w.f.Server, w.f.Client, w.f.ServerPort, w.f.ClientPort
	}
	var out []uint32
	for _, a := range w.in.Inspect(c).Alerts {
		if !a.Quiet {
			out = append(out, a.Rule.SID)
		}
	}
	return out
}

func (w *world) want(c *Context, sids ...uint32) {
	w.t.Helper()
	if got := w.sids(c); !slices.Equal(got, sids) {
		w.t.Errorf("rules %v fired, want %v", got, sids)
	}
}

func TestPacketRules(t *testing.T) {
	w := newWorld(t, `
alert tcp any any -> any 80 (content:"abc"; sid:1;)
alert tcp-pkt any any -> any 80 (content:"ABC"; nocase; sid:2;)
alert tcp any any -> any 81 (content:"abc"; sid:3;)
alert tcp $HOME_NET any -> $EXTERNAL_NET any (flow:established,to_server; content:"abc"; depth:3; sid:4;)
alert tcp any any -> any any (flow:to_client; content:"abc"; sid:5;)
alert udp any any -> any any (content:"abc"; sid:6;)
alert tcp any any -> any any (ttl:64; flags:PA; dsize:>2; sid:7;)
alert tcp-stream any any -> any any (content:"abc"; sid:8;)
alert ip any any -> 8.8.8.8 any (sid:9;)
alert tcp !10.0.0.0/8 any -> any any (sid:14;)
alert tcp any any <> any 1234 (content:"abc"; sid:10;)
alert tcp any any -> any any (tcp.hdr; content:"|01|"; sid:11;)
pass tcp any any -> any any (content:"letmein"; sid:12;)
alert tcp-pkt any any -> any any (content:"letmein"; sid:13;)
`)
	w.p.L4, w.p.L4Header = []byte{0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, 20
	w.p.Payload = []byte("abcdef")
	w.want(&Context{}, 1, 2, 4, 7, 8, 9, 14, 10, 11)
	w.want(&Context{Outcome: flow.Outcome{InStream: true}}, 2, 4, 7, 14, 11)
	w.want(&Context{Outcome: flow.Outcome{InStream: true}, Raw: []byte("xxabc"), RawFresh: 1}, 1, 2, 4, 7, 8, 14, 10, 11)
	w.p.Payload = []byte("letmein")
	w.want(&Context{}, nil...)
	w.p.Payload = nil
	w.want(&Context{Dir: packet.ToClient, Raw: []byte("..abc"), RawFresh: 0}, 5, 8, 14, 10, 11)
}

func field(t *testing.T, keyword string) protocol.Field {
	for _, f := range protocol.Fields() {
		if f.Keyword == keyword {
			return f.Field
		}
	}
	t.Fatalf("no field %q", keyword)
	return 0
}

func TestTransactionRules(t *testing.T) {
	w := newWorld(t, `
alert http any any -> any any (http.uri; content:"/index"; startswith; sid:1;)
alert http any any -> any any (http.uri; content:"/index"; http.method; content:"POST"; sid:2;)
alert http any any -> any any (content:"GET"; http_method; content:"INDEX"; http_uri; nocase; sid:3;)
alert http any any -> any any (http.uri; content:"/index"; http.request_body; content:"evil"; sid:4;)
alert http any any -> any any (http.uri; to_uppercase; content:"/INDEX"; bsize:11; sid:5;)
alert http any any -> any any (urilen:11; sid:6;)
alert http any any -> any any (flow:to_server; http.referer; absent; sid:7;)
alert tcp any any -> any any (http.uri; content:"html"; endswith; pcre:"/index\.h/R"; sid:8;)
alert tcp any any -> any any (http.uri; content:"index"; pcre:"/^\.html/R"; sid:9;)
alert http2 any any -> any any (http.uri; content:"/index"; sid:10;)
alert http any any -> any any (flowbits:isset,a; http.uri; content:"html"; sid:11;)
alert http any any -> any any (flowbits:set,a; http.uri; content:"ind"; noalert; sid:12;)
alert http1:request_complete any any -> any any (sid:13;)
`)
	w.f.App = protocol.HTTP1
	tx := &fakeTx{values: map[protocol.Field][]string{field(t, "http.uri"): {"/index.html"}, field(t, "http.method"): {"GET"}}}
	tx.stage[packet.ToServer] = protocol.StageLine
	txs := []protocol.Tx{tx}
	w.want(&Context{Txs: txs}, 11, 1, 3, 5, 6, 9)
	tx.stage[packet.ToServer] = protocol.StageBody
	w.want(&Context{Txs: txs}, 7)
	body := field(t, "http.request_body")
	tx.body = map[protocol.Field]protocol.Window{body: {Data: []byte("an ev")}}
	w.want(&Context{Txs: txs}, nil...)
	tx.body[body] = protocol.Window{Data: []byte("an evil")}
	w.want(&Context{Txs: txs}, 4)
	tx.stage[packet.ToServer] = protocol.StageDone
	w.want(&Context{Txs: txs}, 13)
	w.want(&Context{Txs: txs}, nil...)
}

func TestFileRules(t *testing.T) {
	w := newWorld(t, `
alert http any any -> any any (file.data; content:"MZ"; startswith; sid:1;)
alert http any any -> any any (filename:"EVIL"; fileext:"exe"; sid:2;)
alert http any any -> any any (filemd5:list; sid:3;)
alert http any any -> any any (filesize:>3; sid:4;)
alert http any any -> any any (filemagic:"dos"; filestore; sid:5;)
alert http any any -> any any (flow:to_client; filestore; sid:6;)
`)
	w.f.App = protocol.HTTP1
	f := &protocol.File{Name: []byte("evil.exe"), Data: protocol.Window{Data: []byte("MZ..")}, Size: 4}
	tx := &fakeTx{files: []*protocol.File{f}, stage: [2]protocol.Stage{protocol.StageDone, protocol.StageBody}}
	w.want(&Context{Dir: packet.ToClient, Txs: []protocol.Tx{tx}}, 1, 2, 4, 5, 6)
	if !f.Stored {
		t.Error("the file is not marked to be stored")
	}
	f.State, f.HasMD5 = protocol.FileClosed, true
	f.MD5 = [16]byte{0x0c, 0xc1, 0x75, 0xb9, 0xc0, 0xf1, 0xb6, 0xa8, 0x31, 0xc3, 0x99, 0xe2, 0x69, 0x77, 0x26, 0x61}
	tx.stage[packet.ToClient] = protocol.StageDone
	w.want(&Context{Dir: packet.ToClient, Txs: []protocol.Tx{tx}}, 3)
}

func TestLimitsAndMarks(t *testing.T) {
	w := newWorld(t, `
alert tcp any any -> any any (content:"a"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)
alert tcp any any -> any any (content:"a"; detection_filter:track by_src, count 2, seconds 60; sid:2;)
alert tcp any any -> any any (content:"a"; flowint:n,+,1; flowint:n,==,3; sid:3;)
alert tcp any any -> any any (content:"a"; xbits:isset,x,track ip_src; sid:4;)
alert tcp any any -> any any (content:"b"; xbits:set,x,track ip_src,expire 10; noalert; sid:5;)
alert tcp any any -> any any (content:"a"; hostbits:isnotset,h,src; hostbits:set,h; sid:6;)
`)
	w.p.Payload = []byte("a")
	w.want(&Context{}, 6, 1)
	w.p.Payload = []byte("ab")
	w.want(&Context{}, 4)
	w.p.Payload = []byte("a")
	w.want(&Context{}, 3, 4, 2)
	w.now += 11e9
	w.want(&Context{}, 2)
}

func TestNoAllocation(t *testing.T) {
	w := newWorld(t, `
alert tcp any any -> any 80 (content:"abc"; sid:1;)
alert http any any -> any any (http.uri; content:"/index"; to_lowercase; content:"html"; pcre:"/x+y/"; sid:2;)
alert http any any -> any any (http.method; content:"GET"; flowbits:set,a; sid:3;)
alert tcp any any -> any any (flags:S; threshold:type limit,track by_src,count 1,seconds 1; sid:4;)
`)
	w.f.App = protocol.HTTP1
	w.p.Payload = []byte("abcdefghi")
	tx := &fakeTx{values: map[protocol.Field][]string{}}
	values := [][]byte{[]byte("/index.html"), []byte("GET")}
	_ = values
	txs := []protocol.Tx{tx}
	c := &Context{Packet: &w.p, Flow: &w.f, Now: w.now, App: protocol.HTTP1, Txs: txs}
	run := func() {
		tx.ins.Reset(0)
		tx.stage[0] = protocol.StageDone
		w.in.Inspect(c)
	}
	for range 10 {
		run()
	}
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`alert tcp $HOME_NET any -> [1.2.3.4,!$EXTERNAL_NET] [80,!81:90] (msg:"a"; content:"|41|b"; within:3; pcre:"/a(b)/Ri"; byte_test:2,>,1,0,relative; sid:1;)`)
	f.Add(`alert http any any -> any any (http.uri; to_md5; content:"a"; fast_pattern:0,1; bsize:3<>9; flowint:a,+,b; xbits:set,a,track ip_pair,expire 3; sid:2;)`)
	f.Add(`drop dns any any => any any (dns.query; dataset:isset,a,type string,load b; threshold:type both,track by_src,count 1,seconds 2; sid:3;)`)
	o := stockOptions()
	o.Specs = testSpecs()
	o.Load = func(string) ([]byte, error) { return []byte("YQ==\n"), nil }
	f.Fuzz(func(t *testing.T, text string) {
		set, refusals, err := Compile([]Source{{"fuzz", []byte(text)}}, o)
		if err != nil {
			return
		}
		for _, r := range refusals {
			if r.Line < 1 || r.Column < 1 || r.Problem == "" {
				t.Errorf("%+v", r)
			}
		}
		in := NewInspector(set, InspectorConfig{})
		p := packet.Packet{IPVersion: 4, Proto: 6, Has: packet.HasTCP, Payload: []byte("ab ABC 123")}
		fl := flow.Flow{Proto: 6, TCPState: flow.TCPEstablished, App: protocol.HTTP1}
		tx := &fakeTx{stage: [2]protocol.Stage{255, 255}, values: map[protocol.Field][]string{protocol.HTTPURI: {"/a"}}}
		in.Inspect(&Context{Packet: &p, Flow: &fl, App: protocol.HTTP1, Txs: []protocol.Tx{tx}, Now: 1})
	})
}
