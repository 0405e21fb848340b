// Package detect tells which application layer protocol a flow speaks, from
// its first bytes; ports only order the questions and settle doubt. It knows
// the parsers' probes and no bytes itself. The inspection engine calls it.
package detect

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// MaxBytes is how many first bytes of a direction are looked at.
const MaxBytes = 4096

// None is the index that stands for no protocol.
const None = -1

// Detector asks the probes of a list of protocols. It never changes and may be
// shared.
type Detector struct {
	specs    []protocol.Spec
	tcp, udp []int
	byPort   [2]map[uint16][]int // 0 TCP, 1 UDP
}

// New makes a detector for specs; answers are indexes into it. At most 128.
func New(specs []protocol.Spec) *Detector {
	d := &Detector{specs: specs, byPort: [2]map[uint16][]int{{}, {}}}
	for i, s := range specs {
		if s.Probe == nil {
			continue
		}
		if s.Transport&protocol.OverTCP != 0 {
			d.tcp = append(d.tcp, i)
			d.note(0, s.Ports, i)
		}
		if s.Transport&protocol.OverUDP != 0 {
			d.udp = append(d.udp, i)
			d.note(1, s.Ports, i)
		}
	}
	return d
}

func (t *Detector) note(transport int, ports []uint16, i int) {
	for _, p := range ports {
		if !slices.Contains(t.byPort[transport][p], i) {
			t.byPort[transport][p] = append(t.byPort[transport][p], i)
		}
	}
}

// Question is one flow's state of detection. The zero value is ready.
type Question struct {
	ruledOut [2][2]uint64 // by direction: protocols that said No
}

// Probe shows the first bytes in dir, from the beginning, to the protocols that
// have not said no. It gives the index of the one that takes them, or None;
// open says whether more bytes could still change that.
func (t *Detector) Probe(q *Question, dir packet.Direction, data []byte, clientPort, serverPort uint16, udp bool) (index int, open bool) {
	list, ports := t.tcp, t.byPort[0]
	if udp {
		list, ports = t.udp, t.byPort[1]
	}
	p := probe{t: t, out: &q.ruledOut[dir], dir: dir, data: data, src: clientPort, dst: serverPort, maybe: None}
	if dir == packet.ToClient {
		p.src, p.dst = serverPort, clientPort
	}
	for _, near := range [...][]int{ports[serverPort], ports[clientPort]} {
		if i := p.ask(near, true); i != None {
			return i, false
		}
	}
	if i := p.ask(list, false); i != None {
		return i, false
	}
	if p.more && len(data) < MaxBytes && !udp {
		return None, true
	}
	return p.maybe, false
}

// probe is one call of Detector.Probe.
type probe struct {
	t        *Detector
	out      *[2]uint64
	asked    [2]uint64
	dir      packet.Direction
	data     []byte
	src, dst uint16
	maybe    int
	more     bool
}

func (p *probe) ask(list []int, near bool) int {
	for _, i := range list {
		bit := uint64(1) << (i & 63)
		if (p.out[i>>6]|p.asked[i>>6])&bit != 0 {
			continue
		}
		p.asked[i>>6] |= bit
		switch p.t.specs[i].Probe(p.dir, p.data, p.src, p.dst) {
		case protocol.Yes:
			return i
		case protocol.No:
			p.out[i>>6] |= bit
		case protocol.More:
			p.more = true
		case protocol.Maybe:
			if p.maybe == None && near {
				p.maybe = i
			}
		}
	}
	return None
}
