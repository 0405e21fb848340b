package internet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The speed test's protocol: the client writes "D N\n" to get N bytes or
// "U N\n" and N bytes to give them, which the server confirms with "OK\n".

// MaxSpeedBytes bounds one transfer.
const MaxSpeedBytes = 256 << 20

// SpeedConnRate is the pace of one connection in bytes a second, as a real
// line would set it.
const SpeedConnRate = 15e6 / 8

const speedTimeout = 20 * time.Second

func serveSpeed(ctx context.Context, listen netip.AddrPort) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(listen))
	if err != nil {
		return fmt.Errorf("speed test server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.AcceptTCP()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("speed test server: %w", err)
		}
		go func() {
			defer c.Close()
			_ = answerSpeed(c) // the client sees it
		}()
	}
}

func answerSpeed(c *net.TCPConn) error {
	if err := c.SetDeadline(time.Now().Add(speedTimeout)); err != nil {
		return err
	}
	r := bufio.NewReaderSize(c, 64<<10)
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	kind, text, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > MaxSpeedBytes {
		return fmt.Errorf("speed test: bytes %q, want 1 to %d", text, MaxSpeedBytes)
	}
	switch kind {
	case "D":
		return Pump(c, n)
	case "U":
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			return err
		}
		_, err := io.WriteString(c, "OK\n")
		return err
	}
	return errors.New("speed test: want D or U")
}

// Pump writes n bytes at the pace of SpeedConnRate.
func Pump(c *net.TCPConn, n int64) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	if err := raw.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, SpeedConnRate)
	}); err != nil {
		return err
	}
	if opt != nil {
		return fmt.Errorf("pace the connection: %w", opt)
	}
	block := make([]byte, 32<<10)
	for n > 0 {
		k, err := c.Write(block[:min(n, int64(len(block)))])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}
