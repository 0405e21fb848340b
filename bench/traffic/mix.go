package main

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// plan is what to write.
type plan struct {
	Mix     string  `json:"mix"`
	Seed    uint64  `json:"seed"`
	Size    int64   `json:"bytes_wanted"`
	Trigger float64 `json:"trigger"`
	Rate    float64 `json:"mbit_per_second"`

	triggers []trigger
}

// report tells what was written.
type report struct {
	plan
	Packets      int64       `json:"packets"`
	Bytes        int64       `json:"bytes"`
	Seconds      float64     `json:"seconds"`
	Flows        int         `json:"flows"`
	Transactions int         `json:"transactions"`
	Triggered    int         `json:"triggered"`
	Rules        []triggered `json:"rules"`
}

type triggered struct {
	SID   int `json:"sid"`
	Count int `json:"count"`
}

// generator makes flows.
type generator struct {
	rng      *rand.Rand
	web      *web
	vault    *vault
	mix      string
	share    float64
	queues   map[string][]trigger // what to fire next, by kind
	next     map[string]int
	fired    map[int]int
	count    int // transactions
	port     uint16
	resolved []string
}

const epoch = int64(1_790_000_000e9)

// write writes the capture and gives the report.
func (p *plan) write(out io.Writer) (*report, error) {
	g, err := p.generator()
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	head = append(head, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	w.Write(head) //nolint:errcheck // Flush tells
	rep := &report{plan: *p}
	var open schedule
	at, started := epoch, int64(0)
	for {
		for started < p.Size && (len(open) == 0 || at <= open[0][0].at) {
			frames, err := g.flow(at)
			if err != nil {
				return nil, err
			}
			n := int64(0)
			for _, f := range frames {
				n += int64(len(f.data)) + 16
			}
			heap.Push(&open, frames)
			started, at = started+n, at+int64(float64(n)*8000/p.Rate)
			rep.Flows++
		}
		if len(open) == 0 {
			break
		}
		f := open[0][0]
		rep.Packets, rep.Bytes, rep.Seconds = rep.Packets+1, rep.Bytes+int64(len(f.data)), float64(f.at-epoch)/1e9
		var h [16]byte
		binary.LittleEndian.PutUint32(h[:], uint32(f.at/1e9))
		binary.LittleEndian.PutUint32(h[4:], uint32(f.at%1e9))
		binary.LittleEndian.PutUint32(h[8:], uint32(len(f.data)))
		binary.LittleEndian.PutUint32(h[12:], uint32(len(f.data)))
		w.Write(h[:])   //nolint:errcheck // Flush tells
		w.Write(f.data) //nolint:errcheck // Flush tells
		if open[0] = open[0][1:]; len(open[0]) == 0 {
			heap.Pop(&open)
		} else {
			heap.Fix(&open, 0)
		}
	}
	g.tell(rep)
	return rep, w.Flush()
}

func (g *generator) tell(rep *report) {
	rep.Transactions = g.count
	for sid, n := range g.fired {
		rep.Rules = append(rep.Rules, triggered{sid, n})
		rep.Triggered += n
	}
	slices.SortFunc(rep.Rules, func(a, b triggered) int { return a.SID - b.SID })
}

func (p *plan) generator() (*generator, error) {
	r := rand.New(rand.NewPCG(p.Seed, 0x6d617375))
	g := &generator{
		rng: r, web: newWeb(r, int(min(40+p.Size>>18, 250))), mix: p.Mix, share: p.Trigger, queues: map[string][]trigger{}, next: map[string]int{}, fired: map[int]int{},
		resolved: hosts(r, 2000),
	}
	if p.Mix != "http" && p.Mix != "tls" && p.Mix != "iot" {
		return nil, fmt.Errorf("unknown mix %q, write http, tls or iot", p.Mix)
	}
	if p.Mix == "tls" {
		v, err := newVault(r)
		if err != nil {
			return nil, err
		}
		g.vault = v
	}
	for _, t := range p.triggers {
		g.queues[t.kind] = append(g.queues[t.kind], t)
	}
	for _, q := range g.queues {
		slices.SortFunc(q, func(a, b trigger) int { return a.sid - b.sid })
	}
	for _, kind := range []string{"http", "dns", "tls", "tcp"} {
		q := g.queues[kind]
		r.Shuffle(len(q), func(i, j int) { q[i], q[j] = q[j], q[i] })
	}
	return g, nil
}

// fire counts a transaction and gives the trigger it is to carry, or nil.
func (g *generator) fire(kind string) *trigger {
	g.count++
	q := g.queues[kind]
	if len(q) == 0 || g.rng.Float64() >= g.share {
		return nil
	}
	t := &q[g.next[kind]%len(q)]
	g.next[kind]++
	g.fired[t.sid]++
	return t
}

// ends draws the addresses of a flow.
func (g *generator) ends(port uint16, outside bool) (e ends) {
	r := g.rng
	home := [4]byte{10, 1, byte(r.IntN(4)), byte(2 + r.IntN(250))}
	world := [4]byte{byte(pick(r, []int{23, 45, 52, 93, 104, 142, 151, 185, 203})), byte(r.Uint32()), byte(r.Uint32()), byte(1 + r.IntN(250))}
	e.ip = [2][4]byte{home, world}
	if outside {
		e.ip = [2][4]byte{world, home}
	}
	g.port++
	e.port = [2]uint16{32768 + g.port%28000, port}
	return e
}

// flow makes one flow that begins at a time.
func (g *generator) flow(at int64) ([]frame, error) {
	n := g.rng.IntN(100)
	switch g.mix {
	case "tls":
		switch {
		case n < 60:
			return g.secret(at)
		case n < 85:
			return g.name(at), nil
		}
	case "iot":
		switch {
		case n < 20:
			return newWire(g.rng, g.ends(1883, false), at).tcp(telemetry(g.rng)), nil
		case n < 50:
			return g.name(at), nil
		case n < 65:
			g.count++
			return newWire(g.rng, g.ends(80, false), at).tcp(appliance(g.rng)), nil
		case n < 68:
			return g.datagrams(at, 5004, (*wire).video), nil
		case n < 76:
			return g.datagrams(at, 123, (*wire).clock), nil
		case n < 84:
			return g.datagrams(at, 5683, (*wire).constrained), nil
		}
	default:
		switch {
		case n < 12:
			return g.name(at), nil
		case n < 14:
			if t := g.fire("tcp"); t != nil {
				return g.custom(at, t), nil
			}
		}
	}
	messages, outside := g.web.visit(func() *trigger { return g.fire("http") })
	return newWire(g.rng, g.ends(80, outside), at).tcp(messages), nil
}

// custom carries a rule's payload over a bare TCP connection.
func (g *generator) custom(at int64, t *trigger) []frame {
	messages := []message{{t.answers, millisecond, t.values[""]}, {!t.answers, millisecond, []byte("\x01\x02ok\r\n")}}
	return newWire(g.rng, g.ends(t.port, t.outside), at).tcp(messages)
}

// secret is a TLS connection.
func (g *generator) secret(at int64) ([]frame, error) {
	sni, outside := pick(g.rng, g.vault.hosts), false
	if t := g.fire("tls"); t != nil {
		sni, outside = string(t.values["sni"]), t.outside
	}
	messages, err := g.vault.talk(sni)
	if err != nil {
		return nil, err
	}
	return newWire(g.rng, g.ends(443, outside), at).tcp(messages), nil
}

// name is a DNS query and its answer.
func (g *generator) name(at int64) []frame {
	host := pick(g.rng, g.resolved)
	if t := g.fire("dns"); t != nil {
		host = string(t.values["query"])
	}
	w := newWire(g.rng, g.ends(53, false), at)
	q, a := question(g.rng, host)
	w.udp(0, q)
	w.at += w.rtt
	w.udp(1, a)
	return w.frames
}

func (g *generator) datagrams(at int64, port uint16, play func(*wire)) []frame {
	g.count++
	w := newWire(g.rng, g.ends(port, false), at)
	play(w)
	return w.frames
}

// schedule is a heap of flows by the time of their next frame.
type schedule [][]frame

// Len, Less, Swap, Push and Pop make it a heap.Interface.
func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i][0].at < s[j][0].at }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push adds a flow.
func (s *schedule) Push(x any) { *s = append(*s, x.([]frame)) }

// Pop takes the last flow.
func (s *schedule) Pop() any {
	old := *s
	x := old[len(old)-1]
	*s = old[:len(old)-1]
	return x
}
