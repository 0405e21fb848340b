package canon

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Endpoint reads an address or name with a port: "192.0.2.1:443",
// "[2001:db8::1]:443", "c2.example.net:8080". Errors are *Error.
func Endpoint(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	host, port, ok := cutPort(t)
	if !ok {
		return reputation.Object{}, refuse(s, "not an address or name with a port", "write it like 192.0.2.1:443, [2001:db8::1]:443 or example.net:443")
	}
	if mayBeAddress(strings.Trim(host, "[]")) {
		o, err := Address(host)
		if err != nil {
			return reputation.Object{}, err
		}
		if !o.Prefix.IsSingleIP() {
			return reputation.Object{}, refuse(s, "a prefix with a port", "write each address")
		}
		return FromAddrPort(netip.AddrPortFrom(o.Prefix.Addr(), port)), nil
	}
	o, err := Domain(host)
	if err != nil {
		return reputation.Object{}, err
	}
	if o.Below {
		return reputation.Object{}, refuse(s, "all names below one with a port", "write each name")
	}
	return reputation.Object{Type: reputation.TypeEndpoint, Text: o.Text + ":" + strconv.Itoa(int(port))}, nil
}

// FromAddrPort is the object of a valid address with its port.
func FromAddrPort(a netip.AddrPort) reputation.Object {
	return reputation.Object{Type: reputation.TypeEndpoint, Text: netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()}
}

// cutPort parts "host:port"; ok is false when there is no port from 1 to 65535, or
// more than one colon without brackets.
func cutPort(t string) (host string, port uint16, ok bool) {
	colon := strings.LastIndexByte(t, ':')
	if colon <= 0 || !isPort(t[colon+1:]) {
		return "", 0, false
	}
	host = t[:colon]
	if strings.IndexByte(host, ':') >= 0 && (host[0] != '[' || host[len(host)-1] != ']') {
		return "", 0, false
	}
	n, err := strconv.ParseUint(t[colon+1:], 10, 16)
	return host, uint16(n), err == nil && n > 0
}

// Host is the address or name of an endpoint in canonical form, and its port; ok is
// false for other objects. It allocates nothing.
func Host(endpoint reputation.Object) (host reputation.Object, port uint16, ok bool) {
	name, port, ok := cutPort(endpoint.Text)
	if endpoint.Type != reputation.TypeEndpoint || !ok {
		return reputation.Object{}, 0, false
	}
	if name[0] != '[' && !isNumericHost(name) {
		return reputation.Object{Type: reputation.TypeDomain, Text: name}, port, true
	}
	if name[0] == '[' {
		name = name[1 : len(name)-1]
	}
	a, err := netip.ParseAddr(name)
	return FromAddr(a), port, err == nil
}
