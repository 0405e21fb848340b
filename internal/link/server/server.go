package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"

	"github.com/masugata/masugata/api/link/v1/linkv1connect"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// Server answers the calls of agents and gates. Safe for concurrent use.
type Server struct {
	cfg      Config
	log      *slog.Logger
	mux      *http.ServeMux
	callers  callers
	unzstd   *zstd.Decoder
	enrols   chan struct{}
	refusals throttle // a second
	failures throttle // a minute

	watching    atomic.Int64
	batches     atomic.Uint64
	events      atomic.Uint64
	refused     atomic.Uint64
	differences atomic.Uint64
}

// New makes a Server; log may be nil.
func New(cfg Config, log *slog.Logger) (*Server, error) {
	if cfg.CA == nil || cfg.SigningKey == "" || cfg.Tokens == nil || cfg.Parts == nil || cfg.Sink == nil || cfg.States == nil || cfg.Sets == nil {
		return nil, errors.New("link server: CA, SigningKey, Tokens, Parts, Sink, States and Sets are required")
	}
	if cfg.CertLife == 0 {
		cfg.CertLife = 30 * 24 * time.Hour
	}
	if cfg.CacheFor == 0 {
		cfg.CacheFor = 30 * time.Second
	}
	if cfg.Protocol == (wire.Version{}) {
		cfg.Protocol = wire.Protocol()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Refused == nil {
		cfg.Refused = func(Refusal) {}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(wire.MaxBatchBytes), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, fmt.Errorf("link server: %w", err)
	}
	s := &Server{cfg: cfg, log: log, mux: http.NewServeMux(), unzstd: dec, enrols: make(chan struct{}, MaxEnrolments),
		refusals: throttle{every: time.Second, most: RefusedPerSecond}, failures: throttle{every: time.Minute, most: FailedPerMinute}}
	s.callers.init()
	s.routes()
	return s, nil
}

func (s *Server) routes() {
	opts := []connect.HandlerOption{
		connect.WithCodec(binaryCodec{}), connect.WithCodec(jsonCodec{"json"}), connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
		connect.WithReadMaxBytes(maxRequestBytes), connect.WithCompressMinBytes(4096),
	}
	handle(s, linkv1connect.LinkServiceEnrollProcedure, s.enroll, opts)
	handle(s, linkv1connect.LinkServiceRenewProcedure, s.renew, opts)
	handle(s, linkv1connect.LinkServiceReportProcedure, s.report, opts)
	handle(s, linkv1connect.LinkServiceWatchProcedure, s.watch, opts)
	handle(s, linkv1connect.LinkServiceFetchProcedure, s.fetch, opts)
}

// handle registers one unary call. The call gets who is calling; errors that
// are refusals are counted, handed to the hook, and carry their reason.
func handle[Req, Res any](s *Server, procedure string, f func(context.Context, caller, *Req) (*Res, error), opts []connect.HandlerOption) {
	name := procedure[len(linkv1connect.LinkServiceName)+2:]
	h := connect.NewUnaryHandler(procedure, func(ctx context.Context, req *connect.Request[Req]) (*connect.Response[Res], error) {
		c, done, err := s.admit(ctx, name, req.Header().Get(wire.HeaderProtocol))
		if err == nil {
			defer done()
			var res *Res
			if res, err = f(c.ctx, c, req.Msg); err == nil {
				out := connect.NewResponse(res)
				out.Header().Set(wire.HeaderProtocol, s.cfg.Protocol.String())
				return out, nil
			}
			if cause := context.Cause(c.ctx); errors.Is(cause, errRevoked) {
				err = s.revokedError(c.part)
			}
		}
		return nil, s.refuse(name, c, err)
	}, opts...)
	s.mux.Handle(procedure, h)
}

// refusal is an error of a call that the caller must hear.
type refusal struct {
	code   connect.Code
	reason wire.Reason
	msg    string
}

func (r *refusal) Error() string { return r.msg }

func refusef(code connect.Code, reason wire.Reason, format string, args ...any) error {
	return &refusal{code, reason, fmt.Sprintf(format, args...)}
}

// refuse turns an error of a call into what goes over the wire.
func (s *Server) refuse(call string, c caller, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		if ready := new(connect.Error); errors.As(err, &ready) {
			return ready
		}
		if c.ctx != nil && c.ctx.Err() != nil {
			return s.connectError(connect.CodeCanceled, "", "the call was given up")
		}
		if ok, missed := s.failures.allow(s.cfg.Now()); ok {
			s.log.Error("link call failed", "call", call, "part", c.part, "error", err, "not_logged", missed)
		}
		return s.connectError(connect.CodeUnavailable, "", "the control plane cannot do this now; its log says why")
	}
	s.refused.Add(1)
	if r.reason != wire.ReasonBusy && s.tellRefusal() {
		s.cfg.Refused(Refusal{Time: s.cfg.Now(), Reason: r.reason, Call: call, Remote: c.remote, Part: c.part, Detail: r.msg})
	}
	return s.connectError(r.code, r.reason, r.msg)
}

