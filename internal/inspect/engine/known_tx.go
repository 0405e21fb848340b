package engine

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// What of a transaction was asked for, in protocol.Inspection.Asked.
const (
	askedName uint8 = 1 << iota // and all else that comes with it
	askedCert
)

// asking says whose transactions name something that can be asked about.
func asking(specs []protocol.Spec) []bool {
	out := make([]bool, len(specs))
	for i := range specs {
		switch specs[i].ID {
		case protocol.DNS, protocol.TLS, protocol.QUIC, protocol.HTTP1, protocol.HTTP2, protocol.DOH2:
			out[i] = true
		default:
			out[i] = specs[i].Files
		}
	}
	return out
}

// consult asks about what the transactions of a packet name.
func (e *Engine) consult(c *rule.Context, a *app) {
	if len(c.Txs) == 0 || !e.known.asks[a.spec] {
		return
	}
	k := &e.known
	k.listed = Listed{Flow: c.Flow, Dir: c.Dir, Packet: c.Packet}
	for _, tx := range c.Txs {
		in := tx.Inspection()
		if in.Done {
			continue
		}
		if in.Asked&askedName == 0 {
			e.consultNames(c, a, tx, in)
		}
		if c.App == protocol.TLS && in.Asked&askedCert == 0 && tx.Stage(packet.ToClient) >= protocol.StageHeaders {
			in.Asked |= askedCert
			e.consultCert(c.Flow, tx)
		}
	}
	if s := &e.specs[a.spec]; s.Files && e.known.want(SubjectFile) && a.parser != nil {
		e.consultFiles(c)
	}
}

// consultNames asks for whom a transaction is.
func (e *Engine) consultNames(c *rule.Context, a *app, tx protocol.Tx, in *protocol.Inspection) {
	f := c.Flow
	switch c.App {
	case protocol.DNS:
		in.Asked |= askedName
		e.consultQuery(f, tx, f.Proto == 17)
		e.consultAnswer(f, tx)
	case protocol.TLS:
		if tx.Stage(packet.ToServer) >= protocol.StageLine {
			in.Asked |= askedName
			e.consultHello(f, a, tx, protocol.TLSSNI, "tls.sni")
		}
	case protocol.QUIC:
		if tx.Stage(packet.ToServer) >= protocol.StageLine {
			in.Asked |= askedName
			e.consultHello(f, a, tx, protocol.QUICSNI, "quic.sni")
		}
	case protocol.HTTP1, protocol.HTTP2, protocol.DOH2:
		if tx.Stage(packet.ToServer) >= protocol.StageHeaders {
			in.Asked |= askedName
			e.consultRequest(f, a, tx)
			if c.App == protocol.DOH2 {
				e.consultQuery(f, tx, false)
			}
		}
	}
}

// consultQuery asks about the names of a DNS request. alone is set for a
// datagram: others of its flow have names of their own.
func (e *Engine) consultQuery(f *flow.Flow, tx protocol.Tx, alone bool) {
	for i := 0; ; i++ {
		name, ok := tx.Bytes(protocol.DNSQuery, packet.ToServer, i)
		if !ok {
			return
		}
		e.known.subject = Subject{Kind: SubjectName, Text: name}
		s := e.ask("dns.query")
		switch {
		case !s.Stop:
		case alone:
			e.known.stop, e.known.answer = true, true
		default:
			e.condemn(f, s, e.bothEnds(f))
		}
	}
}

// consultHello asks about the name in a client's hello and about what the hello
// looks like.
func (e *Engine) consultHello(f *flow.Flow, a *app, tx protocol.Tx, sni protocol.Field, where string) {
	if name, ok := tx.Bytes(sni, packet.ToServer, 0); ok {
		e.named(f, a, name, portOf(f, true), where)
	}
	if a.met.allowed {
		return
	}
	if !e.known.want(SubjectJA4) {
		return
	}
	if print, ok := tx.Bytes(protocol.JA4Hash, packet.ToServer, 0); ok {
		e.known.subject = Subject{Kind: SubjectJA4, Text: print}
		e.condemn(f, e.ask("ja4"), e.bothEnds(f))
	}
}

