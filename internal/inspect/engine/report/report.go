// Package report gathers what a person wants to know of a capture and prints
// it in a page: who talked to whom, protocols, alerts, files, names, odd
// things. It knows the engine's findings, and nothing of files or rules. Its
// memory is bounded. `masugata-gate read` calls it.
package report

import (
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Bounds of what is kept. What comes later is counted only.
const (
	maxPairs = 1 << 16
	maxNames = 1 << 13
	maxFiles = 1 << 10
	maxText  = 128 // bytes of a name
)

// pair is two ends that talked, the client first.
type pair struct{ client, server packet.Addr }

// talk is what went between two ends.
type talk struct {
	bytes, flows uint64
	apps         uint64 // bits by protocol
	protos       [2]uint8
}

// share is a protocol's part of the traffic.
type share struct{ flows, bytes uint64 }

type alert struct {
	message  string
	severity uint8
	count    uint64
}

type ruleKey struct{ gid, sid uint32 }

// name is something that was asked for, and by which protocol.
type name struct {
	app  protocol.ID
	text string
}

// hit is a thing of bad reputation and who met it.
type hit struct {
	kind   engine.SubjectKind
	text   string
	where  string
	client packet.Addr
	score  uint8
}

type file struct {
	app   protocol.ID
	name  string
	size  uint64
	state string
}

// Collector is a Sink that gathers a report. One goroutine uses it.
type Collector struct {
	pairs   map[pair]*talk
	rest    talk // of pairs over the bound
	restN   uint64
	apps    [protocol.NumIDs]share
	protos  [256]share // of flows without a known protocol
	alerts  map[ruleKey]*alert
	names   map[name]uint64
	files   map[file]uint64
	fileN   uint64
	odd     map[string]uint64 // events, by name
	left    uint64            // names and files over the bound
	flows   uint64
	stopped uint64
	listed  map[hit]uint64
}

// New makes an empty collector.
func New() *Collector {
	return &Collector{pairs: map[pair]*talk{}, alerts: map[ruleKey]*alert{}, names: map[name]uint64{}, files: map[file]uint64{}, odd: map[string]uint64{}, listed: map[hit]uint64{}}
}

// Alerts implements engine.Sink.
func (c *Collector) Alerts(_ *rule.Context, v *rule.Verdict) {
	for i := range v.Alerts {
		a := &v.Alerts[i]
		if a.Quiet {
			continue
		}
		k := ruleKey{a.Rule.GID, a.Rule.SID}
		if c.alerts[k] == nil {
			c.alerts[k] = &alert{message: a.Rule.Message, severity: a.Rule.Priority}
		}
		c.alerts[k].count++
	}
}

// Transaction implements engine.Sink.
func (c *Collector) Transaction(_ *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, _ *packet.Packet) {
	field, ok := nameFields(spec.ID)
	if !ok || d != packet.ToServer {
		return
	}
	text, ok := tx.Bytes(field, packet.ToServer, 0)
	if !ok || len(text) == 0 {
		return
	}
	n := name{spec.ID, string(text[:min(len(text), maxText)])}
	if _, known := c.names[n]; !known && len(c.names) >= maxNames {
		c.left++
		return
	}
	c.names[n]++
}

// nameFields is the field of a protocol that names what was asked for.
func nameFields(id protocol.ID) (protocol.Field, bool) {
	switch id {
	case protocol.DNS:
		return protocol.DNSQuery, true
	case protocol.MDNS:
		return protocol.MDNSQueriesName, true
	case protocol.TLS:
		return protocol.TLSSNI, true
	case protocol.QUIC:
		return protocol.QUICSNI, true
	case protocol.HTTP1, protocol.HTTP2:
		return protocol.HTTPHost, true
	}
	return 0, false
}

// File implements engine.Sink.
func (c *Collector) File(_ *flow.Flow, spec *protocol.Spec, _ protocol.Tx, f *protocol.File, _ packet.Direction, _ *packet.Packet) {
	c.fileN++
	k := file{spec.ID, string(f.Name[:min(len(f.Name), maxText)]), f.Size, f.State.String()}
	if _, known := c.files[k]; !known && len(c.files) >= maxFiles {
		c.left++
		return
	}
	c.files[k]++
}

// Anomaly implements engine.Sink.
func (c *Collector) Anomaly(_ *flow.Flow, spec *protocol.Spec, _ protocol.Tx, event string, _ packet.Direction, _ *packet.Packet) {
	c.odd[spec.ID.String()+"."+event]++
}

// Oddities implements engine.PacketSink.
func (c *Collector) Oddities(_ *packet.Packet, o flow.Outcome, found protocol.Events) {
	if !o.Events.Empty() {
		for n, event := range flow.StreamEventNames {
			if o.Events.Has(flow.StreamEvent(n)) {
				c.odd["stream."+event]++
			}
		}
	}
	if found.Empty() {
		return
	}
	for n, event := range protocol.DetectionEvents() {
		if found.Has(uint8(n)) {
			c.odd[event]++
		}
	}
}

// Stopped implements engine.PacketSink.
func (c *Collector) Stopped(*packet.Packet, flow.Outcome, string) { c.stopped++ }

// Listed implements engine.ListedSink.
func (c *Collector) Listed(l *engine.Listed) {
	text := l.Subject.AppendText(nil)
	h := hit{l.Subject.Kind, string(text[:min(len(text), maxText)]), l.Where, l.Flow.Client, l.Score}
	if _, known := c.listed[h]; !known && len(c.listed) >= maxNames {
		c.left++
		return
	}
	c.listed[h]++
}

// FlowEnd implements engine.Sink.
func (c *Collector) FlowEnd(f *flow.Flow, _ flow.Reason, _ int64) {
	c.flows++
	bytes := f.Bytes[0] + f.Bytes[1]
	s := &c.protos[f.Proto]
	if f.App != protocol.Unknown && f.App != protocol.Failed {
		s = &c.apps[f.App]
	}
	s.flows, s.bytes = s.flows+1, s.bytes+bytes
	k := pair{f.Client, f.Server}
	if _, turned := c.pairs[pair{f.Server, f.Client}]; turned {
		k = pair{f.Server, f.Client}
	}
	t := c.pairs[k]
	if t == nil {
		if t = (&talk{}); len(c.pairs) < maxPairs {
			c.pairs[k] = t
		} else {
			t = &c.rest
			c.restN++
		}
	}
	t.flows, t.bytes = t.flows+1, t.bytes+bytes
	if f.App != protocol.Unknown && f.App != protocol.Failed {
		t.apps |= 1 << f.App
	} else if t.protos[0] != f.Proto {
		t.protos[1], t.protos[0] = t.protos[0], f.Proto
	}
}

// Source is what the reader of the capture knows.
type Source struct {
	File      string
	Filter    string // as the person wrote it, "" for none
	Truncated string // "" or why the file could not be read to its end
	Checked   bool   // checksums were verified
	Totals    engine.Totals
	Listed    int // things of bad reputation that were looked for
}
