package memory

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Nets is a set of networks with exceptions.
type Nets struct {
	with, without []netip.Prefix // in IPv6 form
}

// ParseNets reads "10.0.0.0/8", "[10.0.0.0/8,!10.1.1.1,$HOME_NET]", "any".
func ParseNets(text string, vars map[string]string) (Nets, error) {
	var n Nets
	err := n.add(strings.TrimSpace(text), false, vars, 0)
	if err == nil && len(n.with) == 0 {
		n.with = []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	return n, err
}

func (n *Nets) add(text string, not bool, vars map[string]string, depth int) error {
	if depth > 16 {
		return fmt.Errorf("addresses are nested too deeply at %q", text)
	}
	for strings.HasPrefix(text, "!") {
		not, text = !not, strings.TrimSpace(text[1:])
	}
	switch {
	case strings.HasPrefix(text, "["):
		if !strings.HasSuffix(text, "]") {
			return fmt.Errorf("%q has no closing bracket", text)
		}
		for _, part := range splitList(text[1 : len(text)-1]) {
			if err := n.add(strings.TrimSpace(part), not, vars, depth+1); err != nil {
				return err
			}
		}
		return nil
	case strings.HasPrefix(text, "$"):
		v, ok := vars[text[1:]]
		if !ok {
			return fmt.Errorf("variable %s is not set", text)
		}
		return n.add(strings.TrimSpace(v), not, vars, depth+1)
	}
	p, err := prefix(text)
	if err != nil {
		return err
	}
	if not {
		n.without = append(n.without, p)
	} else {
		n.with = append(n.with, p)
	}
	return nil
}

// splitList cuts at commas outside brackets.
func splitList(s string) (parts []string) {
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, s[from:])
}

// prefix reads an address or network into its IPv6 form.
func prefix(text string) (netip.Prefix, error) {
	if text == "any" {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
	}
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is no address", text)
		}
		return netip.PrefixFrom(netip.AddrFrom16(a.As16()), 128), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no network", text)
	}
	n := p.Bits()
	if p.Addr().Is4() {
		n += 96
	}
	return netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), n).Masked(), nil
}

// covers says whether a prefix in IPv6 form covers an address in that form.
// (netip's Contains refuses to compare IPv4-mapped addresses.)
func covers(p netip.Prefix, a *packet.Addr) bool {
	b, n := p.Addr().As16(), p.Bits()
	i := 0
	for ; n >= 8; n -= 8 {
		if a[i] != b[i] {
			return false
		}
		i++
	}
	return n == 0 || (a[i]^b[i])>>(8-n) == 0
}

// Has says whether an address is in the set.
func (n *Nets) Has(a packet.Addr) bool {
	for _, p := range n.without {
		if covers(p, &a) {
			return false
		}
	}
	for _, p := range n.with {
		if covers(p, &a) {
			return true
		}
	}
	return false
}
