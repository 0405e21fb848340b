package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/internet"
	"github.com/masugata/masugata/internal/lab/tally"
)

// speedConns is how many connections the speed test opens at once.
const speedConns = 4

// speedBytes of one transfer: one second at the pace of a connection.
const speedBytes = int64(internet.SpeedConnRate)

// Speed is one reading of the line.
type Speed struct {
	At       time.Time `json:"at"` // when it ended
	DownMbit float64   `json:"down_mbit"`
	UpMbit   float64   `json:"up_mbit"`
}

// SpeedTest tests the line over and over and remembers the last readings.
type SpeedTest struct {
	mu       sync.Mutex
	readings []Speed
}

// Run tests until ctx ends. Each transfer of each connection counts; one that
// takes four times its due time is lost.
func (s *SpeedTest) Run(ctx context.Context, server netip.AddrPort, t *tally.Tally) {
	for ctx.Err() == nil {
		down := rate(ctx, server, "D", t)
		up := rate(ctx, server, "U", t)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.readings = append(s.readings, Speed{At: time.Now(), DownMbit: down, UpMbit: up})
		if n := len(s.readings); n > 1000 {
			s.readings = append(s.readings[:0], s.readings[n-500:]...)
		}
		s.mu.Unlock()
		pause(ctx)
	}
}

// Readings gives a copy of what was measured, oldest first.
func (s *SpeedTest) Readings() []Speed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Speed(nil), s.readings...)
}

// rate moves speedBytes over each of speedConns connections and gives Mbit/s.
func rate(ctx context.Context, server netip.AddrPort, kind string, t *tally.Tally) float64 {
	start := time.Now()
	var wg sync.WaitGroup
	for range speedConns {
		wg.Go(func() {
			err := transfer(ctx, server, kind)
			if ctx.Err() == nil {
				t.Result("speed test", err)
			}
		})
	}
	wg.Wait()
	return speedConns * float64(speedBytes) * 8 / 1e6 / time.Since(start).Seconds()
}

func transfer(ctx context.Context, server netip.AddrPort, kind string) error {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("speed test: not a TCP connection")
	}
	if err := c.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "%s %d\n", kind, speedBytes); err != nil {
		return err
	}
	if kind == "D" {
		_, err := io.CopyN(io.Discard, c, speedBytes)
		return err
	}
	if err := internet.Pump(c, speedBytes); err != nil {
		return err
	}
	var ok3 [3]byte
	if _, err := io.ReadFull(c, ok3[:]); err != nil || string(ok3[:]) != "OK\n" {
		return fmt.Errorf("speed test: upload not confirmed: %q %w", ok3, err)
	}
	return nil
}
