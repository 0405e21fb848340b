package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// sender is a control plane that sends reputation sets, and nothing else.
type sender struct {
	signer *identity.Signer
	token  string
	addr   string

	mu      sync.Mutex
	part    model.Part
	sets    map[string]*wire.SignedSet
	content map[[32]byte][]byte
	between map[string][]byte // differences to the newest
	changed chan struct{}
	wholes  int // that were fetched
}

func (*sender) Publish(context.Context, server.Batch) error { return nil }
func (*sender) UseToken(context.Context, string, model.Role, time.Time) (string, error) {
	return "", nil
}
func (*sender) Renewed(context.Context, model.PartID, server.Certificate) error { return nil }
func (*sender) State(context.Context, model.PartID, time.Time, *wire.PartState) error {
	return nil
}

func (s *sender) Register(_ context.Context, p model.Part, _ server.Certificate) error {
	s.part = p
	return nil
}
func (s *sender) Part(context.Context, model.PartID) (model.Part, error) { return s.part, nil }

func (s *sender) Latest(_ model.PartID, _ model.DeviceID, name string) *wire.SignedSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets[name]
}

func (s *sender) Difference(_ context.Context, _ model.PartID, name string, _ *wire.SignedSet, _ uint64) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.between[name]
}

func (s *sender) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *sender) Content(_ context.Context, sum []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.content[[32]byte(sum)]
	for _, set := range s.sets {
		if string(set.SHA256) == string(sum) {
			s.wholes++
		}
	}
	return b, nil
}

// send publishes a set and its tails, with the differences from old.
func (s *sender) send(t testing.TB, old, next *edge.Snapshot, version uint64) {
	t.Helper()
	between := map[string][]byte{}
	if old != nil {
		var err error
		if between[wire.SetReputation], err = edge.Delta(old.Payload, next.Payload); err != nil {
			t.Fatal(err)
		}
		if between[wire.SetReputationTails], err = edge.TailsDelta(old.Tails, next.Tails); err != nil {
			t.Fatal(err)
		}
		t.Logf("differences of %d and %d bytes in place of %d and %d", len(between[wire.SetReputation]), len(between[wire.SetReputationTails]), len(next.Payload), len(next.Tails))
	}
	now := time.Now()
	sets, content := map[string]*wire.SignedSet{}, map[[32]byte][]byte{}
	for name, payload := range map[string][]byte{wire.SetReputation: next.Payload, wire.SetReputationTails: next.Tails} {
		sets[name] = s.signer.SignSet(identity.SetInfo{Name: name, Version: version, Issued: now, Expires: now.Add(time.Hour)}, payload)
		content[sha256.Sum256(payload)] = payload
		content[sha256.Sum256(between[name])] = between[name]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets, s.content, s.between = sets, content, between
	close(s.changed)
	s.changed = make(chan struct{})
}

// startSender runs a control plane and enrols the gate. Both speak in the
// namespace of the test: what the gate starts beside its ports is not bound to
// theirs.
func (w *rig) startSender() *sender {
	w.t.Helper()
	dir := w.t.TempDir()
	ca, err := identity.OpenCA(dir, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	s := &sender{sets: map[string]*wire.SignedSet{}, changed: make(chan struct{})}
	if s.signer, err = identity.OpenSigner(dir); err != nil {
		w.t.Fatal(err)
	}
	srv, err := server.New(server.Config{CA: ca, SigningKey: s.signer.PublicKey().String(), Tokens: s, Parts: s, Sink: s, States: s, Sets: s}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	if err := client.Enroll(w.t.Context(), client.EnrollConfig{Endpoint: ln.Addr().String(), Token: identity.NewToken(ca.DER()).Text(),
		Dir: IdentityDir(w.cfg.State), Role: "gate", Name: "g", Software: "test"}); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// startLinked runs the gate as Run does, and gives it for a look inside.
func (w *rig) startLinked() (g *Gate, stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan error), make(chan error, 1)
	go func() {
		_, _ = within(w.gate, func() (struct{}, error) {
			g = newGate(w.cfg, slog.New(slog.DiscardHandler), "test")
			err := errors.Join(os.MkdirAll(w.cfg.State, 0o700), g.openLink(), g.openDatapath(nil))
			opened <- err
			if err == nil {
				ended <- errors.Join(g.run(ctx, nil), g.dp.Close())
				g.closeLink()
			}
			return struct{}{}, nil
		})
	}()
	if err := <-opened; err != nil {
		w.t.Fatal(err)
	}
	return g, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("gate: %v", err)
		}
	}
}

// inForce waits until a version of the set is in the kernel and in the look-ups,
// each match sure, and says when each was.
func (g *Gate) inForce(t testing.TB, version uint64) (kernel, lookups time.Time) {
	t.Helper()
	has := func(s *edge.Set) bool { return s != nil && s.Header().Version == version }
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.mu.Lock()
		b := &g.blocklist
		if kernel.IsZero() && b.written && has(b.inputs.set) {
			kernel = time.Now()
		}
		if lookups.IsZero() && has(b.sure) && b.sure.Sure() {
			lookups = time.Now()
		}
		g.mu.Unlock()
		if !kernel.IsZero() && !lookups.IsZero() {
			return kernel, lookups
		}
	}
	t.Fatalf("version %d is not in force", version)
	return kernel, lookups
}

