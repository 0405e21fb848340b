package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// vault makes TLS conversations with real handshakes.
type vault struct {
	rng   *rand.Rand
	hosts []string
	certs []tls.Certificate
}

func newVault(r *rand.Rand) (*vault, error) {
	v := &vault{rng: r, hosts: hosts(r, 400)}
	for i := range 8 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
		if err != nil {
			return nil, err
		}
		domain := name(r) + "." + pick(r, tlds)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(1e6 + i)),
			Subject:      pkix.Name{CommonName: "*." + domain, Organization: []string{name(r) + " Inc."}, Country: []string{"US"}},
			Issuer:       pkix.Name{CommonName: name(r) + " CA"},
			NotBefore:    time.Unix(1.75e9, 0), NotAfter: time.Unix(1.85e9, 0),
			DNSNames: []string{domain, "*." + domain},
		}
		der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			return nil, err
		}
		v.certs = append(v.certs, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	}
	return v, nil
}

// tape records what both ends of a pipe write, in order.
type tape struct {
	mu       sync.Mutex
	messages []message
}

type taped struct {
	net.Conn
	tape   *tape
	server bool
}

// Write records b and hands it on.
func (c taped) Write(b []byte) (int, error) {
	c.tape.mu.Lock()
	list := c.tape.messages
	if n := len(list); n > 0 && list[n-1].fromServer == c.server {
		list[n-1].data = append(list[n-1].data, b...)
	} else {
		c.tape.messages = append(list, message{fromServer: c.server, data: append([]byte(nil), b...)})
	}
	c.tape.mu.Unlock()
	return c.Conn.Write(b)
}

// talk plays a connection to a server name: a handshake and a few exchanges.
func (v *vault) talk(sni string) ([]message, error) {
	r := v.rng
	var t tape
	a, b := net.Pipe()
	limit := uint16(tls.VersionTLS13)
	if r.IntN(5) == 0 {
		limit = tls.VersionTLS12
	}
	client := tls.Client(taped{a, &t, false}, &tls.Config{ServerName: sni, InsecureSkipVerify: true, MaxVersion: limit, NextProtos: []string{"h2", "http/1.1"}}) //nolint:gosec // made-up certificates
	server := tls.Server(taped{b, &t, true}, &tls.Config{Certificates: v.certs[r.IntN(8):][:1], NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: r.IntN(2) == 0})
	sizes := make([][2]int, 1+r.IntN(6))
	for i := range sizes {
		sizes[i] = [2]int{200 + r.IntN(900), int(min(math.Exp(9.5+r.NormFloat64()*1.5), 2<<20))}
	}
	data := noise(r, 1<<16)
	failed := make(chan error, 1)
	go func() { failed <- serve(server, sizes, data) }()
	err := ask(client, sizes, data)
	if err != nil {
		a.Close()
	}
	if other := <-failed; err == nil {
		err = other
	}
	a.Close()
	b.Close()
	if err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", sni, err)
	}
	for i := range t.messages {
		t.messages[i].delay = int64(r.ExpFloat64() * 5e6)
	}
	return t.messages, nil
}

func serve(c *tls.Conn, sizes [][2]int, data []byte) error {
	buf := make([]byte, 2000)
	for _, s := range sizes {
		if _, err := io.ReadFull(c, buf[:s[0]]); err != nil {
			return err
		}
		for n := s[1]; n > 0; n -= len(data) {
			if _, err := c.Write(data[:min(n, len(data))]); err != nil {
				return err
			}
		}
	}
	return nil
}

func ask(c *tls.Conn, sizes [][2]int, data []byte) error {
	for _, s := range sizes {
		if _, err := c.Write(data[:s[0]]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c, int64(s[1])); err != nil {
			return err
		}
	}
	return nil
}
