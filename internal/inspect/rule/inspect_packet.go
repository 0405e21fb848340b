package rule

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// begin starts a list of candidates without duplicates.
func (in *Inspector) begin() {
	in.candidates = in.candidates[:0]
	if in.generation++; in.generation == 0 {
		clear(in.seen)
		in.generation = 1
	}
}

// add makes rules candidates.
func (in *Inspector) add(rules []uint32) {
	for _, id := range rules {
		if in.seen[id] != in.generation {
			in.seen[id] = in.generation
			in.candidates = append(in.candidates, id)
		}
	}
}

// search adds the rules whose pattern occurs in data, which begins base bytes
// behind the begin of its buffer.
func (in *Inspector) search(g *group, data []byte, base uint64) {
	if g == nil || len(data) == 0 {
		return
	}
	in.scratch.Hits = in.scratch.Hits[:0]
	g.searcher.ScanWindow(data, base, &in.scratch)
	for _, h := range in.scratch.Hits {
		in.add(g.of(h))
	}
}

func (in *Inspector) searchPorts(p *portGroups, c *Context, data []byte, base uint64) {
	any, dst, src := p.byApp[in.facts.app], uint16(0), uint16(0)
	if in.facts.ports {
		dst, src = p.dst.at(c.Packet.DstPort), p.src.at(c.Packet.SrcPort)
	}
	if dst|src != 0 {
		if g := p.together(any, dst, src); g != nil {
			in.search(g, data, base)
			return
		}
		in.search(p.dst.group(dst), data, base)
		in.search(p.src.group(src), data, base)
	}
	in.search(p.any[any], data, base)
}

// packetRules runs the rules about packets, streams and addresses.
func (in *Inspector) packetRules(c *Context) {
	s, f := in.set, &in.facts
	in.begin()
	if f.over == overNothing {
		in.add(s.broken)
	} else {
		in.onceRules(c)
		in.addAlways(c)
		if f.packet {
			in.searchPorts(&s.packets[f.group][c.Dir], c, c.Packet.Payload, 0)
		}
		in.streamCandidates(c)
	}
	slices.Sort(in.candidates)
	for _, id := range in.candidates {
		r := &s.rules[id]
		if r.class == classTx {
			in.gate[id] = in.packet
		} else if in.may(r, c) {
			in.packetRule(id, r, c)
		}
	}
}

// streamCandidates searches what is new of the raw stream, with enough before
// it for patterns that lie across; a payload that did not go into the stream
// stands for it.
func (in *Inspector) streamCandidates(c *Context) {
	s := in.set
	if in.facts.over != overTCP {
		return
	}
	if c.RawFresh < len(c.Raw) {
		in.add(s.alwaysS[c.Dir])
		from := max(0, c.RawFresh-maxPattern)
		if !in.facts.hidden {
			in.searchPorts(&s.streams[c.Dir], c, c.Raw[from:], uint64(from))
		}
	}
	if in.payloadAlone(c) {
		in.add(s.alwaysS[c.Dir])
		in.searchPorts(&s.streams[c.Dir], c, c.Packet.Payload, 0)
	}
}

const maxPattern = 254

// payloadAlone says that rules about the stream look at the packet's payload,
// because it is in no stream.
func (in *Inspector) payloadAlone(c *Context) bool {
	return in.facts.packet && !c.Outcome.InStream
}

// onceOf is what was looked at once for the flow of the packet.
func (in *Inspector) onceOf(c *Context) *once {
	slot := int(max(c.Flow.Slot, 0))
	for slot >= len(in.once) {
		in.once = append(in.once, once{})
	}
	o := &in.once[slot]
	if o.flow != c.Flow.ID || o.epoch != in.epoch {
		*o = once{flow: c.Flow.ID, epoch: in.epoch}
	}
	return o
}

// onceRules adds the rules that are looked at once for each direction: those
// about addresses with its first packet, those about the flow's protocol when
// it is known, and again when it has changed.
func (in *Inspector) onceRules(c *Context) {
	s := in.set
	if s.ipOnly.size()+len(s.apps) == 0 {
		return
	}
	if c.Flow == nil {
		in.addList(&s.ipOnly, c.Packet)
		return
	}
	done := in.onceOf(c)
	if !done.ipOnly[c.Dir] && in.facts.real {
		done.ipOnly[c.Dir] = true
		in.addList(&s.ipOnly, c.Packet)
	}
	if app := c.Flow.AppDir[c.Dir]; app != protocol.Unknown && app != done.apps[c.Dir] {
		done.apps[c.Dir] = app
		if c.Flow.AppOriginal == protocol.Unknown || done.apps[c.Dir.Other()] != app {
			in.add(s.apps) // after a switch once for both directions
		}
	}
}

