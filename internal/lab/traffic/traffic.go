// Package traffic is what ordinary devices do all day: look up names, ask the
// time, fetch pages and firmware, publish and read messages, announce
// themselves, stream, and test their line. Every unit is counted by its fate
// in a tally, so that a single one lost shows. It knows the servers'
// addresses from its caller, the lab's roles.
package traffic

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/masugata/masugata/internal/lab/tally"
)

// patience is how long a request may take before it counts as lost.
const patience = 2 * time.Second

// every calls f at the given pace until ctx ends and counts each call by its
// error. Calls that ctx cut short are not counted.
func every(ctx context.Context, pace time.Duration, t *tally.Tally, name string, f func(context.Context) error) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, patience)
		err := f(one)
		cancel()
		if ctx.Err() != nil {
			return
		}
		t.Result(name, err)
	}
}

// DNS asks the resolver four times a second until ctx ends. A lost question
// is lost: it is not repeated.
func DNS(ctx context.Context, server netip.AddrPort, host string, t *tally.Tally) {
	c := &dns.Client{Net: "udp", Timeout: patience}
	n := 0
	every(ctx, 250*time.Millisecond, t, "dns", func(ctx context.Context) error {
		n++
		m := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.%s.home.example.", n, host), dns.TypeA)
		r, _, err := c.ExchangeContext(ctx, m, server.String())
		if err != nil {
			return err
		}
		if len(r.Answer) != 1 {
			return fmt.Errorf("dns: %d answers, want 1", len(r.Answer))
		}
		return nil
	})
}

// NTP asks the clock once a second until ctx ends.
func NTP(ctx context.Context, server netip.AddrPort, t *tally.Tally) {
	every(ctx, time.Second, t, "ntp", func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "udp", server.String())
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		var q [48]byte
		q[0] = 4<<3 | 3
		binary.BigEndian.PutUint64(q[40:], uint64(time.Now().UnixNano()))
		if _, err := c.Write(q[:]); err != nil {
			return err
		}
		var r [512]byte
		n, err := c.Read(r[:])
		if err != nil {
			return err
		}
		if n != 48 || r[0]&7 != 4 || string(r[24:32]) != string(q[40:48]) {
			return errors.New("ntp: the answer does not fit the question")
		}
		return nil
	})
}

// Pages fetches a small page at the given pace until ctx ends, over a new
// connection every time.
func Pages(ctx context.Context, url string, pace time.Duration, name string, t *tally.Tally) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	every(ctx, pace, t, name, func(ctx context.Context) error {
		_, _, err := get(ctx, c, url)
		return err
	})
}

// Firmware downloads and verifies the firmware every five seconds until ctx ends.
func Firmware(ctx context.Context, url string, t *tally.Tally) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	every(ctx, 5*time.Second, t, "firmware", func(ctx context.Context) error {
		body, head, err := get(ctx, c, url)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); got != head.Get("X-Sha256") {
			return fmt.Errorf("firmware: sha256 %s, want %s", got, head.Get("X-Sha256"))
		}
		return nil
	})
}

// segment is one second of television.
const segment = 500_000

// Stream watches television: one segment a second over one connection, each
// due within patience, until ctx ends.
func Stream(ctx context.Context, base string, t *tally.Tally) {
	c := &http.Client{}
	every(ctx, time.Second, t, "tv stream", func(ctx context.Context) error {
		body, _, err := get(ctx, c, fmt.Sprintf("%s/segment?bytes=%d", base, segment))
		if err == nil && len(body) != segment {
			err = fmt.Errorf("tv: segment of %d bytes, want %d", len(body), segment)
		}
		return err
	})
}

func get(ctx context.Context, c *http.Client, url string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	return body, res.Header, nil
}
