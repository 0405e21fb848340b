package rule

import (
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

const maxVariableDepth = 24

// header is where packets come from and go to. Sets are numbers in
// headerTable; 0 is any.
type header struct {
	src, dst     uint16
	sport, dport uint16
	both         bool
}

// headerTable holds every different header of a Set once. Header 0 is "any
// any -> any any".
type headerTable struct {
	headers   []header
	addresses []addressSet
	ports     []portSet
}

// headerParser fills a headerTable.
type headerParser struct {
	headerTable
	addressVars, portVars map[string]string

	known     map[header]uint32
	negations bool                // seen in the header that is being read
	addressID map[string]namedSet // by text as written
	portID    map[string]uint16
	sameAddr  map[string]uint16 // by content
	samePorts map[string]uint16
}

type namedSet struct {
	id      uint16
	negated bool
}

func newHeaderParser(o *Options) *headerParser {
	p := &headerParser{
		addressVars: o.AddressVars, portVars: o.PortVars,
		known: map[header]uint32{{}: 0}, addressID: map[string]namedSet{}, portID: map[string]uint16{},
		sameAddr: map[string]uint16{}, samePorts: map[string]uint16{},
	}
	p.headers = []header{{}}
	p.addresses = []addressSet{newAddressSet([]span{everything})}
	p.ports = []portSet{{{0, 65535}}}
	return p
}

// add resolves a rule's header and gives its number, and whether addresses in
// it are negated.
func (p *headerParser) add(r *syntax.Rule) (id uint32, negated bool, err error) {
	var h header
	p.negations = false
	switch r.Arrow.Text {
	case "->", "=>":
	case "<>":
		h.both = true
	default:
		return 0, false, fail(r.Arrow, "unknown direction %q", "write ->, <> or =>", r.Arrow.Text)
	}
	if h.src, err = p.addressSet(r.Src); err != nil {
		return 0, false, err
	}
	if h.dst, err = p.addressSet(r.Dst); err != nil {
		return 0, false, err
	}
	if h.sport, err = p.portSet(r.Sport); err != nil {
		return 0, false, err
	}
	if h.dport, err = p.portSet(r.Dport); err != nil {
		return 0, false, err
	}
	h.both = h.both && (h.src != h.dst || h.sport != h.dport)
	id, ok := p.known[h]
	if !ok {
		id = uint32(len(p.headers))
		p.headers = append(p.headers, h)
		p.known[h] = id
	}
	return id, p.negations, nil
}

func (p *headerParser) addressSet(t syntax.Token) (uint16, error) {
	if n, ok := p.addressID[t.Text]; ok {
		p.negations = p.negations || n.negated
		return n.id, nil
	}
	l, serr := syntax.ParseList(t)
	if serr != nil {
		return 0, serr
	}
	before := p.negations
	p.negations = false
	spans, err := p.addressList(&l, 0)
	negated := p.negations
	p.negations = p.negations || before
	if err != nil {
		return 0, err
	}
	s := newAddressSet(spans)
	if len(s.v4)+len(s.v6) == 0 {
		return 0, fail(t, "%q holds no address at all", "the negated parts take everything away", t.Text)
	}
	var id uint16
	if !s.isAny() {
		key := fmt.Sprint(s)
		var ok bool
		if id, ok = p.sameAddr[key]; !ok {
			if id, err = nextID(t, len(p.addresses)); err != nil {
				return 0, err
			}
			p.addresses = append(p.addresses, s)
			p.sameAddr[key] = id
		}
	}
	p.addressID[strings.Clone(t.Text)] = namedSet{id, negated}
	return id, nil
}

func (p *headerParser) portSet(t syntax.Token) (uint16, error) {
	if id, ok := p.portID[t.Text]; ok {
		return id, nil
	}
	l, serr := syntax.ParseList(t)
	if serr != nil {
		return 0, serr
	}
	s, err := p.portList(&l, 0)
	if err != nil {
		return 0, err
	}
	if len(s) == 0 {
		return 0, fail(t, "%q holds no port at all", "the negated parts take everything away", t.Text)
	}
	var id uint16
	if !s.isAny() {
		key := fmt.Sprint(s)
		var ok bool
		if id, ok = p.samePorts[key]; !ok {
			if id, err = nextID(t, len(p.ports)); err != nil {
				return 0, err
			}
			p.ports = append(p.ports, s)
			p.samePorts[key] = id
		}
	}
	p.portID[strings.Clone(t.Text)] = id
	return id, nil
}

func nextID(t syntax.Token, n int) (uint16, error) {
	if n >= 65535 {
		return 0, fail(t, "there are more than 65535 different address or port lists", "put rules together")
	}
	return uint16(n), nil
}

// matches says whether a packet meets a header. Ports count only for
// protocols that have them.
func (t *headerTable) matches(id uint32, p *packet.Packet, ports bool) bool {
	h := &t.headers[id]
	if t.oneWay(h, &p.Src, &p.Dst, p.SrcPort, p.DstPort, ports) {
		return true
	}
	return h.both && t.oneWay(h, &p.Dst, &p.Src, p.DstPort, p.SrcPort, ports)
}

func (t *headerTable) oneWay(h *header, src, dst *packet.Addr, sport, dport uint16, ports bool) bool {
	if ports {
		if h.dport != 0 && !t.ports[h.dport].contains(dport) || h.sport != 0 && !t.ports[h.sport].contains(sport) {
			return false
		}
	}
	return (h.src == 0 || t.addresses[h.src].contains(src)) && (h.dst == 0 || t.addresses[h.dst].contains(dst))
}