// packetRule looks at the payload of a rule whose cheap conditions hold.
func (in *Inspector) packetRule(id uint32, r *rule, c *Context) {
	stream := false
	if r.payload != nil {
		var ok bool
		if stream, ok = in.matchPayload(r.payload, r.where, c); !ok {
			return
		}
	} else if !in.facts.real && !in.facts.flushed && r.class == classPacket && (r.apps == 0 && !r.anyPacket || r.needs&needEstablished != 0) {
		return
	}
	for _, k := range r.late {
		if !k.holds(in, c) {
			return
		}
	}
	in.hit(id, r, nil, stream)
}

// matchPayload tries the stream first, then the packet.
func (in *Inspector) matchPayload(p *payload.Program, where uint8, c *Context) (stream, ok bool) {
	if !in.facts.payload {
		return false, false
	}
	in.state.Forget()
	if where&inStream != 0 && in.facts.over == overTCP && c.RawFresh < len(c.Raw) {
		in.state.Final = c.Last
		if p.Match(c.Raw, 0, &in.state) {
			return true, true
		}
	}
	if !in.facts.real {
		return false, false
	}
	if where&inPacket == 0 && in.facts.over == overTCP && c.Outcome.InStream {
		return false, false
	}
	in.state.Final = true
	return false, p.Match(c.Packet.Payload, 0, &in.state)
}

// headerCheck matches header bytes of the packet.
type headerCheck struct {
	buffer  packetBuffer
	program *payload.Program
	chain   payload.Chain
}

func (k *headerCheck) holds(in *Inspector, c *Context) bool {
	if c.Packet.Source == packet.SourceFlowEnd {
		return false
	}
	b, ok := k.buffer.bytes(c.Packet)
	if !ok {
		return k.program.MatchAbsent()
	}
	if len(k.chain) > 0 {
		b = k.chain.Apply(b, &in.work)
	}
	in.state.Forget()
	in.state.Final = true
	return k.program.Match(b, 0, &in.state)
}

// frameRules runs the rules about frames; each fires on every frame it matches.
func (in *Inspector) frameRules(c *Context) {
	for _, id := range in.set.framed[c.App] {
		r := &in.set.rules[id]
		if !in.may(r, c) {
			continue
		}
		for j := range c.Frames {
			if !in.frameMatches(r, c, j) {
				continue
			}
			before := len(in.hits)
			in.hit(id, r, nil, true)
			if len(in.hits) > before {
				in.hits[before].frame = &c.Frames[j]
			}
		}
	}
}

// frameMatches tries a rule on the frame at, of the name that the rule begins
// with. Other names in the rule may be of any frame.
func (in *Inspector) frameMatches(r *rule, c *Context, at int) bool {
	first := in.set.frames[r.steps[0].frame]
	if c.Frames[at].Name != first || c.Frames[at].Dir != c.Dir {
		return false
	}
	in.state.Forget()
	for i := range r.steps {
		s := &r.steps[i]
		if in.set.frames[s.frame] == first {
			if !in.frameStep(s, &c.Frames[at]) {
				return false
			}
			continue
		}
		found := false
		for j := range c.Frames {
			f := &c.Frames[j]
			if found = f.Dir == c.Dir && f.Name == in.set.frames[s.frame] && in.frameStep(s, f); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return r.payload == nil || in.frameless(r, c)
}

func (in *Inspector) frameStep(s *step, f *protocol.Frame) bool {
	data := f.Data
	if s.chain != 0 {
		data = in.set.chains[s.chain].Apply(data, &in.work)
	}
	in.state.Final = true
	return s.program.Match(data, 0, &in.state)
}

// frameless matches the contents of a rule about frames that name no frame.
func (in *Inspector) frameless(r *rule, c *Context) bool {
	_, ok := in.matchPayload(r.payload, inPacket|inStream, c)
	return ok
}
