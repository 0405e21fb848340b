package dns

import "net/netip"

// Addresses gives the addresses that an answer names, each with the name that
// was asked for: what stands between the two (CNAME) is left out. name is good
// during the call. A request has none.
func (t *Tx) Addresses(yield func(name []byte, a netip.Addr) bool) {
	asked := t.section(questions)
	if !t.head.response() || len(asked) != 1 {
		return
	}
	name := t.text(asked[0].name)
	for _, r := range t.section(answers) {
		if r.kind != typeA && r.kind != typeAAAA {
			continue
		}
		if a, ok := netip.AddrFromSlice(t.raw(r.data)); ok && a.Is4() == (r.kind == typeA) && !yield(name, a) {
			return
		}
	}
}
