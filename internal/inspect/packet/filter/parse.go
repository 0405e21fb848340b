package filter

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of a filter.
const (
	maxDepth = 64
	maxNodes = 1024
)

// IP protocols that ports belong to, and those with a name of their own.
const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
	protoSCTP  = 132
)

type token struct {
	text   string
	column int
}

type parser struct {
	tokens []token
	at     int
	end    int // column behind the text
	nodes  []node
	depth  int
	last   test // qualifiers of the primitive before, for "port 80 or 443"
	given  bool // last is set
}

// Parse reads a filter. "" takes every packet. The error is an *Error.
func Parse(text string) (*Filter, error) {
	p := &parser{tokens: split(text), end: len(text) + 1}
	if len(p.tokens) == 0 {
		return &Filter{}, nil
	}
	if _, err := p.expression(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.text != "" {
		return nil, wrong(t, fmt.Sprintf("%q comes unexpected", t.text), `join parts with "and" or "or"`)
	}
	return &Filter{p.nodes}, nil
}

// split cuts a text into words, parentheses and signs.
func split(text string) []token {
	var out []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')' || c == '!':
			out = append(out, token{text[i : i+1], i + 1})
			i++
		case strings.HasPrefix(text[i:], "&&") || strings.HasPrefix(text[i:], "||"):
			out = append(out, token{text[i : i+2], i + 1})
			i += 2
		default:
			n := strings.IndexAny(text[i:], " \t\n\r()!&|")
			if n <= 0 {
				n = max(1, len(text)-i)
				if strings.IndexAny(text[i:], "&|") == 0 {
					n = 1
				}
			}
			out = append(out, token{text[i : i+n], i + 1})
			i += n
		}
	}
	return out
}

func wrong(t token, problem, mend string) *Error {
	return &Error{Column: t.column, Problem: problem, Mend: mend}
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{"", p.end}
}

// accept takes the next word if it is one of those.
func (p *parser) accept(words ...string) bool {
	next := p.peek().text
	for _, w := range words {
		if next == w {
			p.at++
			return true
		}
	}
	return false
}

func (p *parser) add(n node) (int, error) {
	if len(p.nodes) >= maxNodes {
		return 0, wrong(p.peek(), "the filter is too long", "")
	}
	p.nodes = append(p.nodes, n)
	return len(p.nodes) - 1, nil
}

// expression reads parts joined by and, or: both bind alike, from the left.
func (p *parser) expression() (int, error) {
	if p.depth++; p.depth > maxDepth {
		return 0, wrong(p.peek(), "too many parentheses", "")
	}
	defer func() { p.depth-- }()
	left, err := p.part()
	for err == nil {
		var op operation
		switch {
		case p.accept("and", "&&"):
			op = opAnd
		case p.accept("or", "||"):
			op = opOr
		default:
			return left, nil
		}
		var right int
		if right, err = p.part(); err == nil {
			left, err = p.add(node{op: op, a: left, b: right})
		}
	}
	return left, err
}

func (p *parser) part() (int, error) {
	not := false
	for p.accept("not", "!") {
		not = !not
	}
	var n int
	var err error
	if p.accept("(") {
		if n, err = p.expression(); err != nil {
			return 0, err
		}
		if t := p.peek(); !p.accept(")") {
			return 0, wrong(t, `a ")" is missing`, "")
		}
	} else {
		var t test
		if t, err = p.primitive(); err != nil {
			return 0, err
		}
		n, err = p.add(node{test: t})
	}
	if err == nil && not {
		return p.add(node{op: opNot, a: n})
	}
	return n, err
}

// primitive reads [protocol] [src|dst] [host|net|port|portrange] [value].
func (p *parser) primitive() (test, error) {
	var t test
	first := p.peek()
	if p.accept("vlan") {
		return p.vlan()
	}
	qualified := p.protocol(&t)
	if p.direction(&t) {
		qualified = true
	} else if qualified && !isKind(p.peek().text) {
		return t, nil
	}
	word := p.peek()
	switch {
	case p.accept("host"):
		t.kind = host
		return t, p.address(&t, false)
	case p.accept("net"):
		t.kind = host
		return t, p.address(&t, true)
	case p.accept("port"):
		t.kind = port
		return t, p.port(&t, false)
	case p.accept("portrange"):
		t.kind = port
		return t, p.port(&t, true)
	}
	return p.bare(t, first, word, qualified)
}

// bare reads a value without a kind: that of the primitive before, else a host.
func (p *parser) bare(t test, first, word token, qualified bool) (test, error) {
	switch {
	case word.text == "" || word.text == ")":
		return t, wrong(word, "something is missing here", `write for example "host 192.0.2.1" or "port 22"`)
	case word.text[0] >= '0' && word.text[0] <= '9' || strings.Contains(word.text, ":"):
	default:
		return t, wrong(word, fmt.Sprintf("%q is not understood", word.text),
			"what is: host, net, port, portrange, src, dst, tcp, udp, sctp, icmp, icmp6, ip, ip6, arp, vlan, and, or, not")
	}
	if !qualified && p.given && first == word {
		t = p.last
		if t.kind == port {
			return t, p.port(&t, strings.Contains(word.text, "-"))
		}
		return t, p.address(&t, strings.Contains(word.text, "/"))
	}
	t.kind = host
	return t, p.address(&t, false)
}

