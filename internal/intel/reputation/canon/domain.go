package canon

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxName is the longest name without its last dot (RFC 1035, 2.3.4).
const maxName = 253

// Domain reads a name: lower case, international names in their ASCII form
// (RFC 5891 with the mapping of UTS 46), without the last dot. A leading "*."
// or "." sets Below. Underscores and hyphens stand anywhere in a label, as
// resolvers allow. Addresses, single labels and public suffixes under which
// registries sell names ("co.uk") are refused with an *Error; suffixes that
// belong to someone ("duckdns.org") are not.
func Domain(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	below := false
	switch {
	case strings.HasPrefix(t, "*."):
		t, below = t[2:], true
	case strings.HasPrefix(t, "."):
		t, below = t[1:], true
	}
	name, e := hostname(s, strings.TrimSuffix(t, "."))
	if e != nil {
		return reputation.Object{}, e
	}
	if e := listable(s, name); e != nil {
		return reputation.Object{}, e
	}
	return reputation.Object{Type: reputation.TypeDomain, Text: name, Below: below}, nil
}

// Widen is a name's object with all names below it, as feeds mean it that list
// a name only. Public suffixes that belong to someone stay alone: whoever
// lists "duckdns.org" does not mean each of its customers.
func Widen(o reputation.Object) reputation.Object {
	if o.Type == reputation.TypeDomain && !o.Below {
		suffix, _ := publicsuffix.PublicSuffix(o.Text)
		o.Below = len(suffix) != len(o.Text)
	}
	return o
}

// Registrable is the part of a canonical name that its owner registered: one
// label more than its public suffix, also where that suffix belongs to someone
// ("a.b.duckdns.org" gives "b.duckdns.org"). ok is false for public suffixes
// and single labels.
func Registrable(name string) (domain string, ok bool) {
	suffix, _ := publicsuffix.PublicSuffix(name)
	i := len(name) - len(suffix) - 1
	if i <= 0 || name[i] != '.' {
		return "", false
	}
	return name[1+strings.LastIndexByte(name[:i], '.'):], true
}

// Parents calls yield with a canonical name and each name above it until one
// with two labels or until yield says false. Names that no one can register
// ("co.uk") are among them; they do no harm because Domain refuses to list
// them, and so the walk needs no table and allocates nothing.
func Parents(name string, yield func(string) bool) {
	for {
		dot := strings.IndexByte(name, '.')
		if dot < 0 || !yield(name) {
			return
		}
		name = name[dot+1:]
	}
}

// listable refuses names that would stand for more than anyone owns.
func listable(s, name string) *Error {
	if strings.IndexByte(name, '.') < 0 {
		return refuse(s, "a single label is no name that someone owns", "write the whole name")
	}
	if flat(name[strings.LastIndexByte(name, '.')+1:]) || strings.Count(name, ".") > 3 {
		return nil // no registry's suffix is that long
	}
	if suffix, icann := publicsuffix.PublicSuffix(name); icann && len(suffix) == len(name) {
		return refuse(s, "a public suffix: everything that is registered under it would be meant", "name the domains that are meant")
	}
	return nil
}

// flat names the largest top-level domains whose registries sell names right
// under them only: it spares most names the search in the table.
func flat(tld string) bool {
	switch tld {
	case "com", "net", "org", "info", "xyz", "top", "online", "site", "club", "shop", "icu", "dev", "app":
		return true
	}
	return false
}

// hostname brings a name without its last dot into canonical form. whole is
// the text for the error.
func hostname(whole, t string) (string, *Error) {
	clean, ascii := true, true
	for i := range len(t) {
		c := t[i]
		if c >= utf8.RuneSelf {
			ascii = false
		}
		if 'A' <= c && c <= 'Z' {
			clean = false
		}
	}
	switch {
	case !ascii:
		var e *Error
		if t, e = toASCII(whole, t); e != nil {
			return "", e
		}
	case !clean:
		t = strings.ToLower(t)
	}
	if problem := labels(t); problem != "" {
		return "", refuse(whole, problem, "write a name like camera.example.net")
	}
	return t, nil
}

// toASCII is the ASCII form of an international name. Names that the mapping
// refuses but that registries once sold (emoji) are encoded as they stand.
func toASCII(whole, t string) (string, *Error) {
	if !utf8.ValidString(t) || len(t) > 4*maxName {
		return "", refuse(whole, "not a name: its bytes are not UTF-8", "write it in UTF-8 or in its xn-- form")
	}
	if a, err := lookup().ToASCII(t); err == nil {
		return strings.TrimSuffix(strings.ToLower(a), "."), nil
	}
	a, err := idna.Punycode.ToASCII(strings.ToLower(t))
	if err != nil {
		return "", refuse(whole, "an international name that has no ASCII form", "write it in its xn-- form")
	}
	return strings.ToLower(a), nil
}

func lookup() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.VerifyDNSLength(false))
}

// labels says what is wrong with a lower-case name; "" is nothing.
func labels[T string | []byte](t T) string {
	if len(t) == 0 || len(t) > maxName {
		return "not a name: it must have 1 to 253 characters"
	}
	start, digits := 0, true
	for i := 0; i <= len(t); i++ {
		if i == len(t) || t[i] == '.' {
			if i == start {
				return "a name with an empty label"
			}
			if i-start > 63 {
				return "a label longer than 63 characters"
			}
			if i == len(t) {
				break
			}
			start, digits = i+1, true
			continue
		}
		switch c := t[i]; {
		case '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z', c == '-', c == '_':
			digits = false
		default:
			return "a character that names do not have"
		}
	}
	if digits {
		return "not a name: its last label is a number"
	}
	return ""
}