// consultCert asks about the certificate of a server, by both digests that lists
// name certificates by.
func (e *Engine) consultCert(f *flow.Flow, tx protocol.Tx) {
	text, ok := tx.Bytes(protocol.TLSCertFingerprint, packet.ToClient, 0)
	if !ok || e.app(f).met.allowed || !e.known.want(SubjectCert) {
		return
	}
	k := &e.known
	for n := range sha1.Size { // digits with colons between them
		if len(text) < 3*n+2 {
			return
		}
		if _, err := hex.Decode(k.sum[n:n+1], text[3*n:3*n+2]); err != nil {
			return
		}
	}
	k.subject = Subject{Kind: SubjectCert, Sum: k.sum[:sha1.Size]}
	s := e.ask("tls.certificate")
	if der, ok := tx.Bytes(protocol.TLSCertificates, packet.ToClient, 0); ok && !s.Listed {
		k.sum = sha256.Sum256(der)
		k.subject = Subject{Kind: SubjectCert, Sum: k.sum[:]}
		s = e.ask("tls.certificate")
	}
	e.condemn(f, s, e.bothEnds(f))
}

// consultRequest asks about the host of an HTTP request and its URL.
func (e *Engine) consultRequest(f *flow.Flow, a *app, tx protocol.Tx) {
	host, _ := tx.Bytes(protocol.HTTPHost, packet.ToServer, 0)
	target, _ := tx.Bytes(protocol.HTTPURIRaw, packet.ToServer, 0)
	e.named(f, a, host, portOfTarget(f, target), "http.host")
	if a.met.allowed || len(target) == 0 || e.known.stop || !e.known.want(SubjectURL) {
		return
	}
	k := &e.known
	k.url = k.url[:0]
	switch {
	case target[0] == '/':
		if raw, has := tx.Bytes(protocol.HTTPHostRaw, packet.ToServer, 0); has {
			host = raw
		}
		if len(host) == 0 {
			k.url = appendHost(k.url, f.Server)
		}
		k.url = append(k.url, host...)
	case bytes.IndexByte(target, '/') < 0:
		return // CONNECT, OPTIONS *
	}
	k.url = append(k.url, target...)
	k.url = k.url[:min(len(k.url), maxURL)]
	k.subject = Subject{Kind: SubjectURL, Text: k.url}
	e.condemn(f, e.ask("http.uri"), e.bothEnds(f))
}

// appendHost writes an address as the host of a URL.
func appendHost(b []byte, a packet.Addr) []byte {
	n := netip.AddrFrom16(a).Unmap()
	if n.Is4() {
		return n.AppendTo(b)
	}
	return append(n.AppendTo(append(b, '[')), ']')
}

// maxURL is how much of a URL is asked about; what is longer is cut, so that
// what its beginning says still counts.
const maxURL = 2048

// consultFiles asks about files that have ended.
func (e *Engine) consultFiles(c *rule.Context) {
	for _, tx := range c.Txs {
		for d := packet.ToServer; d <= packet.ToClient; d++ {
			for _, file := range tx.Files(d) {
				if file.Asked || file.State != protocol.FileClosed {
					continue
				}
				file.Asked = true
				e.consultFile(c.Flow, file)
			}
		}
	}
}

// consultFile asks by each digest until one is known.
func (e *Engine) consultFile(f *flow.Flow, file *protocol.File) {
	k := &e.known
	k.listed.File = file
	for _, sum := range [3]struct {
		has bool
		b   []byte
	}{{file.HasSHA256, file.SHA256[:]}, {file.HasSHA1, file.SHA1[:]}, {file.HasMD5, file.MD5[:]}} {
		if !sum.has {
			continue
		}
		k.subject = Subject{Kind: SubjectFile, Sum: sum.b}
		if s := e.ask("file"); s.Listed || s.Allowed {
			e.condemn(f, s, e.bothEnds(f))
			break
		}
	}
	k.listed.File = nil
}