func (p *parser) protocol(t *test) bool {
	switch {
	case p.accept("tcp"):
		t.proto = protoTCP
	case p.accept("udp"):
		t.proto = protoUDP
	case p.accept("sctp"):
		t.proto = protoSCTP
	case p.accept("icmp"):
		t.proto, t.network = protoICMP, netIPv4
	case p.accept("icmp6"):
		t.proto, t.network = protoICMP6, netIPv6
	case p.accept("ip"):
		t.network = netIPv4
	case p.accept("ip6"):
		t.network = netIPv6
	case p.accept("arp"):
		t.network = netARP
	default:
		return false
	}
	return true
}

func (p *parser) direction(t *test) bool {
	first, second := p.peek().text, ""
	if first != "src" && first != "dst" {
		return false
	}
	p.at++
	t.side = source
	if first == "dst" {
		t.side = destination
	}
	if p.at+1 < len(p.tokens) {
		second = p.tokens[p.at+1].text
	}
	if join := p.peek().text; (second == "src" || second == "dst") && second != first && (join == "or" || join == "and") {
		p.at += 2
		t.side = either
		if join == "and" {
			t.side = both
		}
	}
	return true
}

func (p *parser) vlan() (test, error) {
	t := test{kind: vlan, any: true}
	word := p.peek()
	if word.text == "" || word.text[0] < '0' || word.text[0] > '9' {
		return t, nil
	}
	p.at++
	n, err := strconv.ParseUint(word.text, 0, 12)
	if err != nil {
		return t, wrong(word, fmt.Sprintf("%q is no VLAN", word.text), "write a number from 0 to 4095")
	}
	t.any, t.low = false, uint16(n)
	return t, nil
}

func (p *parser) port(t *test, span bool) error {
	word := p.peek()
	p.at++
	low, high, ok := strings.Cut(word.text, "-")
	if !span || !ok {
		low, high = word.text, word.text
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if errA != nil || errB != nil || span && !ok {
		if span {
			return wrong(word, fmt.Sprintf("%q is no range of ports", word.text), `write for example "portrange 6000-6008"`)
		}
		return wrong(word, fmt.Sprintf("%q is no port", word.text), "write a number from 0 to 65535")
	}
	t.low, t.high = uint16(min(a, b)), uint16(max(a, b))
	p.last, p.given = *t, true
	return nil
}

func (p *parser) address(t *test, wide bool) error {
	word := p.peek()
	p.at++
	var err error
	switch {
	case strings.Contains(word.text, "/"):
		if t.prefix, err = netip.ParsePrefix(complete(word.text)); err != nil {
			return wrong(word, fmt.Sprintf("%q is no network", word.text), `write for example "net 192.0.2.0/24"`)
		}
		t.prefix = t.prefix.Masked()
	case wide && p.accept("mask"):
		if err := p.mask(t, word); err != nil {
			return err
		}
	default:
		a, err := netip.ParseAddr(word.text)
		if err != nil && wide {
			return p.part4(t, word)
		}
		if err != nil {
			return wrong(word, fmt.Sprintf("%q is no address", word.text), "names are not looked up; write the address")
		}
		t.prefix = netip.PrefixFrom(a.WithZone(""), a.BitLen())
	}
	p.last, p.given = *t, true
	return nil
}

// complete adds the zeros that "10/8" leaves out.
func complete(text string) string {
	a, length, _ := strings.Cut(text, "/")
	for !strings.Contains(a, ":") && a != "" && strings.Count(a, ".") < 3 {
		a += ".0"
	}
	return a + "/" + length
}

// part4 reads a network as its first one to three bytes.
func (p *parser) part4(t *test, word token) error {
	n := 8 * (strings.Count(word.text, ".") + 1)
	prefix, err := netip.ParsePrefix(complete(fmt.Sprintf("%s/%d", word.text, n)))
	if err != nil {
		return wrong(word, fmt.Sprintf("%q is no network", word.text), `write for example "net 192.0.2.0/24"`)
	}
	t.prefix = prefix
	p.last, p.given = *t, true
	return nil
}

func (p *parser) mask(t *test, word token) error {
	m := p.peek()
	p.at++
	a, err := netip.ParseAddr(word.text)
	b, errMask := netip.ParseAddr(m.text)
	if err != nil || !a.Is4() || errMask != nil || !b.Is4() {
		return wrong(word, fmt.Sprintf("%q with mask %q is no network", word.text, m.text), `write for example "net 192.0.2.0/24"`)
	}
	four := b.As4()
	value := uint32(four[0])<<24 | uint32(four[1])<<16 | uint32(four[2])<<8 | uint32(four[3])
	ones := bits.LeadingZeros32(^value)
	if value<<ones != 0 {
		return wrong(m, fmt.Sprintf("%q has gaps", m.text), "write a mask such as 255.255.255.0")
	}
	t.prefix = netip.PrefixFrom(a, ones).Masked()
	return nil
}

func isKind(word string) bool {
	return word == "host" || word == "net" || word == "port" || word == "portrange"
}
