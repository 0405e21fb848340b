package traffic

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/masugata/masugata/internal/lab/tally"
)

func mdnsGroup() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353} }

// Announce sends a numbered mDNS announcement (RFC 6762) twice a second until
// ctx ends.
func Announce(ctx context.Context, host string, t *tally.Tally) {
	n := 0
	every(ctx, 500*time.Millisecond, t, "mdns announce", func(context.Context) error {
		n++
		m := new(dns.Msg)
		m.Response, m.Authoritative = true, true
		name := host + "._camera._tcp.local."
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 120}, Txt: []string{"n=" + strconv.Itoa(n)}}}
		b, err := m.Pack()
		if err != nil {
			return err
		}
		c, err := net.DialUDP("udp4", nil, mdnsGroup())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(b)
		return err
	})
}

// Listen hears the announcements of the network on the named port until ctx
// ends and counts the missing ones of each host.
func Listen(ctx context.Context, port string, t *tally.Tally) error {
	ifi, err := net.InterfaceByName(port)
	if err != nil {
		return fmt.Errorf("mdns: %w", err)
	}
	c, err := net.ListenMulticastUDP("udp4", ifi, mdnsGroup())
	if err != nil {
		return fmt.Errorf("mdns: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	last := map[string]int{}
	buf := make([]byte, 2048)
	for {
		n, _, err := c.ReadFromUDP(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mdns: %w", err)
		}
		hear(buf[:n], last, t)
	}
}

func hear(b []byte, last map[string]int, t *tally.Tally) {
	var m dns.Msg
	if err := m.Unpack(b); err != nil {
		t.Wrong("mdns hear", 1, err.Error())
		return
	}
	for _, rr := range m.Answer {
		txt, ok := rr.(*dns.TXT)
		if !ok || len(txt.Txt) == 0 {
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(txt.Txt[0], "n="))
		if err != nil {
			continue
		}
		host := txt.Hdr.Name
		if was, known := last[host]; known && n > was+1 {
			t.Lost("mdns hear", uint64(n-was-1), fmt.Sprintf("%s: announcement %d after %d", host, n, was))
		}
		last[host] = n
		t.Good("mdns hear", 1)
	}
}
