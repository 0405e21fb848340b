package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Both is a Sink that tells two others, in order.
type Both [2]Sink

// Alerts implements Sink.
func (b Both) Alerts(c *rule.Context, v *rule.Verdict) {
	for _, s := range b {
		s.Alerts(c, v)
	}
}

// Transaction implements Sink.
func (b Both) Transaction(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	for _, s := range b {
		s.Transaction(f, spec, tx, d, p)
	}
}

// File implements Sink.
func (b Both) File(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, file *protocol.File, d packet.Direction, p *packet.Packet) {
	for _, s := range b {
		s.File(f, spec, tx, file, d, p)
	}
}

// Anomaly implements Sink.
func (b Both) Anomaly(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, event string, d packet.Direction, p *packet.Packet) {
	for _, s := range b {
		s.Anomaly(f, spec, tx, event, d, p)
	}
}

// FlowEnd implements Sink.
func (b Both) FlowEnd(f *flow.Flow, why flow.Reason, now int64) {
	for _, s := range b {
		s.FlowEnd(f, why, now)
	}
}

// Oddities implements PacketSink.
func (b Both) Oddities(p *packet.Packet, o flow.Outcome, found protocol.Events) {
	for _, s := range b {
		if s, ok := s.(PacketSink); ok {
			s.Oddities(p, o, found)
		}
	}
}

// ARP implements PacketSink.
func (b Both) ARP(p *packet.Packet) {
	for _, s := range b {
		if s, ok := s.(PacketSink); ok {
			s.ARP(p)
		}
	}
}

// WantsFrames implements FrameSink.
func (b Both) WantsFrames() bool {
	for _, s := range b {
		if s, ok := s.(FrameSink); ok && s.WantsFrames() {
			return true
		}
	}
	return false
}

// Frame implements FrameSink.
func (b Both) Frame(f *flow.Flow, frame *protocol.Frame, p *packet.Packet) {
	for _, s := range b {
		if s, ok := s.(FrameSink); ok {
			s.Frame(f, frame, p)
		}
	}
}

// Listed implements ListedSink.
func (b Both) Listed(l *Listed) {
	for _, s := range b {
		if s, ok := s.(ListedSink); ok {
			s.Listed(l)
		}
	}
}

// Stopped implements PacketSink.
func (b Both) Stopped(p *packet.Packet, o flow.Outcome, reason string) {
	for _, s := range b {
		if s, ok := s.(PacketSink); ok {
			s.Stopped(p, o, reason)
		}
	}
}
