package index

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxName is the longest name in bytes that is looked up.
const maxName = 255

// Domain says what is known of a name, and which listed name says so: itself,
// or the nearest above it that holds for all below. Upper case and a dot at the end do
// no harm.
func (x *Index) Domain(name string) (b reputation.Brief, matched string) {
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxName {
		return b, ""
	}
	for i := range len(name) {
		if name[i]-'A' < 26 {
			return x.foldedDomain(name)
		}
	}
	e := x.name(name, false)
	return e.brief.brief(), e.text
}

// DomainBytes is Domain for a name in a buffer of the caller.
func (x *Index) DomainBytes(name []byte) (b reputation.Brief, matched string) {
	return x.Domain(view(name))
}

func (x *Index) foldedDomain(name string) (b reputation.Brief, matched string) {
	var buf [maxName]byte
	for i := range len(name) {
		c := name[i]
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	e := x.name(view(buf[:len(name)]), false)
	return e.brief.brief(), e.text
}

// name finds the most exact entry among a name and those above it; with below,
// the question is about all names below it, for which an entry of the name
// alone says nothing.
func (x *Index) name(name string, below bool) (best entry) {
	t := &x.table
	if len(t.chunks) == 0 || name == "" || len(name) > maxName {
		return best
	}
	h, end, labels := t.salts.name, len(name), 0
	for i := end - 1; i >= 0; i-- {
		if name[i] != '.' {
			continue
		}
		h = hashText(h, name[i+1:end])
		end = i
		if labels++; labels >= x.minLabels {
			x.among(&best, h, name[i+1:], true)
		}
	}
	x.among(&best, hashText(h, name[:end]), name, below)
	return best
}

// among looks at the entries of one name, narrower than all before. An entry of
// the name alone is narrower than one with all below it.
func (x *Index) among(best *entry, h uint64, name string, onlyBelow bool) {
	c := x.table.find(h)
	for ref := x.table.next(&c); ref != 0; ref = x.table.next(&c) {
		e := x.table.at(ref)
		if e.typ != reputation.TypeDomain || e.text != name || onlyBelow && !e.below {
			continue
		}
		*best = e
		if !e.below {
			return
		}
	}
}
