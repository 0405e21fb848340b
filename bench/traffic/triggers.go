package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// trigger is a transaction that fires a rule.
type trigger struct {
	sid     int
	kind    string // http, dns, tls, tcp
	outside bool   // the client is outside of the home network
	port    uint16 // tcp: of the server
	values  map[string][]byte
	answers bool // tcp: the payload comes from the server
}

// loadTriggers reads every rules file of a folder and keeps what it can fire.
func loadTriggers(dir string) (list []trigger, skipped int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.rules"))
	if err != nil {
		return nil, 0, err
	}
	slices.Sort(files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, 0, err
		}
		found, missed := triggersIn(text)
		list, skipped = append(list, found...), skipped+missed
	}
	return list, skipped, nil
}

func triggersIn(text []byte) (list []trigger, skipped int) {
	var r syntax.Rule
	for s := syntax.NewScanner(text); ; {
		more, bad := s.Next(&r)
		if !more {
			return list, skipped
		}
		if bad == nil {
			if t, ok := newTrigger(&r); ok {
				list = append(list, t)
				continue
			}
		}
		skipped++
	}
}

// buffers names the sticky buffers that are filled, by their old and new names.
var buffers = map[string]string{
	"http.uri": "uri", "http.host": "host", "http.method": "method", "http.user_agent": "agent", "http.cookie": "cookie",
	"http.referer": "referer", "http.content_type": "type", "http.request_body": "body", "http.response_body": "page",
	"file.data": "page", "file_data": "page", "http.stat_code": "status", "http.accept": "accept",
	"dns.query": "query", "dns_query": "query", "tls.sni": "sni", "tls_sni": "sni",
}

// reader follows the options of a rule.
type reader struct {
	t        trigger
	demands  map[string]*demand
	now      string // the sticky buffer, "" is the payload
	toClient bool
	last     *content
}

func newTrigger(r *syntax.Rule) (trigger, bool) {
	x := reader{t: trigger{kind: r.Proto.Text, values: map[string][]byte{}}, demands: map[string]*demand{}}
	switch x.t.kind {
	case "http", "dns", "tls", "tcp":
	default:
		return trigger{}, false
	}
	if r.Action.Text != "alert" {
		return trigger{}, false
	}
	for _, o := range r.Options {
		if !x.option(o.Name.Text, o.Value) {
			return trigger{}, false
		}
	}
	return x.t, x.header(r) && x.fill()
}

// header checks addresses and ports against who will be where.
func (x *reader) header(r *syntax.Rule) bool {
	src, dst, port := r.Src.Text, r.Dst.Text, r.Dport.Text
	if x.toClient {
		src, dst, port = dst, src, r.Sport.Text
	}
	if r.Arrow.Text != "->" || x.toClient && r.Dport.Text != "any" || !x.toClient && r.Sport.Text != "any" {
		return false
	}
	inside := func(a string) bool {
		return a == "any" || a == "$HOME_NET" || a == "$HTTP_SERVERS" || a == "$SQL_SERVERS" || a == "$DNS_SERVERS"
	}
	outside := func(a string) bool { return a == "any" || a == "$EXTERNAL_NET" }
	switch {
	case inside(src) && outside(dst):
	case outside(src) && inside(dst) && x.t.kind != "dns":
		x.t.outside = true
	default:
		return false
	}
	switch port {
	case "any":
		x.t.port = 4444
	case "$HTTP_PORTS":
		x.t.port = 80
	default:
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || x.t.kind != "tcp" && !slices.Contains([]string{"80", "443", "53"}, port) {
			return false
		}
		x.t.port = uint16(n)
	}
	return true
}

// option takes one option and is false for those that are not simple.
func (x *reader) option(name string, value syntax.Token) bool {
	number := func(into *int) bool {
		n, err := strconv.Atoi(strings.TrimSpace(value.Text))
		*into = n
		return err == nil && x.last != nil
	}
	var dummy content
	last := x.last
	if last == nil {
		last = &dummy
	}
	switch name {
	case "msg", "reference", "classtype", "rev", "metadata", "gid", "priority", "target", "threshold", "fast_pattern", "rawbytes":
		return !strings.Contains(value.Text, "type both") && !strings.Contains(value.Text, "type threshold")
	case "sid":
		n, err := strconv.Atoi(value.Text)
		x.t.sid = n
		return err == nil
	case "flow":
		x.toClient = strings.Contains(value.Text, "to_client") || strings.Contains(value.Text, "from_server")
		return !strings.Contains(value.Text, "not_") && !strings.Contains(value.Text, "stateless")
	case "flowbits":
		return strings.HasPrefix(value.Text, "set,")
	case "content":
		return x.content(value)
	case "nocase":
		last.nocase = true
	case "startswith":
		last.startswith = true
	case "endswith":
		last.endswith = true
	case "isdataat":
		last.endswith = true
		return strings.ReplaceAll(value.Text, " ", "") == "!1,relative"
	case "depth":
		return number(&last.depth)
	case "offset":
		return number(&last.offset)
	case "distance":
		return number(&last.distance)
	case "within":
		return number(&last.within)
	case "bsize":
		n, err := strconv.Atoi(value.Text)
		x.demand().size = n
		return err == nil
	case "dotprefix":
		x.demand().dotprefix = true
	default:
		b, ok := buffers[name]
		x.now, x.last = b, nil
		return ok
	}
	return x.last != nil || name == "dotprefix"
}

