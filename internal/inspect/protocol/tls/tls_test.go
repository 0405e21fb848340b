package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// settings is a protocol.Settings for tests.
type settings map[string]string

func (s settings) Lookup(name string) (string, bool) { v, ok := s[name]; return v, ok }

// piece is what one side wrote at once.
type piece struct {
	d    packet.Direction
	data []byte
}

// tap records what passes through a connection.
type tap struct {
	net.Conn
	d   packet.Direction
	mu  *sync.Mutex
	log *[]piece
}

func (t tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	*t.log = append(*t.log, piece{t.d, bytes.Clone(b)})
	t.mu.Unlock()
	return t.Conn.Write(b)
}

func makeCert(t *testing.T) stdtls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(0xab12cd), Subject: pkix.Name{Country: []string{"JP"}, Organization: []string{"Example"}, CommonName: "cam.example"},
		NotBefore: time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC), NotAfter: time.Date(2051, 12, 31, 23, 59, 59, 0, time.UTC),
		DNSNames: []string{"cam.example", "*.cam.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return stdtls.Certificate{Certificate: [][]byte{der, der}, PrivateKey: key}
}

// handshake records a session of Go's own TLS.
func handshake(t *testing.T, version uint16, clientCert bool) []piece {
	t.Helper()
	cert := makeCert(t)
	var log []piece
	var mu sync.Mutex
	a, b := net.Pipe()
	sc := &stdtls.Config{Certificates: []stdtls.Certificate{cert}, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}}
	cc := &stdtls.Config{ServerName: "cam.example", InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "x"}}
	if clientCert {
		sc.ClientAuth = stdtls.RequireAnyClientCert
		cc.Certificates = sc.Certificates
	}
	done := make(chan error, 1)
	go func() {
		s := stdtls.Server(tap{b, packet.ToClient, &mu, &log}, sc)
		buf := make([]byte, 5)
		_, err := s.Read(buf)
		if err == nil {
			_, err = s.Write([]byte("world"))
		}
		done <- err
	}()
	c := stdtls.Client(tap{a, packet.ToServer, &mu, &log}, cc)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return log
}

func newTestParser(t testing.TB, s settings) *parser {
	t.Helper()
	make, err := Spec().Open(s)
	if err != nil {
		t.Fatal(err)
	}
	return make().(*parser)
}

func feed(p *parser, log []piece, chunk int) protocol.Status {
	env := protocol.Env{Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()}
	var st protocol.Status
	for _, x := range log {
		for b := x.data; len(b) > 0; {
			n := min(chunk, len(b))
			if s := p.Parse(x.d, b[:n:n], &env); s.Code != protocol.StatusOK {
				st = s
			}
			b = b[n:]
		}
	}
	return st
}

func TestHandshakes(t *testing.T) {
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		log := handshake(t, version, true)
		for _, chunk := range []int{1, 3, 100, 1 << 20} {
			p := newTestParser(t, settings{"ja3-fingerprints": "yes", "ja4-fingerprints": "yes"})
			if st := feed(p, log, chunk); st.Code != protocol.StatusDone {
				t.Fatalf("%x, %d at once: status %v", version, chunk, st)
			}
			checkTx(t, p.Txs()[0].(*Tx), version)
		}
	}
}

func checkTx(t *testing.T, tx *Tx, version uint16) {
	t.Helper()
	want := map[protocol.Field]string{protocol.TLSSNI: "cam.example", protocol.TLSALPN: "h2"}
	if version == stdtls.VersionTLS12 {
		for _, d := range []packet.Direction{packet.ToServer, packet.ToClient} {
			for f, w := range map[protocol.Field]string{protocol.TLSCertSubject: "C=JP, O=Example, CN=cam.example", protocol.TLSCertSerial: "00:AB:12:CD", protocol.TLSSubjectAltName: "cam.example"} {
				if v, _ := tx.Bytes(f, d, 0); string(v) != w {
					t.Errorf("field %d %v: %q, want %q", f, d, v, w)
				}
			}
			if n, _ := tx.Uint(protocol.TLSCertChainLen, d, 0); n != 2 {
				t.Errorf("chain of %d", n)
			}
			if v, _ := tx.Bytes(protocol.TLSSubjectAltName, d, 2); string(v) != "192.0.2.1" {
				t.Errorf("third name %q", v)
			}
		}
	}
	for f, w := range want {
		if v, _ := tx.Bytes(f, packet.ToServer, 0); string(v) != w {
			t.Errorf("field %d: %q, want %q", f, v, w)
		}
	}
	if !tx.inspection.Events.Empty() {
		t.Errorf("events %x", tx.inspection.Events)
	}
	if tx.Stage(packet.ToServer) != protocol.StageDone || tx.Stage(packet.ToClient) != protocol.StageDone {
		t.Errorf("stages %v", tx.stage)
	}
	eve := string(tx.AppendEve(nil, packet.ToServer))
	for _, part := range []string{`"sni":"cam.example"`, `"ja3":{"hash":"`, `"ja4":"t`, `"client_alpns":["h2","x"]`} {
		if !strings.Contains(eve, part) {
			t.Errorf("record %s lacks %s", eve, part)
		}
	}
	if version == stdtls.VersionTLS12 && !strings.Contains(eve, `"notbefore":"2024-02-29T01:02:03","notafter":"2051-12-31T23:59:59"`) {
		t.Errorf("record %s lacks its times", eve)
	}
}

