package index

import (
	"errors"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// ErrOpen says that an object cannot be asked for in private: addresses,
// networks and AS numbers are so few that their hashes hide nothing.
var ErrOpen = errors.New("addresses, networks and AS numbers cannot be asked for in private: all of them could be tried")

// Private is a question about an object that tells the service only the first
// four bytes of hashes. It belongs to one goroutine.
type Private struct {
	asked reputation.Object
	by    map[[32]byte][]reputation.Object // what each hash may stand for
}

// AskPrivate makes the question: of all objects that could answer for o in an
// Index, the hash. Errors are ErrOpen.
func AskPrivate(o reputation.Object) (*Private, error) {
	p := &Private{asked: o, by: map[[32]byte][]reputation.Object{}}
	switch o.Type {
	case reputation.TypePrefix, reputation.TypeASN:
		return nil, ErrOpen
	case reputation.TypeDomain:
		p.name(strings.TrimSuffix(o.Text, "."))
	case reputation.TypeURL:
		p.url(split(o.Text))
	case reputation.TypeEndpoint:
		p.add(o)
		if host, _, ok := canon.Host(o); ok && host.Type == reputation.TypeDomain {
			p.name(host.Text)
		}
	default:
		p.add(o)
	}
	return p, nil
}

// Partial says that the object's host is an address of which nothing is asked.
func (p *Private) Partial() bool {
	switch p.asked.Type {
	case reputation.TypeURL:
		return numeric(split(p.asked.Text).host)
	case reputation.TypeEndpoint:
		host, _, ok := canon.Host(p.asked)
		return ok && host.Type == reputation.TypePrefix
	}
	return false
}

// Prefixes appends what is sent to dst, in no order that tells anything.
func (p *Private) Prefixes(dst [][4]byte) [][4]byte {
	for sum := range p.by {
		dst = append(dst, [4]byte(sum[:]))
	}
	return dst
}

// Answer says what is known of the object, and which listed object says so, by
// the hashes that came back; those of other questions among them do no harm.
// It is what the service would have answered itself.
func (p *Private) Answer(full []Full) (reputation.Brief, reputation.Object) {
	b := NewBuilder(8)
	for _, f := range full {
		for _, o := range p.by[f.Hash] {
			if o.Type != f.Type || o.Below != f.Below {
				continue
			}
			if err := b.Add(o, f.Brief); err != nil {
				continue // an object that no index takes is in none
			}
		}
	}
	x, err := b.Build()
	if err != nil {
		return reputation.Brief{}, reputation.Object{}
	}
	return x.Object(p.asked)
}

func (p *Private) add(o reputation.Object) {
	if sum, ok := Hash(o); ok {
		p.by[sum] = append(p.by[sum], o)
	}
}

// name adds a name and those above it, each alone and with all below it.
func (p *Private) name(name string) {
	p.add(reputation.Object{Type: reputation.TypeDomain, Text: name})
	for rest, ok := name, true; ok; _, rest, ok = strings.Cut(rest, ".") {
		p.add(reputation.Object{Type: reputation.TypeDomain, Text: rest, Below: true})
	}
}

// url adds a URL with and without its query, its path on every host, and the
// beginnings of its path under each suffix of its host.
func (p *Private) url(l locator) {
	plain, _, _ := strings.Cut(l.path, "?")
	for _, path := range []string{l.path, plain} {
		p.add(reputation.Object{Type: reputation.TypeURL, Text: l.host + l.port + path})
		if len(path) > 1 {
			p.add(reputation.Object{Type: reputation.TypeURL, Text: path})
		}
		if path == "" || path == plain && l.path == plain {
			break
		}
	}
	hosts := []string{l.host}
	if l.port != "" {
		hosts = append(hosts, l.host+l.port)
	}
	if _, isAddr := parseHost(l.host); !isAddr && !numeric(l.host) {
		for _, rest, ok := strings.Cut(l.host, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
			hosts = append(hosts, rest)
		}
		p.name(l.host)
	}
	for _, host := range hosts {
		p.beginnings(host, l.path)
	}
}

// beginnings adds the expressions of one host: "/", and the path up to each
// segment, with and without a slash after it.
func (p *Private) beginnings(host, path string) {
	add := func(path string) {
		p.add(reputation.Object{Type: reputation.TypeURL, Below: true, Text: host + path})
	}
	add("/")
	w := walk{path: path}
	for n := 0; n < maxSegments && w.next(); n++ {
		add(path[:w.at])
		if strings.HasPrefix(path[w.at:], "/") {
			add(path[:w.at+1])
		}
	}
}
