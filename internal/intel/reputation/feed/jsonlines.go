package feed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
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

// member is what a member of an entry is used for.
type member struct {
	column
	name string // in lower case; of members of members after a dot
	word string // of members, when the use is not from the mapping
}

// object reads entries that are JSON objects.
type object struct {
	use   map[string]*member // by name
	in    jsonscan.Scanner   // of a line
	name  []byte             // of the member that is read
	seen  []*member          // members of the entry, as table.found
	table table
}

// openJSONLines reads one JSON object a line, or one JSON array of objects.
func openJSONLines(r io.Reader, o *Options) (Reader, error) {
	known := roles()
	v := &object{use: map[string]*member{}, table: table{types: readers(), kinds: map[string]reputation.Kind{}}}
	for name, word := range members() {
		v.use[name] = &member{known[word], name, word}
	}
	for _, key := range sorted(o.Mapping) {
		name := strings.ToLower(o.Mapping[key])
		use, ok := known[key]
		if word, found := strings.CutPrefix(key, "kind:"); found {
			k, isKind := reputation.ParseKind(o.Mapping[key])
			if !isKind {
				return nil, fmt.Errorf("mapping %q: unknown kind %q", key, o.Mapping[key])
			}
			v.table.kinds[strings.ToLower(word)] = k
			continue
		}
		if !ok {
			return nil, fmt.Errorf("unknown mapping %q: write one of %s, or kind:WORD", key, strings.Join(sorted(known), ", "))
		}
		if use.role == roleObject { // it alone is meant
			for m, c := range v.use {
				if c.role == roleObject && c.word != "" {
					delete(v.use, m)
				}
			}
		}
		v.use[name] = &member{use, name, ""}
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
	v.in.Reset(line)
	p := pieces{Scanner: &v.in}
	if v.read(&p) != nil || p.wrong != nil || p.End() != nil {
		return &Refusal{Problem: "not a JSON object", Mend: "write one object a line"}
	}
	v.choose(&v.table)
	return v.table.fill(r, c)
}

// array reads the objects of one array.
func (v *object) array(in io.Reader, o *Options) Reader {
	p := newPieces(in)
	open := false
	return &entryReader{o: o, next: func(e *entryReader, c *reputation.Claim) error {
		if !open {
			if err := p.Array(); err != nil {
				return err
			}
			open = true
		}
		p.object()
		if ok, err := p.Item(); err != nil {
			return err
		} else if !ok {
			return io.EOF
		}
		e.entry++
		e.text = ""
		if err := v.read(p); err != nil {
			return notJSON(err)
		}
		if p.wrong != nil {
			return &Refusal{Problem: "not a JSON object"}
		}
		v.choose(&v.table)
		l := lineReader{o: e.o}
		err := v.table.fill(&l, c)
		for _, more := range l.more {
			e.also(c, more)
		}
		return err
	}}
}

// read takes an entry's members as cells, in the order of their names.
func (v *object) read(p *pieces) error {
	t := &v.table
	t.found, t.cells, v.seen = t.found[:0], t.cells[:0], v.seen[:0]
	ch, err := p.Peek()
	if err != nil || ch != '{' {
		if err == nil && p.wrong == nil {
			p.wrong = wrongForm("an entry", formOf(ch))
		}
		if err == nil {
			err = p.Skip()
		}
		return err
	}
	return v.collect(p, 0, 0)
}

// choose leaves the members of the entry that name its object best. The others tell
// about it (the network that an address is in, the host of a URL) and must not
// be listed with it. Hashes name the same file.
func (v *object) choose(t *table) {
	best := len(rank)
	for i, use := range t.found {
		if use.role == roleObject {
			best = min(best, v.seen[i].rank())
		}
	}
	chosen := false
	for i, use := range t.found {
		if use.role != roleObject {
			continue
		}
		n := v.seen[i].rank()
		if n != best || chosen && rank[n] != "hash" {
			t.found[i] = column{}
			continue
		}
		chosen = true
	}
}

// rank is the order in which members name the object.
var rank = [...]string{"value", "url", "domain", "hash", "ja4", "tlsh", "ip", "object", "asn"}

func (m *member) rank() int {
	for i, word := range rank {
		if m.word == word {
			return i
		}
	}
	return 0
}

// collect reads the members of an object whose own name is the first prefix bytes of
// v.name.
func (v *object) collect(p *pieces, prefix, depth int) error {
	if err := p.Object(); err != nil {
		return err
	}
	for {
		key, ok, err := p.Key()
		if !ok {
			return err
		}
		v.name = append(v.name[:prefix], lower(key)...)
		ch, err := p.Peek()
		switch {
		case err != nil:
			return notJSON(err)
		case ch == '{' && depth < 4:
			v.name = append(v.name, '.')
			err = v.collect(p, len(v.name), depth+1)
		case ch == '"' || ch == '-' || ch >= '0' && ch <= '9':
			err = v.cell(p, v.use[string(v.name)], ch != '"')
		default:
			err = p.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// lower is the text in lower case.
func lower(b []byte) []byte {
	for _, ch := range b {
		if ch >= 'A' && ch <= 'Z' || ch >= utf8.RuneSelf {
			return bytes.ToLower(b)
		}
	}
	return b
}

// cell keeps what a member tells. Of a member that comes twice the last counts.
func (v *object) cell(p *pieces, use *member, number bool) error {
	var cell []byte
	err := p.loose("", &cell)
	if err != nil || use == nil {
		return err
	}
	if number && bytes.IndexAny(cell, ".eE") > 0 {
		if f, bad := strconv.ParseFloat(string(cell), 64); bad == nil {
			cell = strconv.AppendFloat(nil, f, 'f', -1, 64)
		}
	}
	t := &v.table
	if use.role == roleType && use.name == "type" && use.word != "" && t.types[string(cell)] == nil {
		return nil // says something else, "ban"
	}
	i := len(v.seen)
	for i > 0 && v.seen[i-1].name > use.name {
		i--
	}
	if i > 0 && v.seen[i-1] == use {
		t.cells[i-1] = cell
		return nil
	}
	v.seen = slices.Insert(v.seen, i, use)
	t.found = slices.Insert(t.found, i, use.column)
	t.cells = slices.Insert(t.cells, i, cell)
	return nil
}
