// Package internet is the lab's outside world: a resolver, a clock, a web and
// firmware server, a streaming service, a speed test, an MQTT broker and a
// cloud that takes camera uploads. It answers whoever asks and knows nothing
// of the home; the lab's internet role runs it.
package internet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/miekg/dns"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/video"
	"github.com/masugata/masugata/internal/lab/viewer"
)

// Addrs says where each server listens.
type Addrs struct{ DNS, NTP, HTTP, Speed, MQTT, Cloud netip.AddrPort }

// Uploader is a camera whose upload the cloud judges.
type Uploader struct {
	Number uint8
	Name   string // of the counter
}

// FirmwareSize is the length of the firmware download in bytes.
const FirmwareSize = 512 << 10

// Run serves all until ctx ends.
func Run(ctx context.Context, a Addrs, up Uploader, t *tally.Tally, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := []func(context.Context) error{
		func(ctx context.Context) error { return ServeDNS(ctx, a.DNS, a.HTTP.Addr()) },
		func(ctx context.Context) error { return serveNTP(ctx, a.NTP) },
		func(ctx context.Context) error { return serveHTTP(ctx, a.HTTP) },
		func(ctx context.Context) error { return serveSpeed(ctx, a.Speed) },
		func(ctx context.Context) error { return serveMQTT(ctx, a.MQTT, log) },
		func(ctx context.Context) error { return serveCloud(ctx, a.Cloud, up, t, log) },
	}
	errs := make(chan error, len(servers))
	for _, s := range servers {
		go func() { errs <- s(ctx) }()
	}
	var all error
	for range servers {
		err := <-errs
		if err != nil {
			cancel()
		}
		all = errors.Join(all, err)
	}
	return all
}

// ServeDNS answers every A question with the given address until ctx ends.
func ServeDNS(ctx context.Context, listen netip.AddrPort, answer netip.Addr) error {
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: answer.AsSlice()}}
		}
		_ = w.WriteMsg(m)
	})
	srv := &dns.Server{Addr: listen.String(), Net: "udp", Handler: h}
	stop := context.AfterFunc(ctx, func() { _ = srv.Shutdown() })
	defer stop()
	if err := srv.ListenAndServe(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("dns server on %s: %w", listen, err)
	}
	return nil
}

// ntpEpoch is 1900 in Unix seconds (RFC 5905).
const ntpEpoch = -2208988800

func serveNTP(ctx context.Context, listen netip.AddrPort) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return fmt.Errorf("ntp server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	buf := make([]byte, 512)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ntp server: %w", err)
		}
		if n < 48 || buf[0]&7 != 3 {
			continue
		}
		now := time.Now()
		var r [48]byte
		r[0], r[1] = buf[0]&0x38|4, 1
		copy(r[24:32], buf[40:48])
		for _, off := range []int{16, 32, 40} {
			binary.BigEndian.PutUint32(r[off:], uint32(now.Unix()-ntpEpoch))
			binary.BigEndian.PutUint32(r[off+4:], uint32(uint64(now.Nanosecond())<<32/1e9))
		}
		_, _ = c.WriteToUDPAddrPort(r[:], from)
	}
}

// firmware gives the same bytes each time.
func firmware() []byte {
	b := make([]byte, FirmwareSize)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b
}

func serveHTTP(ctx context.Context, listen netip.AddrPort) error {
	fw := firmware()
	sum := sha256.Sum256(fw)
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a small page of the internet") })
	mux.HandleFunc("/firmware", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Sha256", hex.EncodeToString(sum[:]))
		http.ServeContent(w, r, "firmware.bin", time.Time{}, bytes.NewReader(fw))
	})
	mux.HandleFunc("/segment", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("bytes"))
		if err != nil || n < 1 || n > len(fw) {
			http.Error(w, fmt.Sprintf("bytes: want 1 to %d", len(fw)), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(fw[:n])
	})
	return ServeHTTP(ctx, listen, mux)
}

// ServeHTTP serves h at an address until ctx ends.
func ServeHTTP(ctx context.Context, listen netip.AddrPort, h http.Handler) error {
	srv := &http.Server{Addr: listen.String(), Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); ctx.Err() == nil {
		return fmt.Errorf("http server on %s: %w", listen, err)
	}
	return nil
}

// openDoor lets every client in: the lab's broker guards nothing.
type openDoor struct{ mqtt.HookBase }

func (*openDoor) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck
}

func (*openDoor) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

func (*openDoor) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

func serveMQTT(ctx context.Context, listen netip.AddrPort, log *slog.Logger) error {
	srv := mqtt.New(&mqtt.Options{Logger: log})
	if err := srv.AddHook(new(openDoor), nil); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	if err := srv.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: listen.String()})); err != nil {
		return fmt.Errorf("mqtt broker on %s: %w", listen, err)
	}
	if err := srv.Serve(); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	<-ctx.Done()
	return srv.Close()
}

func serveCloud(ctx context.Context, listen netip.AddrPort, up Uploader, t *tally.Tally, log *slog.Logger) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return fmt.Errorf("cloud: %w", err)
	}
	defer c.Close()
	_ = c.SetReadBuffer(1 << 20) // as far as the system allows
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	check := &video.Checker{Name: up.Name, Camera: up.Number, Tally: t}
	for started := false; ; {
		err := viewer.Receive(c, check)
		if ctx.Err() != nil {
			return nil
		}
		if started = started || t.Read()[up.Name].Total > 0; started {
			t.Lost(up.Name, 1, "upload broke: "+err.Error())
			log.Warn("camera upload broke", "error", err)
		}
	}
}
