package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/topology"
)

// forward takes connections on a loopback address of the machine and passes
// them to an address inside a lab's namespace, until ctx ends.
func forward(ctx context.Context, listen, namespace, to string) error {
	if host, _, err := net.SplitHostPort(listen); err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("forward: listen on %q: want a loopback address and port", listen)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("forward: %w", err)
		}
		go func() {
			defer c.Close()
			inner, err := dialInside(ctx, namespace, to)
			if err != nil {
				return // the browser sees the connection end
			}
			defer inner.Close()
			splice(c, inner)
		}()
	}
}

func dialInside(ctx context.Context, namespace, to string) (net.Conn, error) {
	type result struct {
		net.Conn
		error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := topology.Enter(namespace); err != nil {
			done <- result{nil, err}
			return
		}
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err := d.DialContext(ctx, "tcp", to)
		done <- result{c, err}
	}()
	r := <-done
	return r.Conn, r.error
}

// splice copies both ways until both sides have ended.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			if t, ok := way[0].(*net.TCPConn); ok {
				_ = t.CloseWrite()
			}
		})
	}
	wg.Wait()
}
