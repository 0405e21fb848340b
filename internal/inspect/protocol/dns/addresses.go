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

// Asked gives the name that an answer was asked for; false where it is no
// answer to one question. It is good until the message goes.
func (t *Tx) Asked() ([]byte, bool) {
	asked := t.section(questions)
	if !t.head.response() || len(asked) != 1 {
		return nil, false
	}
	return t.text(asked[0].name), true
}

// Alias gives the first name from an answer's record n on that stands behind
// the one that was asked for (CNAME), and the record after it; -1 when there is
// none.
func (t *Tx) Alias(n int) (name []byte, next int) {
	list := t.section(answers)
	for ; n < len(list); n++ {
		if r := &list[n]; r.kind == typeCNAME && r.target.n > 0 {
			return t.text(r.target), n + 1
		}
	}
	return nil, -1
}
