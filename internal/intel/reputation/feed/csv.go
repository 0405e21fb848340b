package feed

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// roles are the words with which a mapping names what a column or member tells.
func roles() map[string]column {
	return map[string]column{
		"object": {roleObject, mixed}, "ip": {roleObject, address}, "socket": {roleObject, socket}, "domain": {roleObject, asDomain},
		"endpoint": {roleObject, text(canon.Endpoint)}, "path": {roleObject, text(canon.Path)},
		"url": {roleObject, asURL}, "hash": {roleObject, asFile}, "tlsh": {roleObject, text(canon.TLSH)}, "ja4": {roleObject, text(canon.JA4)},
		"certificate": {roleObject, text(canon.Cert)}, "email": {roleObject, text(canon.Email)}, "asn": {roleObject, text(canon.ASN)},
		"device": {roleObject, text(canon.Device)}, "value": {role: roleObject}, "type": {role: roleType}, "kind": {role: roleKind},
		"note": {role: roleNote}, "first": {role: roleFirst}, "last": {role: roleLast}, "until": {role: roleUntil},
		"lasting": {role: roleLasting}, "confidence": {role: roleConfidence}, "maker": {role: roleMaker}, "model": {role: roleModel},
	}
}

// readers are the words of a type's column.
func readers() map[string]func([]byte) (reputation.Object, error) {
	out := map[string]func([]byte) (reputation.Object, error){}
	for word, c := range roles() {
		if c.read != nil {
			out[word] = c.read
		}
	}
	for word, of := range map[string]string{"ip-dst": "ip", "ip-src": "ip", "ipv4": "ip", "ipv6": "ip", "ipv4-addr": "ip", "ipv6-addr": "ip",
		"cidr": "ip", "range": "ip", "Ip": "ip", "Range": "ip", "IP": "ip", "IPv4": "ip", "IPv6": "ip", "AS": "asn", "hostname": "domain", "fqdn": "domain",
		"host": "domain", "domain-name": "domain", "uri": "url", "URL": "url", "md5": "hash", "sha1": "hash", "sha256": "hash", "MD5": "hash", "SHA1": "hash",
		"SHA256": "hash", "FileHash-MD5": "hash", "FileHash-SHA1": "hash", "FileHash-SHA256": "hash", "file": "hash", "ip:port": "socket",
		"ip-dst|port": "socket", "email-src": "email", "email-dst": "email", "email-addr": "email"} {
		out[word] = out[of]
	}
	return out
}

// openCSV reads a table whose columns the mapping names: a role (see Formats) to a
// heading, or to a column's number from 1. "separator" is the comma (also "tab"),
// and "kind:WORD" the kind that a word of the kind's column stands for. With
// numbers alone the feed has no headings.
func openCSV(r io.Reader, o *Options) (Reader, error) {
	t := &table{comma: ',', names: map[string]column{}, kinds: map[string]reputation.Kind{}, types: readers()}
	known := roles()
	var order []string
	headed := false
	for _, key := range sorted(o.Mapping) {
		value := o.Mapping[key]
		use, isRole := known[key]
		switch {
		case key == "separator" && value == "tab":
			t.comma = '\t'
		case key == "separator" && len(value) == 1:
			t.comma = value[0]
		case strings.HasPrefix(key, "kind:"):
			k, ok := reputation.ParseKind(value)
			if !ok {
				return nil, fmt.Errorf("mapping %q: unknown kind %q", key, value)
			}
			t.kinds[strings.ToLower(key[len("kind:"):])] = k
		case !isRole:
			return nil, fmt.Errorf("unknown mapping %q: write one of %s, separator, or kind:WORD", key, strings.Join(sorted(known), ", "))
		default:
			name := strings.ToLower(value)
			n, err := strconv.Atoi(value)
			if headed = headed || err != nil; err == nil {
				if n < 1 || n > 1000 {
					return nil, fmt.Errorf("mapping %q: column %d: write 1 to 1000", key, n)
				}
				for len(order) < n {
					order = append(order, "")
				}
				name = "#" + value
				order[n-1] = name
			}
			t.names[name] = use
		}
	}
	if headed && len(order) > 0 {
		return nil, fmt.Errorf("the mapping names some columns by heading and some by number: choose one")
	}
	if t.order = order; !hasObject(t.names) {
		return nil, fmt.Errorf("the mapping names no column with an object: write for example object: 1, or ip: src_ip")
	}
	return newLines(r, o, t.read), nil
}

func hasObject(names map[string]column) bool {
	for _, c := range names {
		if c.role == roleObject || c.role == roleMaker {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
