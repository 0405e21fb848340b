package dnsbl

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// Config is what the lists need.
type Config struct {
	Zone    string         // under which addresses (reversed) and names are asked
	RPZ     string         // name of the response policy zone
	Least   uint8          // score from which an object is listed
	Clients []netip.Prefix // who may ask
	Source  Source
}

// Zones answers questions. It is safe for concurrent use.
type Zones struct {
	source  Source
	least   uint8
	clients []netip.Prefix
	zone    string // with the last dot
	rpz     string
	suffix  []byte // ".bl.example"
	policed []byte // ".rpz.example", which may lie below zone
	soaWire []byte // the SOA record of zone for answers that nothing is listed
}

// New reads the configuration; the error says which name is none.
func New(c Config) (*Zones, error) {
	z := &Zones{source: c.Source, least: c.Least, clients: c.Clients, zone: dns.CanonicalName(c.Zone), rpz: dns.CanonicalName(c.RPZ)}
	for _, name := range []string{z.zone, z.rpz} {
		if _, ok := dns.IsDomainName(name); !ok || name == "." || len(name) > 120 {
			return nil, fmt.Errorf("%q is no name for a zone", name)
		}
	}
	z.suffix = []byte("." + strings.TrimSuffix(z.zone, "."))
	z.policed = []byte("." + strings.TrimSuffix(z.rpz, "."))
	buf := make([]byte, 512)
	n, err := dns.PackRR(z.soa(z.zone), buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	z.soaWire = buf[:n]
	return z, nil
}

func (z *Zones) allowed(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range z.clients {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ofPolicy says whether a name, dotted, in lower case and without the last dot,
// is the policy zone's or below it.
func (z *Zones) ofPolicy(name []byte) bool {
	return bytes.HasSuffix(name, z.policed) || bytes.Equal(name, z.policed[1:])
}

func (z *Zones) soa(zone string) *dns.SOA {
	return &dns.SOA{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns: "localhost.", Mbox: "nobody.invalid.", Serial: z.source.Serial(), Refresh: 300, Retry: 60, Expire: 86400, Minttl: ttl}
}

func (z *Zones) ns(zone string) *dns.NS {
	return &dns.NS{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: ttl}, Ns: "localhost."}
}

// answer gives the answer to any message but a transfer.
func (z *Zones) answer(m *dns.Msg) *dns.Msg {
	a := new(dns.Msg)
	a.SetReply(m)
	if opt := m.IsEdns0(); opt != nil {
		a.SetEdns0(udpSize, false)
		if opt.Version() != 0 {
			a.Rcode = dns.RcodeBadVers
			return a
		}
	}
	switch {
	case m.Opcode != dns.OpcodeQuery:
		a.Rcode = dns.RcodeNotImplemented
		return a
	case len(m.Question) != 1:
		a.Rcode = dns.RcodeFormatError
		return a
	}
	q := m.Question[0]
	name := dns.CanonicalName(q.Name)
	switch {
	case q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY:
		a.Rcode = dns.RcodeRefused
	case dns.IsSubDomain(z.rpz, name): // may lie below zone
		a.Authoritative = true
		z.policy(a, q, name)
	case dns.IsSubDomain(z.zone, name):
		a.Authoritative = true
		z.list(a, q, name)
	default:
		a.Rcode = dns.RcodeRefused
	}
	return a
}

// apex answers for a zone's own name.
func (z *Zones) apex(a *dns.Msg, q dns.Question, zone string) {
	switch q.Qtype {
	case dns.TypeSOA:
		a.Answer = append(a.Answer, z.soa(zone))
	case dns.TypeNS:
		a.Answer = append(a.Answer, z.ns(zone))
	case dns.TypeANY:
		a.Answer = append(a.Answer, z.soa(zone), z.ns(zone))
	default:
		a.Ns = append(a.Ns, z.soa(zone))
	}
}

// list answers for the lists of RFC 5782.
func (z *Zones) list(a *dns.Msg, q dns.Question, name string) {
	if name == z.zone {
		z.apex(a, q, z.zone)
		return
	}
	asked, ok := parse([]byte(strings.TrimSuffix(name, "."+z.zone)))
	code := byte(0)
	if ok {
		code = asked.code(z.source, z.least)
	}
	if code == 0 {
		if !asked.within {
			a.Rcode = dns.RcodeNameError
		}
		a.Ns = append(a.Ns, z.soa(z.zone))
		return
	}
	head := func(t uint16) dns.RR_Header {
		return dns.RR_Header{Name: q.Name, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
	}
	if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
		a.Answer = append(a.Answer, &dns.A{Hdr: head(dns.TypeA), A: []byte{127, 0, 0, code}})
	}
	if q.Qtype == dns.TypeTXT || q.Qtype == dns.TypeANY {
		words := "test entry of RFC 5782"
		if asked.test == 0 {
			words = z.source.Words(asked.text())
		}
		a.Answer = append(a.Answer, &dns.TXT{Hdr: head(dns.TypeTXT), Txt: txtParts(words)})
	}
	if len(a.Answer) == 0 {
		a.Ns = append(a.Ns, z.soa(z.zone))
	}
}

// txtParts cuts a text into the strings of at most 255 bytes of a TXT record,
// two at most, and escapes it as miekg/dns wants it.
func txtParts(s string) []string {
	s = s[:min(len(s), 400)]
	var parts []string
	for len(s) > 0 {
		n := min(len(s), 200)
		parts = append(parts, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s[:n]))
		s = s[n:]
	}
	return parts
}

// listed says whether a brief is in the policy zone, and with which target.
func (z *Zones) target(b intel.Brief) (string, bool) {
	switch {
	case b.Local == intel.LocalAllow:
		return "rpz-passthru.", true
	case b.Local == intel.LocalDeny || b.Score >= z.least:
		return ".", true
	}
	return "", false
}
