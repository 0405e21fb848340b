package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Run opens the data folder and serves link and console until ctx ends. What
// parts have been told is durable is kept; calls under way may finish.
func Run(ctx context.Context, cfg Config, version string, log *slog.Logger) error {
	unlock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	p, err := open(ctx, cfg, version, log)
	if err != nil {
		return err
	}
	defer p.close()
	linkLn, err := net.Listen("tcp", cfg.Link.Listen)
	if err != nil {
		return fmt.Errorf("link.listen: %w", err)
	}
	consoleLn, err := net.Listen("tcp", cfg.Console.Listen)
	if err != nil {
		linkLn.Close()
		return fmt.Errorf("console.listen: %w", err)
	}
	if err := p.firstStart(ctx, consoleLn.Addr().String()); err != nil {
		linkLn.Close()
		consoleLn.Close()
		return err
	}
	log.Info("control plane serves", "link", linkLn.Addr().String(), "console", p.consoleURL(consoleLn.Addr().String()), "data", cfg.Data, "version", version)
	return p.serve(ctx, linkLn, consoleLn)
}

// lockData makes the data folder and holds it for this process alone.
func lockData(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another masugata", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// serve runs everything until ctx ends or one part of it fails.
func (p *plane) serve(ctx context.Context, linkLn, consoleLn net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	// The pipelines and the bus outlive the listeners, so that what is
	// acknowledged while they drain is stored too.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var drain errgroup.Group
	for _, pipe := range p.pipes {
		drain.Go(func() error { return pipe.Run(inner) })
	}
	drain.Go(func() error { p.own.run(inner); return nil })
	drain.Go(func() error { p.desk.run(inner); return nil })
	drain.Go(func() error { p.register.run(inner); return nil })
	g.Go(func() error { p.upkeep(ctx); return nil })
	if p.reputation != nil {
		serveReputation(ctx, g, p.reputation)
		g.Go(func() error { p.edge.run(ctx); return nil })
	}
	g.Go(func() error { return p.link.Serve(ctx, linkLn) })
	g.Go(func() error { return p.serveConsole(ctx, consoleLn) })
	err := g.Wait()
	stop()
	err = errors.Join(err, drain.Wait())
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, p.desk.settle(last)) // what the last events led to
}

func (p *plane) serveConsole(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: p.console, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	// Streamed questions (api/reputation) need HTTP/2, also from a proxy in front.
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(!p.cfg.Console.Plain)
	srv.Protocols.SetUnencryptedHTTP2(p.cfg.Console.Plain)
	failed := make(chan error, 1)
	go func() {
		if p.cfg.Console.Plain {
			failed <- srv.Serve(ln)
			return
		}
		conf, err := consoleTLS(&p.cfg, time.Now())
		if err != nil {
			ln.Close()
			failed <- err
			return
		}
		srv.TLSConfig = conf
		failed <- srv.ServeTLS(ln, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("console: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	<-failed
	return nil
}

func (p *plane) consoleURL(addr string) string {
	if p.cfg.Console.Plain {
		return "http://" + addr
	}
	return "https://" + addr
}

// upkeep does what has to be done now and then: signatures renewed, old events
// dropped, rates and coverage measured.
func (p *plane) upkeep(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	often := time.NewTicker(10 * time.Second)
	defer often.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-second.C:
			p.rate.tick(p.stored(), now)
		case now := <-often.C:
			p.measureCoverage(ctx)
			if err := p.rules.refresh(ctx, now); err != nil {
				p.log.Error("rules of agents; the former ones hold", "error", err)
			}
		case now := <-hour.C:
			p.verifyAudit(ctx)
			if err := p.desk.resign(ctx); err != nil {
				p.log.Error("sign sets again", "error", err)
			}
			if err := p.rules.resign(ctx, now); err != nil {
				p.log.Error("sign rules again", "error", err)
			}
			dropped, err := p.events.Retain(ctx, now.Add(-p.cfg.Events.Retention))
			if err != nil {
				p.log.Error("drop old events", "error", err)
			} else if dropped > 0 {
				p.log.Info("dropped old events", "files", dropped)
			}
		}
	}
}
