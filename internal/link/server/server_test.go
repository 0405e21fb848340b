package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// backend answers for everything behind a Server.
type backend struct {
	mu      sync.Mutex
	batches []Batch
	fail    error // of Publish
	changed chan struct{}
}

func (b *backend) Publish(_ context.Context, x Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.batches = append(b.batches, x)
	return nil
}

func (*backend) UseToken(context.Context, string, model.Role, time.Time) (string, error) {
	return "", ErrTokenInvalid
}
func (*backend) Register(context.Context, model.Part, Certificate) error     { return nil }
func (*backend) Renewed(context.Context, model.PartID, Certificate) error    { return nil }
func (*backend) Content(context.Context, []byte) ([]byte, error)             { return nil, nil }
func (*backend) Latest(model.PartID, model.DeviceID, string) *wire.SignedSet { return nil }
func (*backend) Difference(context.Context, model.PartID, string, *wire.SignedSet, uint64) []byte {
	return nil
}
func (b *backend) Changed() <-chan struct{} { return b.changed }
func (*backend) State(context.Context, model.PartID, time.Time, *wire.PartState) error {
	return nil
}

func (*backend) Part(_ context.Context, id model.PartID) (model.Part, error) {
	if id != "gate-000000000001" {
		return model.Part{}, ErrUnknownPart
	}
	return model.Part{ID: id, Role: model.RoleGate}, nil
}

// rig is a server with one caller of raw HTTP.
type rig struct {
	*backend
	log  *lines
	t    *testing.T
	srv  *Server
	url  string
	http *http.Client
}

