package dnsbl

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// policy answers for the response policy zone (draft-vixie-dnsop-dns-rpz):
// CNAME to the root for what is not to resolve, to rpz-passthru for what the
// operator allows.
func (z *Zones) policy(a *dns.Msg, q dns.Question, name string) {
	if name == z.rpz {
		z.apex(a, q, z.rpz)
		return
	}
	target, ok := z.policyFor(strings.TrimSuffix(name, "."+z.rpz))
	switch {
	case !ok:
		a.Rcode = dns.RcodeNameError
		a.Ns = append(a.Ns, z.soa(z.rpz))
	case q.Qtype == dns.TypeCNAME, q.Qtype == dns.TypeANY, q.Qtype == dns.TypeA, q.Qtype == dns.TypeAAAA, q.Qtype == dns.TypeTXT:
		a.Answer = append(a.Answer, cname(q.Name, target))
	default:
		a.Ns = append(a.Ns, z.soa(z.rpz))
	}
}

func (z *Zones) policyFor(owner string) (target string, ok bool) {
	if ip, found := strings.CutSuffix(owner, ".rpz-ip"); found {
		p, ok := parseOwner(ip)
		if !ok || !p.IsSingleIP() {
			return "", false // what covers a whole prefix a transfer tells
		}
		return z.target(z.source.Address(p.Addr()))
	}
	return z.target(z.source.Domain([]byte(strings.TrimPrefix(owner, "*."))))
}

func cname(owner, target string) *dns.CNAME {
	return &dns.CNAME{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: ttl}, Target: target}
}

// owner is the name of a prefix in the zone: "24.0.2.0.192", or of IPv6
// "48.zz.8.db8.2001", where zz stands for the longest run of zeros.
func owner(p netip.Prefix) string {
	out := []string{strconv.Itoa(p.Bits())}
	if p.Addr().Is4() {
		b := p.Addr().As4()
		for i := 3; i >= 0; i-- {
			out = append(out, strconv.Itoa(int(b[i])))
		}
		return strings.Join(out, ".")
	}
	text := p.Addr().String()
	head, tail, run := strings.Cut(text, "::")
	words := strings.FieldsFunc(head, func(r rune) bool { return r == ':' })
	if run {
		words = append(words, "zz")
	}
	words = append(words, strings.FieldsFunc(tail, func(r rune) bool { return r == ':' })...)
	for i := len(words) - 1; i >= 0; i-- {
		out = append(out, words[i])
	}
	return strings.Join(out, ".")
}

// parseOwner reads what owner writes.
func parseOwner(s string) (netip.Prefix, bool) {
	words := strings.Split(s, ".")
	bits, err := strconv.Atoi(words[0])
	if err != nil || len(words) < 2 || len(words) > 9 {
		return netip.Prefix{}, false
	}
	var rest []string
	for i := len(words) - 1; i > 0; i-- {
		rest = append(rest, words[i])
	}
	text := strings.Join(rest, ".")
	if len(rest) != 4 || strings.Contains(text, "zz") {
		text = strings.Join(rest, ":")
		switch {
		case text == "zz":
			text = "::"
		case strings.HasPrefix(text, "zz:"):
			text = "::" + text[3:]
		case strings.HasSuffix(text, ":zz"):
			text = text[:len(text)-3] + "::"
		default:
			text = strings.Replace(text, ":zz:", "::", 1)
		}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}

// envelope is how many records one message of a transfer has.
const envelope = 100

// entry is one object of a transfer.
type entry struct {
	object intel.Object
	target string
}

// transfer sends the policy zone whole (RFC 5936). What is sent is gathered
// first: a slow receiver must not keep the source waiting.
func (z *Zones) transfer(send func(*dns.Envelope) bool) {
	var all []entry
	z.source.Each(func(o intel.Object, b intel.Brief) bool {
		if o.Type == intel.TypeDomain || o.Type == intel.TypePrefix {
			if target, ok := z.target(b); ok {
				all = append(all, entry{o, target})
			}
		}
		return true
	})
	rrs := []dns.RR{z.soa(z.rpz), z.ns(z.rpz)}
	for _, e := range all {
		rrs = z.records(rrs, e)
		if len(rrs) >= envelope {
			if !send(&dns.Envelope{RR: rrs}) {
				return
			}
			rrs = nil
		}
	}
	send(&dns.Envelope{RR: append(rrs, z.soa(z.rpz))})
}

func (z *Zones) records(rrs []dns.RR, e entry) []dns.RR {
	if e.object.Type == intel.TypePrefix {
		return append(rrs, cname(owner(e.object.Prefix)+".rpz-ip."+z.rpz, e.target))
	}
	name := e.object.Text + "." + z.rpz
	if _, ok := dns.IsDomainName("*." + name); !ok {
		return rrs // too long below this zone
	}
	rrs = append(rrs, cname(name, e.target))
	if e.object.Below {
		rrs = append(rrs, cname("*."+name, e.target))
	}
	return rrs
}