// tellRefusal says whether the hook is to be told of one more refusal.
func (s *Server) tellRefusal() bool {
	ok, _ := s.refusals.allow(s.cfg.Now())
	return ok
}

func (s *Server) connectError(code connect.Code, reason wire.Reason, msg string) error {
	e := connect.NewError(code, errors.New(msg))
	e.Meta().Set(wire.HeaderProtocol, s.cfg.Protocol.String())
	if reason != "" {
		e.Meta().Set(wire.HeaderReason, string(reason))
	}
	return e
}

// TLS gives the configuration of the listener: TLS 1.3, the authority's
// certificate, client certificates verified when given (calls other than
// Enroll are refused without one).
func (s *Server) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs:  s.cfg.CA.Pool(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.cfg.CA.ServerCertificate(s.cfg.Now())
		},
	}
}

// Serve answers on ln, with TLS, until ctx ends; then it lets calls finish
// for up to two seconds. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		TLSConfig:         s.TLS(),
		ReadHeaderTimeout: 10 * time.Second, // and of the TLS handshake
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(tlsLog{s, s.log.Handler()}, slog.LevelDebug),
		ConnContext:       s.callers.connContext,
		ConnState:         s.callers.connState,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 16, SendPingTimeout: 90 * time.Second, PingTimeout: 15 * time.Second},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.ServeTLS(ln, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("link server: %w", err)
	case <-ctx.Done():
	}
	s.callers.wake()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close() // whoever is left had its time
	}
	<-failed
	return nil
}

// bodyTimeout bounds reading one request and writing its answer.
const bodyTimeout = 30 * time.Second

// ServeHTTP answers one request. It must come through Serve, or another
// http.Server with TLS() as its configuration.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	now := time.Now() // deadlines are of the machine's clock, not of Config.Now
	_ = rc.SetReadDeadline(now.Add(bodyTimeout))
	_ = rc.SetWriteDeadline(now.Add(MaxWait + bodyTimeout))
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		r.Body = http.MaxBytesReader(w, r.Body, maxStrangeBytes)
	}
	ctx := context.WithValue(r.Context(), peerKey{}, &peer{remote: r.RemoteAddr, tls: r.TLS, connID: connID(r.Context())})
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// Revoke makes the server refuse the part from now on, ends its waiting calls
// and cuts its connections. Call it after the revocation is stored.
func (s *Server) Revoke(part model.PartID) { s.callers.revoke(part) }

// Stats gives the present counts.
func (s *Server) Stats() Stats {
	conns, parts := s.callers.counts()
	return Stats{
		Connections: conns, Parts: parts, Watching: int(s.watching.Load()),
		Batches: s.batches.Load(), Events: s.events.Load(), Refused: s.refused.Load(), Differences: s.differences.Load(),
	}
}

// tlsLog hands failed handshakes, which net/http only logs, to the refusals.
type tlsLog struct {
	s *Server
	slog.Handler
}

// Handle implements slog.Handler.
func (l tlsLog) Handle(ctx context.Context, r slog.Record) error {
	l.s.handshakeFailed(r.Message)
	return l.Handler.Handle(ctx, r)
}

// Enabled implements slog.Handler: the message is wanted whatever is logged.
func (l tlsLog) Enabled(context.Context, slog.Level) bool { return true }
