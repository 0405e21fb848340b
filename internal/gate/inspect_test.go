package gate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

const testRules = `alert http any any -> any any (msg:"looks for secrets"; http.uri; content:"/secret"; sid:1; rev:1; priority:2;)
drop http any any -> any any (msg:"exploit of a camera"; http.uri; content:"/cgi-bin/exploit"; sid:2; rev:3; priority:1;)
reject http any any -> any any (msg:"forbidden"; http.uri; content:"/forbidden"; sid:3; rev:1;)
alert udp any any -> any any (msg:"beacon"; content:"beacon"; sid:4; rev:1;)
`

// inspected makes a rig whose gate inspects with the rules.
func inspected(t *testing.T, mode model.Mode, rules string) *rig {
	return inspectedOf(t, 1, mode, rules)
}

// inspectedOf is inspected with so many queues on each port, and workers.
func inspectedOf(t *testing.T, queues int, mode model.Mode, rules string) *rig {
	w := newRigOf(t, queues)
	w.cfg.Inspection.Workers = queues
	file := filepath.Join(t.TempDir(), "test.rules")
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	w.cfg.Inspection.Enabled, w.cfg.Inspection.Rules, w.cfg.Inspection.Mode = true, []string{file}, mode
	w.cfg.Inspection.Eve.Path = filepath.Join(t.TempDir(), "eve.json")
	return w
}

// serve runs f on every connection to a port outside.
func (w *rig) serve(port int, f func(net.Conn)) {
	l, err := within(w.outside, func() (net.Listener, error) {
		return net.Listen("tcp4", fmt.Sprintf("%s:%d", outsideAddr, port))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
}

func (w *rig) connect(port int) (net.Conn, error) {
	return within(w.device, func() (net.Conn, error) {
		return net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", outsideAddr, port), 5*time.Second)
	})
}

// answerHTTP answers every request with 200.
func answerHTTP(c net.Conn) {
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if bytes.Contains(b[:n], []byte("\r\n\r\n")) {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
				return
			}
		}
	}
}

// get asks for a path and gives the answer.
func (w *rig) get(path string) (string, error) {
	c, err := w.connect(80)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: camera\r\nUser-Agent: test\r\n\r\n", path); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	b := make([]byte, 4096)
	n, err := c.Read(b)
	return string(b[:n]), err
}

func testLog(t *testing.T) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// bulk sends n bytes to the outside and back, and compares.
func (w *rig) bulk(port, n int) (time.Duration, error) {
	c, err := w.connect(port)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	data := make([]byte, n)
	_, _ = rand.Read(data)
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- err
	}()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	back := make([]byte, n)
	if _, err := io.ReadFull(c, back); err != nil {
		return 0, errors.Join(err, <-sent)
	}
	if !bytes.Equal(data, back) {
		return 0, errors.New("other bytes came back")
	}
	return time.Since(began), <-sent
}

func TestInspectionOnTheWire(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	stop := w.start(testLog(t), nil)
	defer func() { stop() }()
	w.serve(80, answerHTTP)
	w.serve(7, func(c net.Conn) { _, _ = io.Copy(c, c) })

	if s := w.status(); s.Inspection == nil || s.Inspection.Rules.Rules != 4 || s.Inspection.Rules.Refused != 0 {
		t.Fatalf("inspection %+v, coverage %+v", s.Inspection, s.Coverage)
	}
	for _, path := range []string{"/", "/index.html", "/secret"} {
		if got, err := w.get(path); err != nil || !strings.HasSuffix(got, "hello") {
			t.Errorf("GET %s: %q, %v", path, got, err)
		}
	}
	if got, err := w.get("/cgi-bin/exploit?cmd=id"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the exploit was answered: %q, %v", got, err)
	}
	if got, err := w.get("/forbidden"); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("what is to be rejected: %q, %v; want a reset", got, err)
	}
	if got, err := w.get("/after"); err != nil || !strings.HasSuffix(got, "hello") {
		t.Errorf("after it: %q, %v", got, err)
	}
	took, err := w.bulk(7, 8<<20)
	if err != nil {
		t.Errorf("bulk: %v", err)
	}
	quiet := w.benign()
	time.Sleep(time.Second)
	asked, lost := quiet()
	if lost > 0 || asked < 50 {
		t.Errorf("%d of %d UDP packets lost", lost, asked)
	}
	s := w.until("told", func(s Status) bool { return s.Inspection.Alerts == 3 })
	if s.Inspection.Rejected != 1 || s.Inspection.RingFull != 0 || s.Inspection.Dropped == 0 || s.Totals.Uninspected > w.early {
		t.Errorf("inspection %+v, totals %+v", s.Inspection, s.Totals)
	}
	t.Logf("8 MiB there and back in %v, inspection %+v, totals %+v", took, s.Inspection.Stats, s.Totals)
	stop()
	stop = func() {}
	eve, err := os.ReadFile(w.cfg.Inspection.Eve.Path)
	if err != nil || !bytes.Contains(eve, []byte(`"signature_id":2`)) || !bytes.Contains(eve, []byte(`"event_type":"http"`)) {
		t.Errorf("eve.json: %v, %d bytes", err, len(eve))
	}
}