func newRig(t *testing.T, part model.PartID) *rig {
	t.Helper()
	dir := t.TempDir()
	ca, err := identity.OpenCA(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{changed: make(chan struct{})}
	log := new(lines)
	srv, err := New(Config{CA: ca, SigningKey: "k", Tokens: b, Parts: b, Sink: b, States: b, Sets: b}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	conf := &tls.Config{RootCAs: ca.Pool(), ServerName: identity.ServerName}
	if part != "" {
		key, csr, err := identity.NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ca.Issue(csr, part, "", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	}
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &rig{b, log, t, srv, "https://" + ln.Addr().String() + "/masugata.link.v1.LinkService/", &http.Client{Transport: tr}}
}

func (r *rig) post(call, contentType string, body []byte) (int, wire.Reason, string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.url+call, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set(wire.HeaderProtocol, "1.0")
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, wire.Reason(resp.Header.Get(wire.HeaderReason)), string(b)
}

const (
	gate   = model.PartID("gate-000000000001")
	binary = "application/proto"
)

func TestOnlyEnrollWithoutCertificate(t *testing.T) {
	r := newRig(t, "")
	for _, call := range []string{"Renew", "Report", "Watch", "Fetch"} {
		if code, reason, _ := r.post(call, binary, nil); code != http.StatusUnauthorized || reason != wire.ReasonNoIdentity {
			t.Errorf("%s: %d %s", call, code, reason)
		}
	}
	if code, reason, msg := r.post("Enroll", "application/json", []byte(`{"token":"x","role":"gate"}`)); reason != wire.ReasonBadRequest {
		t.Errorf("Enroll: %d %s %s", code, reason, msg)
	}
}

func TestUnknownPart(t *testing.T) {
	r := newRig(t, "gate-00000000beef")
	if code, reason, _ := r.post("Report", binary, nil); code != http.StatusForbidden || reason != wire.ReasonUnknownPart {
		t.Errorf("%d %s", code, reason)
	}
}

func TestJSONFromCurl(t *testing.T) {
	r := newRig(t, gate)
	code, _, body := r.post("Report", "application/json", []byte(`{"epoch":"7","seq":"1","batch":{"events":[{"id":"AAAAAAAAAAAAAAAAAAAAAQ==","severity":4}]}}`))
	if code != http.StatusOK || !strings.Contains(body, `"ackedSeq":"1"`) && !strings.Contains(body, `"ackedSeq": "1"`) {
		t.Fatalf("%d %s", code, body)
	}
	if len(r.batches) != 1 || r.batches[0].Part != gate || r.batches[0].Role != model.RoleGate || r.batches[0].Summary.MaxSeverity != model.SeverityCritical {
		t.Errorf("%+v", r.batches)
	}
}

func TestHostileBodies(t *testing.T) {
	r := newRig(t, gate)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
	e := model.Event{ID: model.NewID(time.Now())}
	batch := wire.AppendBatchEvent(nil, &e)
	for name, req := range map[string]wire.ReportRequest{
		"bomb":     {Epoch: 1, Seq: 1, Zstd: bomb},
		"not zstd": {Epoch: 1, Seq: 1, Zstd: []byte("zzzz")},
		"torn":     {Epoch: 1, Seq: 1, Batch: batch[:len(batch)-2]},
		"no epoch": {Seq: 1, Batch: batch},
		"state":    {State: []byte{0xff}},
	} {
		if code, reason, msg := r.post("Report", binary, req.AppendTo(nil)); code != http.StatusBadRequest || reason != wire.ReasonBadRequest {
			t.Errorf("%s: %d %s %s", name, code, reason, msg)
		}
	}
	if code, _, msg := r.post("Report", binary, []byte{0xff, 0xff}); code != http.StatusBadRequest {
		t.Errorf("not a message: %d %s", code, msg)
	}
	if code, _, msg := r.post("Report", binary, make([]byte, maxRequestBytes+1)); code == http.StatusOK {
		t.Errorf("too large: %d %s", code, msg)
	}
	if len(r.batches) != 0 {
		t.Errorf("%d hostile batches were published", len(r.batches))
	}
}

func TestCallsOfOnePartAreBounded(t *testing.T) {
	r := newRig(t, gate)
	watch := (&wire.WatchRequest{Have: map[string]uint64{"policy": 0}, WaitMs: 2000}).AppendTo(nil)
	var wg sync.WaitGroup
	for range MaxCallsPerPart {
		wg.Go(func() { r.post("Watch", binary, watch) })
	}
	for r.srv.Stats().Watching < MaxCallsPerPart {
		time.Sleep(time.Millisecond)
	}
	if code, reason, _ := r.post("Watch", binary, watch); code != http.StatusTooManyRequests || reason != wire.ReasonBusy {
		t.Errorf("%d %s", code, reason)
	}
	wg.Wait()
	if code, _, _ := r.post("Report", binary, nil); code != http.StatusOK {
		t.Errorf("after the others ended: %d", code)
	}
}

func TestStopEndsWaitingCalls(t *testing.T) {
	r := newRig(t, gate)
	go func() {
		for r.srv.Stats().Watching == 0 {
			time.Sleep(time.Millisecond)
		}
		r.srv.callers.wake()
	}()
	begin := time.Now()
	r.post("Watch", binary, (&wire.WatchRequest{Have: map[string]uint64{"policy": 0}, WaitMs: 60000}).AppendTo(nil))
	if time.Since(begin) > 10*time.Second {
		t.Error("a waiting call outlived the server")
	}
}

// lines is a log whose lines are counted.
type lines struct{ n atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.n.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

// TestFailuresOfTheSink has the sink fail in each way: the part learns what to
// do, and the log is not flooded.
func TestFailuresOfTheSink(t *testing.T) {
	r := newRig(t, gate)
	e := model.Event{ID: model.NewID(time.Now()), Time: time.Now(), Layer: model.LayerNetwork, Kind: model.KindFloodOutbound, Count: 1}
	req := (&wire.ReportRequest{Epoch: 1, Seq: 1, Batch: wire.AppendBatchEvent(nil, &e)}).AppendTo(nil)
	for _, c := range []struct {
		err    error
		code   int
		reason wire.Reason
		lines  int64
	}{
		{fmt.Errorf("bus: %w", ErrBusy), http.StatusTooManyRequests, wire.ReasonBusy, 0},
		{fmt.Errorf("bus: %w", ErrMalformed), http.StatusBadRequest, wire.ReasonBadRequest, 0},
		{errors.New("disk on fire"), http.StatusServiceUnavailable, "", FailedPerMinute},
	} {
		r.fail = c.err
		r.log.n.Store(0)
		for range 3 * FailedPerMinute {
			code, reason, msg := r.post("Report", binary, req)
			if code != c.code || reason != c.reason || strings.Contains(msg, "fire") {
				t.Fatalf("%v: %d %q %s", c.err, code, reason, msg)
			}
		}
		if n := r.log.n.Load(); n > 2*c.lines { // twice, at the turn of a minute
			t.Errorf("%v: %d lines were logged, want at most %d", c.err, n, c.lines)
		}
	}
}

func TestThrottleCountsWhatItHeldBack(t *testing.T) {
	th := throttle{every: time.Minute, most: 2}
	now := time.Unix(6000, 0)
	var got []bool
	for range 4 {
		ok, _ := th.allow(now)
		got = append(got, ok)
	}
	if !slices.Equal(got, []bool{true, true, false, false}) {
		t.Errorf("let through %v", got)
	}
	if ok, missed := th.allow(now.Add(time.Minute)); !ok || missed != 2 {
		t.Errorf("a minute later: %v, %d missed; want true, 2", ok, missed)
	}
}

// TestStrangersMayNotSendMuch sends a large request without a certificate.
func TestStrangersMayNotSendMuch(t *testing.T) {
	r := newRig(t, "")
	large := (&wire.EnrollRequest{Token: "t", CSR: make([]byte, maxStrangeBytes), Role: "gate"}).AppendTo(nil)
	code, _, msg := r.post("Enroll", binary, large)
	if code == http.StatusOK || !strings.Contains(msg, "exceeded 65536 byte") {
		t.Errorf("%d %s", code, msg)
	}
}