// strange is entry i of a list: a quarter are addresses, the rest names.
func strange(i int) reputation.Object {
	if i%20 < 5 {
		v := uint32(i) * 2654435761 // spread over 11.0.0.0 to 91.255.255.255, each once
		v = 11<<24 + v%(81<<24)
		return edge.ObjectOf(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
	}
	return reputation.Object{Type: reputation.TypeDomain, Text: fmt.Sprintf("name%d.zone.example", i), Below: true}
}

func strangers(from, to int, more ...reputation.Object) iter.Seq2[reputation.Object, reputation.Brief] {
	return func(yield func(reputation.Object, reputation.Brief) bool) {
		for _, o := range more {
			if !yield(o, reputation.Brief{Score: 95}) {
				return
			}
		}
		for i := from; i < to; i++ {
			if !yield(strange(i), reputation.Brief{Score: 92}) {
				return
			}
		}
	}
}

// takeDifference runs a gate with a set of n entries under 5,000 packets a
// second, sends it one of which 3 % are others, and gives how long it took until
// that was in force.
func takeDifference(t testing.TB, n int) (kernel, lookups time.Duration) {
	w := newRig(t)
	w.cfg.Flood.Mode = model.ModeObserve
	w.strangers("203.0.113.7")
	bad := edge.ObjectOf(netip.MustParseAddr("203.0.113.7"))
	build := func(version uint64, from, to int, more ...reputation.Object) *edge.Snapshot {
		s, err := edge.Build(strangers(from, to, more...), edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: version, Issued: 1, Expires: 1 << 31, Key: edge.Key{1}}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := build(1, 0, n), build(2, n*3/100, n+n*3/100, bad)
	s := w.startSender()
	s.send(t, nil, one, 1)
	g, stop := w.startLinked()
	defer stop()
	g.inForce(t, 1)
	w.serveUDP("203.0.113.7:7000")
	if !w.answers("203.0.113.7:7000") {
		t.Fatal("an address that is not listed yet does not answer")
	}
	pc, err := within(w.outside, func() (net.PacketConn, error) {
		return net.ListenPacket("udp4", fmt.Sprintf("%s:%d", outsideAddr, victimPort))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	arrived := w.sink()
	done := make(chan int)
	go func() {
		_, sent := w.flood(5000, 3*time.Second)
		done <- sent
	}()
	time.Sleep(500 * time.Millisecond)
	s.mu.Lock()
	s.wholes = 0
	s.mu.Unlock()
	s.send(t, one, two, 2)
	begin, cpu := time.Now(), used()
	atKernel, atLookups := g.inForce(t, 2)
	cpu = used() - cpu
	sent := <-done
	time.Sleep(200 * time.Millisecond)
	if got := arrived.count.Load(); got != int64(sent) {
		t.Errorf("%d of %d packets arrived", got, sent)
	}
	if w.answers("203.0.113.7:7000") {
		t.Error("an address that is listed now answers")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wholes != 0 {
		t.Errorf("%d sets were fetched as a whole", s.wholes)
	}
	t.Logf("%d entries, 3 %% others: in the kernel after %v, in the look-ups with tails after %v; CPU of the whole process meanwhile %v; %d packets, none lost",
		n, atKernel.Sub(begin).Round(time.Millisecond), atLookups.Sub(begin).Round(time.Millisecond), cpu.Round(time.Millisecond), sent)
	return atKernel.Sub(begin), atLookups.Sub(begin)
}

// used is the CPU time of this process: that of the sender, the receiver and the
// control plane too.
func used() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveUDP answers what comes to an address outside.
func (w *rig) serveUDP(addr string) {
	pc, err := within(w.outside, func() (net.PacketConn, error) { return net.ListenPacket("udp4", addr) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(b[:n], from)
		}
	}()
}

// answers says whether an address outside answers the device.
func (w *rig) answers(addr string) bool {
	c, err := within(w.device, func() (net.Conn, error) { return net.Dial("udp4", addr) })
	if err != nil {
		return false
	}
	defer c.Close()
	for range 3 {
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := c.Write([]byte("?")); err != nil {
			continue
		}
		if _, err := c.Read(make([]byte, 8)); err == nil {
			return true
		}
	}
	return false
}

// TestReputationDifferenceLosesNothing: a gate takes a difference from the
// control plane under traffic.
func TestReputationDifferenceLosesNothing(t *testing.T) {
	takeDifference(t, 50_000)
}

// BenchmarkReputationDifference is the same with a million entries, once.
func BenchmarkReputationDifference(b *testing.B) {
	for b.Loop() {
		kernel, lookups := takeDifference(b, 1_000_000)
		b.ReportMetric(float64(kernel.Milliseconds()), "ms-kernel")
		b.ReportMetric(float64(lookups.Milliseconds()), "ms-lookups")
	}
}