func (x *reader) demand() *demand {
	d := x.demands[x.now]
	if d == nil {
		d = &demand{size: -1}
		x.demands[x.now] = d
	}
	return d
}

func (x *reader) content(value syntax.Token) bool {
	inner, negated, bad := value.Quoted()
	if bad != nil {
		return false
	}
	pattern, bad := inner.Bytes()
	if bad != nil || len(pattern) == 0 {
		return false
	}
	d := x.demand()
	d.contents = append(d.contents, content{pattern: pattern, negated: negated, depth: -1, offset: -1, distance: noDistance, within: noDistance})
	x.last = &d.contents[len(d.contents)-1]
	return true
}

// fill makes the buffers and checks that they can be sent as such.
func (x *reader) fill() bool {
	positive := false
	for name, d := range x.demands {
		first := slices.IndexFunc(d.contents, func(c content) bool { return !c.negated })
		if first < 0 {
			if name == "" || !d.met([]byte(defaults[name])) {
				return false
			}
			continue
		}
		positive = positive || name != "method" && name != "status"
		start, filler := "", byte('a')
		lead := d.contents[first].pattern[0]
		switch {
		case name == "uri" && lead != '/':
			start = "/"
		case (name == "host" || name == "sni" || name == "query") && lead == '.' && !d.dotprefix:
			start = "www"
		}
		buf, ok := d.build(start, filler)
		if !ok {
			return false
		}
		if d.dotprefix {
			if buf[0] != '.' {
				return false
			}
			buf = buf[1:]
		}
		if !sendable(name, buf) {
			return false
		}
		x.t.values[name] = buf
	}
	return positive && x.fits()
}

// defaults are what is sent where a rule asks for nothing.
var defaults = map[string]string{"uri": "/", "host": "www.example.net", "method": "GET", "agent": "Mozilla/5.0", "status": "200"}

// sendable says whether a value arrives in its buffer as it is.
func sendable(name string, v []byte) bool {
	if len(v) == 0 || len(v) > 4000 {
		return false
	}
	text := string(v)
	for _, c := range v {
		if c < 0x20 || c > 0x7e {
			return name == "" || name == "page" || name == "body"
		}
	}
	switch name {
	case "uri":
		return v[0] == '/' && !strings.ContainsAny(text, " #%\\") && !strings.Contains(text, "//") && !strings.Contains(text, "/.")
	case "host", "sni", "query":
		for _, label := range strings.Split(text, ".") {
			if label == "" || len(label) > 63 {
				return false
			}
		}
		return len(v) < 250 && text == strings.ToLower(text) && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == "" && strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz")
	case "method":
		return slices.Contains([]string{"GET", "POST", "PUT", "HEAD", "DELETE"}, text)
	case "status":
		return len(v) == 3 && (text == "200" || text == "404" || text == "500" || text == "403")
	case "agent", "cookie", "referer", "type", "accept":
		return text == strings.TrimSpace(text)
	}
	return true
}

// fits says whether the buffers belong to one kind of transaction and direction.
func (x *reader) fits() bool {
	v, kind := x.t.values, x.t.kind
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return v[n] != nil })
	}
	request := has("uri", "host", "method", "agent", "cookie", "referer", "body", "accept")
	switch kind {
	case "dns":
		return has("query") && len(v) == 1
	case "tls":
		return has("sni") && len(v) == 1
	case "tcp":
		x.t.answers = x.toClient
		return has("") && len(x.demands) == 1
	}
	if has("query", "sni", "") || x.demands[""] != nil || has("status") && !has("page") {
		return false
	}
	if string(v["method"]) == "HEAD" || has("body") && has("method") && string(v["method"]) != "POST" && string(v["method"]) != "PUT" {
		return false
	}
	return x.toClient && has("page") && !request || !x.toClient && request && !has("page", "status")
}