// TestSettledFlowsStayInTheKernel: once a TLS session is encrypted no rule can
// match, so nearly all of it is forwarded by the kernel.
func TestSettledFlowsStayInTheKernel(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	stop := w.start(testLog(t), nil)
	defer func() { stop() }()
	cert := certificate(t)
	w.serve(443, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
		_, _ = io.Copy(s, s)
	})
	c, err := w.connect(443)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "camera.example"})
	data := make([]byte, 1<<20)
	go func() { _, _ = s.Write(data) }()
	if _, err := io.ReadFull(s, make([]byte, len(data))); err != nil {
		t.Fatal(err)
	}
	st := w.until("told", func(s Status) bool { return s.Inspection.Settled == 1 && s.Totals.Settled > 0 })
	if st.Totals.Settled < 10*st.Totals.Inspected {
		t.Errorf("inspection %+v, totals %+v: want nearly all in the kernel", st.Inspection.Stats, st.Totals)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"camera.example"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestObserveStopsNothing: drop rules alert and the connection goes on, looked
// at to its end; a device of its own mode is stopped.
func TestObserveStopsNothing(t *testing.T) {
	w := inspected(t, model.ModeObserve, testRules)
	reload := make(chan Config)
	stop := w.start(testLog(t), reload)
	defer func() { stop() }()
	w.serve(80, answerHTTP)
	c, err := w.connect(80)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for _, path := range []string{"/cgi-bin/exploit", "/forbidden", "/secret"} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: camera\r\n\r\n", path)
		b := make([]byte, 200)
		if n, err := c.Read(b); err != nil || !bytes.HasSuffix(b[:n], []byte("hello")) {
			t.Fatalf("GET %s: %q, %v", path, b[:n], err)
		}
	}
	s := w.until("told of all three", func(s Status) bool { return s.Inspection.Alerts == 3 })
	if s.Inspection.Dropped+s.Inspection.Rejected+s.Totals.DroppedVerdict != 0 {
		t.Errorf("inspection %+v, totals %+v: want nothing stopped", s.Inspection.Stats, s.Totals)
	}
	cfg := w.cfg
	cfg.Inspection.Devices = map[string]model.Mode{deviceMAC: model.ModeEnforce}
	reload <- cfg
	w.until("reloaded", func(s Status) bool { return s.Inspection.Reloads == 1 })
	if got, err := w.get("/cgi-bin/exploit"); err == nil {
		t.Errorf("enforced for the device, but answered: %q", got)
	}
}

// TestRulesReloadLosesNothing swaps rule sets under a stream of packets.
func TestRulesReloadLosesNothing(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.Flood.Mode = model.ModeObserve
	reload := make(chan Config)
	stop := w.start(testLog(t), reload)
	defer func() { stop() }()
	// With nobody there the sender would hear of it instead of sending.
	pc, err := within(w.outside, func() (net.PacketConn, error) {
		return net.ListenPacket("udp4", fmt.Sprintf("%s:%d", outsideAddr, victimPort))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	s := w.sink()
	done := make(chan int)
	go func() {
		_, sent := w.flood(5000, 3*time.Second)
		done <- sent
	}()
	var more strings.Builder
	more.WriteString(testRules)
	for i := range 3000 {
		fmt.Fprintf(&more, "alert http any any -> any any (msg:\"n%d\"; http.uri; content:\"/path%d/x\"; pcre:\"/x%d+/\"; sid:%d;)\n", i, i, i, 1000+i)
	}
	for range 3 {
		if err := os.WriteFile(w.cfg.Inspection.Rules[0], []byte(more.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		reload <- w.cfg
	}
	sent := <-done
	st := w.until("reloaded", func(s Status) bool { return s.Inspection.Reloads >= 1 && s.Inspection.Rules.Rules == 3004 })
	time.Sleep(500 * time.Millisecond)
	st = w.status()
	got := s.count.Load()
	t.Logf("%d of %d packets arrived over %d reloads, %+v, totals %+v", got, sent, st.Inspection.Reloads, st.Inspection, st.Totals)
	if got != int64(sent) || st.Inspection.RingFull != 0 {
		t.Errorf("%d of %d packets arrived, %d lost to full rings", got, sent, st.Inspection.RingFull)
	}
}

// TestWithoutInspection: what cannot be inspected passes, and the status says
// what is missing.
func TestWithoutInspection(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.Inspection.Rules = []string{filepath.Join(t.TempDir(), "nowhere.rules")}
	stop := w.start(testLog(t), nil)
	defer func() { stop() }()
	w.serve(80, answerHTTP)
	if got, err := w.get("/"); err != nil {
		t.Errorf("GET /: %q, %v", got, err)
	}
	s := w.status()
	for _, c := range s.Coverage {
		if c.Protection == "inspection" && !c.Active && strings.Contains(c.Reason, "nowhere.rules") {
			return
		}
	}
	t.Errorf("coverage %+v: want inspection missing, and why", s.Coverage)
}
