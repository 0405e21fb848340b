package feed

import (
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// maxBranches is how many alternatives a condition may have.
const maxBranches = 20_000

// branch is one alternative of a condition of STIX or OpenIOC: objects that name the
// same thing, nothing (a detail, which only narrows an alternative), or
// why the alternative cannot be listed.
type branch struct {
	objects []reputation.Object
	port    uint16 // that a detail narrows an address or name to
	caller  bool   // the object is who calls, to which a port of the other end says nothing
	err     error
}

func (b *branch) detail() bool { return b.err == nil && len(b.objects) == 0 }

// bothOf joins two conditions that must hold together. A list knows no "together":
// only details and the hashes of one file can be joined.
func bothOf(a, b []branch) []branch {
	switch {
	case allDetails(b):
		return narrowed(a, b)
	case allDetails(a):
		return narrowed(b, a)
	case len(a) == 1 && len(b) == 1:
		return []branch{joined(a[0], b[0])}
	}
	return []branch{{err: together()}}
}

// narrowed applies details to alternatives: an address or name with a port is an
// endpoint, of the others nothing is kept.
func narrowed(list, details []branch) []branch {
	if len(details) != 1 || details[0].port == 0 || len(list) != 1 {
		return list
	}
	b := list[0]
	switch {
	case b.detail():
		b.port = details[0].port
	case len(b.objects) == 1 && !b.caller && b.err == nil:
		o, err := canon.Endpoint(bracketed(b.objects[0].String()) + ":" + strconv.Itoa(int(details[0].port)))
		if err != nil {
			return list // a prefix, or a name with all below it
		}
		b.objects = []reputation.Object{o}
	}
	return []branch{b}
}

// bracketed is a host as it stands before a port.
func bracketed(host string) string {
	if strings.Contains(host, ":") && host[0] != '[' {
		return "[" + host + "]"
	}
	return host
}

// portOf reads a port; 0 is none.
func portOf(s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

func allDetails(list []branch) bool {
	for i := range list {
		if !list[i].detail() {
			return false
		}
	}
	return true
}

// joined joins two single alternatives.
func joined(a, b branch) branch {
	switch {
	case a.err != nil:
		return a
	case b.err != nil:
		return b
	}
	all := append([]reputation.Object(nil), a.objects...)
	for _, o := range append(b.objects, a.objects...) {
		if o.Type != reputation.TypeFile && o.Type != reputation.TypeTLSH {
			return branch{err: together()}
		}
		fresh := true
		for _, other := range all {
			if other.Type == o.Type && len(other.Text) == len(o.Text) {
				if other.Text != o.Text {
					return branch{err: together()}
				}
				fresh = false
			}
		}
		if fresh {
			all = append(all, o)
		}
	}
	return branch{objects: all}
}

func together() error {
	return &Refusal{Problem: "things that are bad only together", Mend: "only conditions joined by OR, and hashes of one file, can be listed"}
}

// branches gives the outcome of each alternative. *.name stands for name too when both
// follow each other.
func (p *piecewise) branches(c reputation.Claim, list []branch) {
	for i := range list {
		b := &list[i]
		switch {
		case b.err != nil:
			p.refuse(b.err)
		case len(b.objects) == 0:
			p.refuse(&Refusal{Problem: "a condition on nothing that can be listed", Mend: "conditions on addresses, names, URLs, hashes, mail addresses and autonomous systems are read"})
		}
		for _, o := range b.objects {
			if i+1 < len(list) && len(list[i+1].objects) == 1 && under(o, list[i+1].objects[0]) {
				continue
			}
			p.give(c, o)
		}
	}
}

// under says whether wide is name with all names below it.
func under(name, wide reputation.Object) bool {
	return name.Type == reputation.TypeDomain && wide.Type == name.Type && wide.Below && !name.Below && name.Text == wide.Text
}
