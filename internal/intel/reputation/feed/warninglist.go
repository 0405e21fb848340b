package feed

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// warninglist is a list of MISP's warninglists
// (https://github.com/MISP/misp-warninglists, schema.json): what must not be
// taken for bad by itself. Members of the document come in any order, so that
// the list is kept until its type is known.
type warninglist struct {
	name, kind, category string
	attributes           []string
	list                 []string
	at                   int
	loaded               bool
	large                bool // prefixes of networks with many hosts, of no told category
}

// openWarninglist reads one list.json. Entries are benign, or known when the
// list's category is "known". Without a category the source's kind counts, and if
// that is not told either, the prefixes of large networks are known, and lists of
// those who scan the internet.
func openWarninglist(r io.Reader, o *Options) (Reader, error) {
	w := &warninglist{}
	return &entryReader{o: o, next: func(e *entryReader, c *reputation.Claim) error {
		if !w.loaded {
			if err := w.load(r, o); err != nil {
				return err
			}
		}
		return w.next(e, c)
	}}, nil
}

func (w *warninglist) load(r io.Reader, o *Options) error {
	w.loaded = true
	p := newPieces(r)
	if err := p.Object(); err != nil {
		return fmt.Errorf("not a warninglist: %w", notJSON(err))
	}
	for {
		p.object()
		key, ok, err := p.Key()
		if err == nil && ok {
			err = w.member(p, string(key), o)
		}
		if err == nil {
			err = p.wrong
		}
		if err != nil {
			return notJSON(err)
		}
		if !ok {
			break
		}
	}
	switch {
	case w.category == "known":
		o.Source.Kind = reputation.KindKnown
	case w.category != "" || !o.told || o.Source.Kind > reputation.KindKnown:
		o.Source.Kind = reputation.KindBenign
	}
	if w.category == "" && !o.told && strings.Contains(strings.ToLower(w.name), "scan") {
		o.Source.Kind = reputation.KindKnown // who scans openly is told from attackers, but need not be let in
	}
	w.large = w.kind == "cidr" && w.category == "" && !o.told && isLarge(w.list)
	if w.name != "" {
		o.Name = note(w.name)
	}
	if w.list == nil {
		return errors.New(`not a warninglist: no "list"`)
	}
	return nil
}

// member reads one member of the document.
func (w *warninglist) member(p *pieces, name string, o *Options) error {
	var text []byte
	switch name {
	case "name":
		err := p.text(name, &text)
		w.name = string(text)
		return err
	case "type":
		err := p.text(name, &text)
		w.kind = string(text)
		return err
	case "category":
		err := p.text(name, &text)
		w.category = string(text)
		return err
	case "matching_attributes":
		return p.list(name, func() error {
			err := p.text(name, &text)
			w.attributes = append(w.attributes, string(text))
			return err
		})
	case "list":
		w.list = []string{}
		return p.list(name, func() error {
			p.object()
			err := p.loose("an entry", &text)
			p.wrong = nil // an object or array is no entry that can be read
			if err != nil {
				return err
			}
			w.list = append(w.list, string(text))
			text = nil
			return bound(o, len(w.list))
		})
	}
	return p.Skip()
}

// next gives the claim of the next entry.
func (w *warninglist) next(e *entryReader, c *reputation.Claim) (err error) {
	if w.at == len(w.list) {
		w.list = nil
		w.at = 0
		return io.EOF
	}
	*c = reputation.Claim{Source: e.o.Source.ID, Kind: e.o.Source.Kind, Note: e.o.Name}
	s := strings.TrimSpace(w.list[w.at])
	w.at++
	e.entry, e.text = w.at, s
	switch w.kind {
	case "cidr":
		if c.Object, err = address([]byte(s)); err == nil && w.large {
			ofNetwork(c)
		}
	case "hostname":
		c.Object, err = hostOrURL(s)
		c.Object = canon.Widen(c.Object)
	case "string":
		c.Object, err = w.value(e, c, s)
	case "substring":
		c.Object, err = part(s)
	case "regex":
		err = &Refusal{Problem: "a pattern, not an object", Mend: "only lists of type string, hostname and cidr name objects"}
	default:
		err = &Refusal{Problem: "a list of unknown type", Mend: "the types string, hostname and cidr are read"}
	}
	if err == nil {
		sparing(e, c)
	}
	return err
}

// sparing bounds what a list vouches for: a name below which others have their own
// names ("*.duckdns.org") is benign alone, what is below it is known only.
func sparing(e *entryReader, c *reputation.Claim) {
	o := c.Object
	if o.Type != reputation.TypeDomain || !o.Below || c.Kind != reputation.KindBenign {
		return
	}
	if o.Below = false; !canon.Widen(o).Below {
		e.also(c, o)
		c.Kind = reputation.KindKnown
	}
}

// part reads an entry of a list of type substring. What ends with a whole name
// contains it, so the name with all below is some of what the list means; no
// other part of a text is an object.
func part(s string) (reputation.Object, error) {
	o, err := hostOrURL(strings.TrimPrefix(s, "@"))
	if err != nil || o.Type != reputation.TypeDomain {
		return o, &Refusal{Problem: "part of a text, not an object", Mend: "only lists of type string, hostname and cidr name objects"}
	}
	return canon.Widen(o), nil
}

// hostOrURL reads a name, an address, or a URL.
func hostOrURL(s string) (reputation.Object, error) {
	if strings.Contains(s, "/") {
		return canon.Guess(s)
	}
	if p, ok := ipv4([]byte(s)); ok {
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}, nil
	}
	return canon.Domain(s)
}

// value reads an entry of a list of type string, whose matching attributes say
// what its entries are. Fingerprints of certificates may be given as hashes of
// files too: then the entry is both.
func (w *warninglist) value(e *entryReader, c *reputation.Claim, s string) (reputation.Object, error) {
	has := func(part string) bool {
		for _, a := range w.attributes {
			if strings.Contains(a, part) {
				return true
			}
		}
		return false
	}
	hash := has("md5") || has("sha1") || has("sha256")
	switch {
	case has("x509-fingerprint") && len(s) != 32:
		if o, err := canon.File(s); err == nil && (has("filename|") || !has("x509-fingerprint-")) {
			e.also(c, o)
		}
		return canon.Cert(s)
	case hash:
		return canon.File(s)
	case has("email") && strings.Contains(s, "@"):
		return canon.Email(s)
	case has("domain") || has("hostname"):
		return hostOrURL(s)
	case has("ip-") || has("url") || len(w.attributes) == 0:
		return canon.Guess(s)
	case has("AS"):
		return canon.ASN(s)
	}
	return reputation.Object{}, &Refusal{Problem: "attributes that no object has", Mend: "lists of addresses, names, URLs, hashes and certificates are read"}
}