func TestKeywords(t *testing.T) {
	p := newTestParser(t, nil)
	feed(p, handshake(t, stdtls.VersionTLS12, false), 1000)
	tx := p.Txs()[0]
	hits := map[string]string{
		"tls.version": "1.2", "ssl_version": "sslv3,tls1.2", "ssl_state": "client_keyx|unknown", "tls.subject": "CN=cam", "tls.issuerdn": `!"CN=other"`,
		"tls_cert_notbefore": "2024-02-28<>2024-03", "tls_cert_notafter": ">2050-01", "tls_cert_valid": "", "tls.store": "",
	}
	misses := map[string]string{
		"tls.version": "1.3", "ssl_version": "!tls1.2", "ssl_state": "client_hello", "tls.subject": "CN=dam", "tls.fingerprint": "00:00",
		"tls_cert_notbefore": "2024-02-29", "tls_cert_notafter": "<2050", "tls_cert_expired": "",
	}
	for _, k := range keywords() {
		for args, want := range map[*map[string]string]bool{&hits: true, &misses: false} {
			arg, ok := (*args)[k.Name]
			if !ok {
				continue
			}
			test, err := k.Compile(arg)
			if err != nil {
				t.Fatalf("%s: %v", k.Name, err)
			}
			if got := test(tx, packet.ToClient); got != want {
				t.Errorf("%s:%s is %v", k.Name, arg, got)
			}
		}
	}
}

func TestHeartbleed(t *testing.T) {
	p := newTestParser(t, nil)
	feed(p, []piece{{packet.ToServer, []byte{24, 3, 2, 0, 3, 1, 0x40, 0}}}, 100)
	e := p.tx.inspection.Events
	if !e.Has(eventOverflowHeartbeat) {
		t.Errorf("events %x", e)
	}
}

func TestSSLv2Hello(t *testing.T) {
	hello := []byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x04\x00\x00\x05\x00\x00\x0a\x00\x00\x64\x00\x00\x62\x00\x00\x03\x00\x00\x060123456789abcdef")
	p := newTestParser(t, nil)
	if v := probe(packet.ToServer, hello, 0, 0); v != protocol.Yes {
		t.Errorf("probe says %v", v)
	}
	feed(p, []piece{{packet.ToServer, hello}}, 7)
	if !p.tx.inspection.Events.Empty() || p.tx.ends[0].version != 0x0301 || p.tx.stage[0] != protocol.StageLine {
		t.Errorf("events %x version %x stage %d", p.tx.inspection.Events, p.tx.ends[0].version, p.tx.stage[0])
	}
}

func TestNoAllocation(t *testing.T) {
	log := handshake(t, stdtls.VersionTLS12, false)
	p := newTestParser(t, nil)
	run := func() {
		p.Reset()
		feed(p, log, 1000)
		p.tx.Bytes(protocol.JA3Hash, packet.ToServer, 0)
		p.tx.Bytes(protocol.JA4Hash, packet.ToServer, 0)
	}
	run()
	if n := testing.AllocsPerRun(50, run); n > 0 {
		t.Errorf("%v allocations a handshake", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"), []byte("\x15\x03\x01\x00\x02\x02\x28"), byte(3))
	f.Add([]byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x04"), []byte("\x18\x03\x02\x00\x03\x01\x40\x00"), byte(1))
	f.Fuzz(func(t *testing.T, a, b []byte, chunk byte) {
		p := newTestParser(t, settings{"ja3-fingerprints": "yes", "ja4-fingerprints": "yes"})
		feed(p, []piece{{packet.ToServer, a}, {packet.ToClient, b}}, int(chunk)+1)
		probe(packet.ToServer, a, 0, 0)
		probe(packet.ToClient, b, 0, 0)
		for _, tx := range p.Txs() {
			tx.(*Tx).AppendEve(nil, packet.ToServer)
			for _, s := range protocol.Fields() {
				tx.Bytes(s.Field, packet.ToServer, 0)
				tx.Bytes(s.Field, packet.ToClient, 1)
			}
		}
	})
}

func FuzzCertificate(f *testing.F) {
	f.Add([]byte("\x30\x10\x30\x0e\xa0\x03\x02\x01\x02\x02\x01\x05\x30\x00\x30\x00\x30\x00"))
	f.Fuzz(func(t *testing.T, der []byte) {
		var c certificate
		c.read(der)
		appendTime(appendTime(nil, c.before), c.after)
	})
}
