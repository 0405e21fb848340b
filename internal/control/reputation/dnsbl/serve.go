package dnsbl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
)

const (
	batch        = 64      // packets taken from the kernel at once
	socketBuffer = 4 << 20 // for bursts, in bytes
	maxTCP       = 200
	maxTransfers = 2
	idleTCP      = 10 * time.Second
)

// Serve answers at addr over UDP and TCP until ctx ends.
func (z *Zones) Serve(ctx context.Context, addr string) error {
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		return fmt.Errorf("reputation.dns.listen: %w", err)
	}
	ln, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		udp.Close()
		return fmt.Errorf("reputation.dns.listen: %w", err)
	}
	return z.ServeOn(ctx, udp.(*net.UDPConn), ln)
}

// ServeOn is Serve on sockets that are open already; it closes them.
func (z *Zones) ServeOn(ctx context.Context, udp *net.UDPConn, ln net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	transfers := make(chan struct{}, maxTransfers)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { z.handle(w, m, transfers) })
	ready := make(chan struct{})
	srv := &dns.Server{Listener: &limited{Listener: ln, free: make(chan struct{}, maxTCP)}, Handler: handler, MaxTCPQueries: 1000,
		ReadTimeout: idleTCP, WriteTimeout: idleTCP, IdleTimeout: func() time.Duration { return idleTCP },
		NotifyStartedFunc: func() { close(ready) }}
	g.Go(srv.ActivateAndServe)
	z.serveUDP(g, udp, handler)
	g.Go(func() error {
		<-ctx.Done()
		udp.Close()
		ln.Close()
		select {
		case <-ready:
			_ = srv.Shutdown() // closes what is closed already
		default:
		}
		return nil
	})
	if err := g.Wait(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("reputation DNS: %w", err)
	}
	return nil
}

func (z *Zones) serveUDP(g *errgroup.Group, udp *net.UDPConn, handler dns.Handler) {
	_ = udp.SetReadBuffer(socketBuffer) // the kernel gives what it allows
	local, _ := udp.LocalAddr().(*net.UDPAddr)
	if local == nil || local.IP.IsUnspecified() {
		// Answers must leave from the address that was asked, of which there may be
		// several: the library sees to that.
		srv := &dns.Server{PacketConn: udp, Handler: handler, UDPSize: udpSize}
		g.Go(srv.ActivateAndServe)
		return
	}
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error { return z.loop(udp, local.IP.To4() != nil) })
	}
}

// batches reads and writes many packets with one call.
type batches interface {
	ReadBatch([]ipv4.Message, int) (int, error)
	WriteBatch([]ipv4.Message, int) (int, error)
}

// loop answers packets of one socket until it is closed.
func (z *Zones) loop(udp *net.UDPConn, four bool) error {
	var conn batches = ipv6.NewPacketConn(udp)
	if four {
		conn = ipv4.NewPacketConn(udp)
	}
	in, out := make([]ipv4.Message, batch), make([]ipv4.Message, 0, batch)
	answers, room := make([][]byte, batch), make([]byte, 256)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, udpSize)}
		answers[i] = make([]byte, 0, udpSize)
	}
	for {
		n, err := conn.ReadBatch(in, 0)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			continue // such as an ICMP error of an earlier answer
		}
		out = out[:0]
		for i := range in[:n] {
			from, _ := in[i].Addr.(*net.UDPAddr)
			answers[i] = z.packet(answers[i][:0], in[i].Buffers[0][:in[i].N], room, from)
			if len(answers[i]) > 0 {
				out = append(out, ipv4.Message{Buffers: answers[i : i+1 : i+1], Addr: from})
			}
		}
		for rest := out; len(rest) > 0; {
			n, err := conn.WriteBatch(rest, 0)
			if err != nil {
				n = 1 // the first cannot be sent; the others may
			}
			rest = rest[max(n, 1):]
		}
	}
}

// packet answers one packet by UDP; nothing is appended for what gets no
// answer.
func (z *Zones) packet(out, packet, room []byte, from *net.UDPAddr) []byte {
	if from == nil {
		return out
	}
	if a, _ := netip.AddrFromSlice(from.IP); z.allowed(a) {
		if done, ok := z.wire(out, packet, room); ok {
			return done
		}
	} else if len(packet) >= headerLen && packet[2]&0x80 == 0 {
		refused := append(out, packet[:headerLen]...)
		refused[2] = 0x80 | packet[2]&0x79
		refused[3] = dns.RcodeRefused
		clear(refused[4:])
		return refused
	} else {
		return out
	}
	return z.slow(out, packet)
}

func (z *Zones) slow(out, packet []byte) []byte {
	m := new(dns.Msg)
	if m.Unpack(packet) != nil || m.Response {
		return out
	}
	a := z.answer(m)
	size := dns.MinMsgSize
	if opt := m.IsEdns0(); opt != nil {
		size = min(max(size, int(opt.UDPSize())), udpSize)
	}
	a.Truncate(size)
	b, err := a.PackBuffer(out[:cap(out)])
	if err != nil {
		return out
	}
	return b
}

// handle answers where the library reads and writes.
func (z *Zones) handle(w dns.ResponseWriter, m *dns.Msg, transfers chan struct{}) {
	from, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil || !z.allowed(from.Addr()) {
		a := new(dns.Msg)
		_ = w.WriteMsg(a.SetRcode(m, dns.RcodeRefused)) // whoever asked is gone then
		return
	}
	_, byUDP := w.RemoteAddr().(*net.UDPAddr)
	if len(m.Question) == 1 && !byUDP && dns.CanonicalName(m.Question[0].Name) == z.rpz &&
		(m.Question[0].Qtype == dns.TypeAXFR || m.Question[0].Qtype == dns.TypeIXFR) {
		z.sendZone(w, m, transfers)
		return
	}
	a := z.answer(m)
	if byUDP {
		size := dns.MinMsgSize
		if opt := m.IsEdns0(); opt != nil {
			size = min(max(size, int(opt.UDPSize())), udpSize)
		}
		a.Truncate(size)
	}
	_ = w.WriteMsg(a)
}

func (z *Zones) sendZone(w dns.ResponseWriter, m *dns.Msg, transfers chan struct{}) {
	select {
	case transfers <- struct{}{}:
		defer func() { <-transfers }()
	default:
		a := new(dns.Msg)
		_ = w.WriteMsg(a.SetRcode(m, dns.RcodeRefused))
		return
	}
	z.transfer(func(e *dns.Envelope) bool {
		a := new(dns.Msg)
		a.SetReply(m)
		a.Authoritative, a.Compress, a.Answer = true, true, e.RR
		return w.WriteMsg(a) == nil
	})
}

// limited lets so many connections be open at once; more wait in the kernel.
type limited struct {
	net.Listener
	free chan struct{}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, free: l.free}, nil
}

type counted struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
