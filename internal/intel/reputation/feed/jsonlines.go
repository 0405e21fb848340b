package feed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// members are the names that crowd block lists and the exports of common tools give
// to what an entry tells; the mapping adds to them and wins.
func members() map[string]string {
	return map[string]string{
		"value": "value", "ioc": "value", "ioc_value": "value", "indicator": "value", "observable": "value", "object": "value",
		"scope": "type", "type": "type", "ioc_type": "type",
		"ip": "ip", "ip_address": "ip", "ipaddress": "ip", "addr": "ip", "address": "ip", "cidr": "ip", "range": "ip", "network": "ip", "prefix": "ip",
		"src_ip": "ip", "source_ip": "ip", "dst_ip": "ip",
		"domain": "domain", "hostname": "object", "host": "object", "url": "url", "sha256": "hash", "sha256_hash": "hash", "sha1": "hash",
		"md5": "hash", "hash": "hash", "asn": "asn", "ja4": "ja4", "tlsh": "tlsh",
		"kind": "kind", "threat_type": "kind", "category": "kind", "scenario": "note", "malware": "note", "threat": "note", "tag": "note", "comment": "note",
		"reason": "note", "first_seen": "first", "firstseen": "first", "created_at": "first", "last_seen": "last", "lastseen": "last", "updated_at": "last",
		"until": "until", "valid_until": "until", "expiration": "until", "expires": "until", "duration": "lasting", "confidence": "confidence",
		"confidence_level": "confidence",
	}
}

// object reads entries that are JSON objects.
type object struct {
	use   map[string]column // by member, in lower case; members of members after a dot
	words map[string]string // the words of use that are not from the mapping
	seen  []string          // members of the entry, as table.found
	table table
}

// openJSONLines reads one JSON object a line, or one JSON array of objects.
func openJSONLines(r io.Reader, o *Options) (Reader, error) {
	known := roles()
	v := &object{use: map[string]column{}, words: members(), table: table{types: readers(), kinds: map[string]reputation.Kind{}}}
	for member, word := range v.words {
		v.use[member] = known[word]
	}
	for _, key := range sorted(o.Mapping) {
		member := o.Mapping[key]
		use, ok := known[key]
		if word, found := strings.CutPrefix(key, "kind:"); found {
			k, isKind := reputation.ParseKind(member)
			if !isKind {
				return nil, fmt.Errorf("mapping %q: unknown kind %q", key, member)
			}
			v.table.kinds[strings.ToLower(word)] = k
			continue
		}
		if !ok {
			return nil, fmt.Errorf("unknown mapping %q: write one of %s, or kind:WORD", key, strings.Join(sorted(known), ", "))
		}
		if use.role == roleObject { // it alone is meant
			for m, c := range v.use {
				if c.role == roleObject && v.words[m] != "" {
					delete(v.use, m)
				}
			}
		}
		v.use[strings.ToLower(member)] = use
		delete(v.words, strings.ToLower(member))
	}
	in := bufio.NewReaderSize(r, 4096)
	if head, _ := in.Peek(512); len(trim(head)) > 0 && trim(head)[0] == '[' {
		return v.array(in, o), nil
	}
	return newLines(in, o, v.line), nil
}

// line reads one line.
func (v *object) line(r *lineReader, line []byte, c *reputation.Claim) error {
	if line[0] == '#' {
		return nil
	}
	var entry map[string]any
	if json.Unmarshal(line, &entry) != nil {
		return &Refusal{Problem: "not a JSON object", Mend: "write one object a line"}
	}
	return v.fill(r, entry, c)
}

// array reads the objects of one array.
func (v *object) array(in io.Reader, o *Options) Reader {
	d, fresh := documentOf(in)
	open := false
	return &entryReader{o: o, next: func(e *entryReader, c *reputation.Claim) error {
		if !open {
			if err := expect(d, '['); err != nil {
				return err
			}
			open = true
		}
		fresh()
		if !d.More() {
			if err := expect(d, ']'); err != nil {
				return err
			}
			return io.EOF
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return notJSON(err)
		}
		e.entry++
		e.text = ""
		entry, ok := value.(map[string]any)
		if !ok {
			return &Refusal{Text: excerpt([]byte(fmt.Sprint(value))), Problem: "not a JSON object"}
		}
		l := lineReader{o: e.o}
		err := v.fill(&l, entry, c)
		for _, more := range l.more {
			e.also(c, more)
		}
		return err
	}}
}

// fill takes an entry's members as cells, in the order of their names.
func (v *object) fill(r *lineReader, entry map[string]any, c *reputation.Claim) error {
	t := &v.table
	t.found, t.cells, v.seen = t.found[:0], t.cells[:0], v.seen[:0]
	v.collect(t, "", entry, 0)
	v.choose(t)
	return t.fill(r, c)
}

// choose leaves the members of the entry that name its object best. The others tell
// about it (the network that an address is in, the host of a URL) and must not
// be listed with it. Hashes name the same file.
func (v *object) choose(t *table) {
	best := len(rank)
	for i, use := range t.found {
		if use.role == roleObject {
			best = min(best, v.rank(v.seen[i]))
		}
	}
	chosen := false
	for i, use := range t.found {
		if use.role != roleObject {
			continue
		}
		n := v.rank(v.seen[i])
		if n != best || chosen && rank[n] != "hash" {
			t.found[i] = column{}
			continue
		}
		chosen = true
	}
}

// rank is the order in which members name the object.
var rank = [...]string{"value", "url", "domain", "hash", "ja4", "tlsh", "ip", "object", "asn"}

func (v *object) rank(member string) int {
	for i, word := range rank {
		if v.words[member] == word {
			return i
		}
	}
	return 0
}

func (v *object) collect(t *table, prefix string, entry map[string]any, depth int) {
	for _, key := range sorted(entry) {
		name := prefix + strings.ToLower(key)
		var cell string
		switch value := entry[key].(type) {
		case string:
			cell = value
		case float64:
			cell = strconv.FormatFloat(value, 'f', -1, 64)
		case map[string]any:
			if depth < 4 {
				v.collect(t, name+".", value, depth+1)
			}
			continue
		default:
			continue
		}
		if use, ok := v.use[name]; ok {
			if use.role == roleType && name == "type" && v.words[name] != "" && t.types[cell] == nil {
				continue // says something else, "ban"
			}
			t.found = append(t.found, use)
			v.seen = append(v.seen, name)
			t.cells = append(t.cells, []byte(cell))
		}
	}
}
