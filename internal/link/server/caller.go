package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// caller is who makes a call.
type caller struct {
	ctx    context.Context // ends with the call, or when the part is revoked
	part   model.PartID    // empty for Enroll
	role   model.Role
	device model.DeviceID
	remote string
}

type peerKey struct{}

// peer is what the connection says of a request.
type peer struct {
	remote string
	tls    *tls.ConnectionState
	connID uint64
}

var errRevoked = errors.New("part was revoked")

// admit checks version, identity and revocation. With an error the caller is
// filled in as far as it is known; without one, done must be called.
func (s *Server) admit(ctx context.Context, call, protocol string) (c caller, done func(), err error) {
	p, _ := ctx.Value(peerKey{}).(*peer)
	if p == nil {
		return c, nil, errors.New("link server: request came past ServeHTTP")
	}
	c = caller{ctx: ctx, remote: p.remote}
	if err := wire.Compatible(s.cfg.Protocol, protocol, "control plane", "part"); err != nil {
		return c, nil, refusef(connect.CodeFailedPrecondition, wire.ReasonProtocol, "%s", err)
	}
	if call == "Enroll" {
		return c, func() {}, nil
	}
	if p.tls == nil || len(p.tls.VerifiedChains) == 0 {
		return c, nil, refusef(connect.CodeUnauthenticated, wire.ReasonNoIdentity, "%s needs the part's certificate, and none was given: enrol first", call)
	}
	cert := p.tls.VerifiedChains[0][0]
	if c.part, c.device, err = identity.Caller(cert); err != nil {
		return c, nil, refusef(connect.CodeUnauthenticated, wire.ReasonNoIdentity, "%s", err)
	}
	// A connection may outlive the certificate that opened it.
	if now := s.cfg.Now(); now.After(cert.NotAfter) {
		return c, nil, refusef(connect.CodeUnauthenticated, wire.ReasonNoIdentity, "the certificate of %s ended at %s (now %s): enrol again", c.part, cert.NotAfter.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	info, err := s.lookup(ctx, c.part)
	switch {
	case errors.Is(err, ErrUnknownPart):
		return c, nil, refusef(connect.CodePermissionDenied, wire.ReasonUnknownPart, "part %s is not registered here: enrol again", c.part)
	case err != nil:
		return c, nil, err
	case info.revoked:
		return c, nil, s.revokedError(c.part)
	}
	c.role = info.role
	inner, cancel := context.WithCancelCause(ctx)
	c.ctx = inner
	leave, err := s.callers.enter(c.part, p.connID, cancel)
	if err != nil {
		cancel(nil)
		if errors.Is(err, errRevoked) {
			err = s.revokedError(c.part)
		}
		return c, nil, err
	}
	return c, func() { leave(); cancel(nil) }, nil
}

func (s *Server) revokedError(part model.PartID) error {
	return refusef(connect.CodePermissionDenied, wire.ReasonRevoked, "part %s was revoked: it must be enrolled again with a new token", part)
}

// lookup asks the register of parts, or what it said lately.
func (s *Server) lookup(ctx context.Context, part model.PartID) (known, error) {
	now := s.cfg.Now()
	if k, ok := s.callers.cached(part); ok && (k.revoked || now.Sub(k.asked) < s.cfg.CacheFor) {
		return k, nil
	}
	p, err := s.cfg.Parts.Part(ctx, part)
	if err != nil {
		return known{}, err
	}
	k := known{role: p.Role, revoked: p.Revoked, asked: now}
	return s.callers.remember(part, k), nil
}

// known is a cached answer about a part.
type known struct {
	role    model.Role
	revoked bool
	asked   time.Time
}

// callers keeps which part has which connections and calls.
type callers struct {
	mu    sync.Mutex
	parts map[model.PartID]*presence
	conns map[net.Conn]*connection
	ids   map[uint64]*connection
	last  atomic.Uint64
	woken chan struct{}
	once  sync.Once
}

// presence is what is held of a part. It stays while the part has calls or
// connections, or was revoked, or its cached answer is of use.
type presence struct {
	known known
	have  bool // known holds an answer
	calls map[uint64]context.CancelCauseFunc
	conns map[uint64]*connection
}

type connection struct {
	id   uint64
	conn net.Conn
	part model.PartID // empty until the first call
}

type connIDKey struct{}

func connID(ctx context.Context) uint64 { id, _ := ctx.Value(connIDKey{}).(uint64); return id }

func (c *callers) init() {
	c.parts = make(map[model.PartID]*presence)
	c.conns = make(map[net.Conn]*connection)
	c.ids = make(map[uint64]*connection)
	c.woken = make(chan struct{})
}

// wake ends all waiting Watch calls, because the server stops.
func (c *callers) wake() { c.once.Do(func() { close(c.woken) }) }

func (c *callers) connContext(ctx context.Context, conn net.Conn) context.Context {
	id := c.last.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	x := &connection{id: id, conn: conn}
	c.conns[conn], c.ids[id] = x, x
	return context.WithValue(ctx, connIDKey{}, id)
}

func (c *callers) connState(conn net.Conn, st http.ConnState) {
	if st != http.StateClosed && st != http.StateHijacked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.conns[conn]
	if x == nil {
		return
	}
	delete(c.conns, conn)
	delete(c.ids, x.id)
	if p := c.parts[x.part]; p != nil {
		delete(p.conns, x.id)
		c.tidy(x.part, p)
	}
}

// maxIdleParts is how many parts without a connection are remembered.
const maxIdleParts = 10_000

func (c *callers) tidy(part model.PartID, p *presence) {
	if len(p.conns) == 0 && len(p.calls) == 0 && !p.known.revoked && len(c.parts) > maxIdleParts {
		delete(c.parts, part)
	}
}

func (c *callers) presence(part model.PartID) *presence {
	p := c.parts[part]
	if p == nil {
		p = &presence{calls: make(map[uint64]context.CancelCauseFunc, 2), conns: make(map[uint64]*connection, 2)}
		c.parts[part] = p
	}
	return p
}

func (c *callers) cached(part model.PartID) (known, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parts[part]
	if p == nil {
		return known{}, false
	}
	return p.known, p.have
}

// remember keeps an answer, unless the part was revoked meanwhile.
func (c *callers) remember(part model.PartID, k known) known {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.presence(part)
	if !p.known.revoked {
		p.known, p.have = k, true
	}
	return p.known
}

// enter notes a call, and its connection as the part's.
func (c *callers) enter(part model.PartID, conn uint64, cancel context.CancelCauseFunc) (leave func(), err error) {
	call := c.last.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.presence(part)
	if p.known.revoked {
		return nil, errRevoked
	}
	if len(p.calls) >= MaxCallsPerPart {
		return nil, refusef(connect.CodeResourceExhausted, wire.ReasonBusy, "part %s has %d calls at once, at most %d are answered", part, len(p.calls)+1, MaxCallsPerPart)
	}
	p.calls[call] = cancel
	if x := c.ids[conn]; x != nil && x.part == "" {
		x.part = part
		p.conns[x.id] = x
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(p.calls, call)
		c.tidy(part, p)
	}, nil
}

// cutAfter is how long a revoked part's connections stay open, so that the
// answer to a waiting call still gets through and says why.
const cutAfter = 200 * time.Millisecond

func (c *callers) revoke(part model.PartID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.presence(part)
	p.known.revoked, p.have = true, true
	for _, cancel := range p.calls {
		cancel(errRevoked)
	}
	open := make([]net.Conn, 0, len(p.conns))
	for _, x := range p.conns {
		open = append(open, x.conn)
	}
	time.AfterFunc(cutAfter, func() {
		for _, conn := range open {
			_ = conn.Close() // gone already is as good
		}
	})
}

func (c *callers) counts() (conns, parts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.parts {
		if len(p.conns) > 0 {
			parts++
		}
	}
	return len(c.conns), parts
}

// throttle lets so many through in each stretch of time.
type throttle struct {
	every time.Duration
	most  int

	mu     sync.Mutex
	turn   time.Time
	used   int
	missed int
}

// allow says whether one more may pass, and how many did not since the last
// one that did.
func (t *throttle) allow(now time.Time) (ok bool, missed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if turn := now.Truncate(t.every); !turn.Equal(t.turn) {
		t.turn, t.used = turn, 0
	}
	if t.used >= t.most {
		t.missed++
		return false, 0
	}
	missed, t.missed = t.missed, 0
	t.used++
	return true, missed
}

// handshakeFailed makes a refusal of net/http's log line about a handshake,
// such as "http: TLS handshake error from 10.0.0.1:4711: tls: …". Peers that
// merely hang up are passed over.
func (s *Server) handshakeFailed(line string) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "http: TLS handshake error from ")
	if !ok {
		return
	}
	remote, detail, _ := strings.Cut(rest, ": ")
	if !strings.Contains(detail, "certificate") && !strings.Contains(detail, "x509") {
		return
	}
	s.refused.Add(1)
	if s.tellRefusal() {
		s.cfg.Refused(Refusal{Time: s.cfg.Now(), Reason: wire.ReasonNoIdentity, Call: "tls", Remote: remote, Detail: detail})
	}
}
