package rule

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// benchTx is a request without allocation: one value each field.
type benchTx struct {
	fakeTx
	bytes [1024][]byte
}

func (t *benchTx) Bytes(f protocol.Field, _ packet.Direction, i int) ([]byte, bool) {
	v := t.bytes[f]
	return v, v != nil && i == 0
}

// BenchmarkRequest inspects one ordinary HTTP request with all open rules.
func BenchmarkRequest(b *testing.B) {
	sources, o := openRules(b)
	o.Specs = testSpecs()
	set, _, err := Compile(sources, o)
	if err != nil {
		b.Fatal(err)
	}
	in := NewInspector(set, InspectorConfig{})
	p := packet.Packet{IPVersion: 4, Proto: 6, Has: packet.HasIPv4 | packet.HasTCP, Src: address("192.168.1.2"), Dst: address("93.184.216.34"), SrcPort: 50000, DstPort: 80}
	f := flow.Flow{ID: 1, Proto: 6, TCPState: flow.TCPEstablished, App: protocol.HTTP1, AppDir: [2]protocol.ID{protocol.HTTP1, protocol.HTTP1}}
	headers := "Host: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n"
	raw := []byte("GET /static/js/app.bundle.js?v=1.2.3 HTTP/1.1\r\n" + headers)
	tx := &benchTx{}
	for k, v := range map[string]string{
		"http.uri": "/static/js/app.bundle.js?v=1.2.3", "http.uri.raw": "/static/js/app.bundle.js?v=1.2.3", "http.method": "GET", "http.host": "www.example.com",
		"http.user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0", "http.header": headers, "http.cookie": "session=0123456789abcdef",
		"http.protocol": "HTTP/1.1", "http.header_names": "\r\nHost\r\nUser-Agent\r\nAccept\r\n\r\n", "http.request_line": strings.SplitN(string(raw), "\r\n", 2)[0],
		"http.accept": "text/html,application/xhtml+xml", "http.start": string(raw),
	} {
		for _, s := range protocol.Fields() {
			if s.Keyword == k {
				tx.bytes[s.Field] = []byte(v)
			}
		}
	}
	c := &Context{Packet: &p, Flow: &f, App: protocol.HTTP1, Txs: []protocol.Tx{tx}, Raw: raw, Now: 1e18}
	c.Outcome.InStream = true
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		tx.ins.Reset(0)
		tx.stage[0] = protocol.StageDone
		in.Inspect(c)
	}
}
