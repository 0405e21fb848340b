package feed

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// comparison is one comparison of a STIX pattern.
type comparison struct {
	path   string
	op     string
	values []string
	not    bool
}

// branches gives an alternative for each value, in the parser's memory.
func (c *comparison) branches(p *patternParser) []branch {
	if c.isDetail() {
		b := branch{}
		if c.path == "network-traffic:dst_port" && (c.op == "=" || c.op == "==") && !c.not {
			b.port = portOf(c.values[0])
		}
		return []branch{b}
	}
	bad := func(problem, mend string) []branch {
		return []branch{{err: &Refusal{Text: excerpt([]byte(c.path + " " + c.op)), Problem: problem, Mend: mend}}}
	}
	read, known := stixPath(c.path)
	switch {
	case !known:
		return bad("a condition on what cannot be listed", "conditions on addresses, names, URLs, hashes, mail addresses and autonomous systems are read")
	case read == nil:
		return []branch{{}} // the file's name in another alphabet: a hash that is not kept
	case c.not || c.op == "!=" || c.op == "<>":
		return bad("a condition on what something is not", "only comparisons with = and IN can be listed")
	}
	wild := false
	switch c.op {
	case "=", "==", "IN":
	case "ISSUBSET":
		if !strings.HasPrefix(c.path, "ipv") && !strings.HasPrefix(c.path, "network-traffic:") {
			return bad("a comparison that cannot be listed", "only comparisons with = and IN can be listed")
		}
	case "LIKE":
		if wild = c.path == "domain-name:value" && isBelow(c.values[0]); !wild {
			return bad("a pattern in words, not an object", "only comparisons with = and IN, and LIKE '%.name', can be listed")
		}
	case "MATCHES":
		return bad("a regular expression, not an object", "only comparisons with = and IN can be listed")
	default:
		return bad("a comparison that cannot be listed", "only comparisons with = and IN can be listed")
	}
	start := len(p.list)
	for _, v := range c.values {
		if wild {
			v = "*" + v[1:]
		}
		o, err := read([]byte(v))
		if err != nil {
			p.list = append(p.list, branch{err: err})
			continue
		}
		n := len(p.objects)
		p.objects = append(p.objects, o)
		p.list = append(p.list, branch{objects: p.objects[n : n+1 : n+1], caller: strings.Contains(c.path, "src_ref")})
	}
	return p.list[start:len(p.list):len(p.list)]
}

// isBelow says whether a LIKE pattern means all names below one.
func isBelow(s string) bool {
	return strings.HasPrefix(s, "%.") && !strings.ContainsAny(s[2:], "%_*")
}

// isDetail says whether a comparison only narrows what another one names: ports of an
// address, names and sizes of a file with a hash.
func (c *comparison) isDetail() bool {
	kind, member, _ := strings.Cut(c.path, ":")
	switch {
	case strings.HasSuffix(member, "_ref.type"):
		return true
	case kind == "network-traffic":
		return strings.HasSuffix(member, "_port") || strings.HasPrefix(member, "protocols") || member == "is_active"
	case kind == "domain-name":
		return strings.HasPrefix(member, "resolves_to_refs")
	case kind == "file":
		return member == "name" || member == "size" || member == "mime_type" || strings.HasPrefix(member, "parent_directory_ref")
	}
	return false
}

// stixPath gives the reader of an object path's value; nil is a hash that is not
// kept.
func stixPath(path string) (read func([]byte) (reputation.Object, error), known bool) {
	kind, member, _ := strings.Cut(path, ":")
	if cut, ok := strings.CutPrefix(member, "hashes."); ok {
		return stixHash(kind, cut)
	}
	switch path {
	case "ipv4-addr:value", "ipv6-addr:value":
		return address, true
	case "domain-name:value":
		return asDomain, true
	case "url:value":
		return asURL, true
	case "email-addr:value", "email-message:from_ref.value", "email-message:sender_ref.value":
		return text(canon.Email), true
	case "autonomous-system:number":
		return text(canon.ASN), true
	case "network-traffic:dst_ref.value", "network-traffic:src_ref.value":
		return mixed, true
	}
	return nil, false
}

// stixHash gives the reader of a hash by the names of STIX's hash-algorithm-ov and
// those in use.
func stixHash(kind, name string) (func([]byte) (reputation.Object, error), bool) {
	name = strings.ReplaceAll(strings.ToUpper(name), "-", "")
	short := name == "MD5" || name == "SHA1" || name == "SHA256"
	switch kind {
	case "file", "artifact":
		switch {
		case short:
			return asFile, true
		case name == "TLSH":
			return text(canon.TLSH), true
		}
		return nil, true
	case "x509-certificate":
		if short {
			return text(canon.Cert), true
		}
	}
	return nil, false
}
