package engine

import (
	"math/bits"
	"strings"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// count adds a packet to the counters by layer.
func (s *Stats) count(p *packet.Packet) {
	for has := p.Has; has != 0; has &= has - 1 {
		s.Layers[bits.TrailingZeros16(has)]++
	}
	if p.VLANs > 0 {
		s.Tagged++
	}
	if p.BadIPSum || p.BadL4Sum {
		s.BadSums++
	}
}

// With gives the packets that had a layer: one of packet's Has… bits.
func (s *Stats) With(layer uint16) uint64 { return s.Layers[bits.TrailingZeros16(layer)&15] }

// Totals are what a stats record tells beside the counters of an engine.
type Totals struct {
	Engine       Stats
	Flow         flow.Stats
	Rules, Fails int // rules that were loaded and refused
}

// Stats writes a stats record. Its time is that of the last frame.
func (r *Records) Stats(t *Totals) {
	if !r.wants("stats") {
		return
	}
	s := &t.Engine
	o := r.begin("stats", nil, &packet.Packet{Time: s.Last})
	o.BeginObject("stats")
	o.Uint("uptime", uint64(max(0, s.Last-s.First)/1e9))
	r.decoderStats(s)
	r.tcpStats(&t.Flow)
	r.flowStats(&t.Flow)
	o.BeginObject("detect")
	o.BeginArray("engines")
	o.Begin()
	o.Uint("id", 0)
	o.Uint("rules_loaded", uint64(t.Rules))
	o.Uint("rules_failed", uint64(t.Fails))
	o.End()
	o.EndArray()
	o.Uint("alert", s.Alerts)
	o.Uint("alert_queue_overflow", s.Discarded)
	o.End()
	r.appStats(s)
	o.End()
	r.finish()
}

func (r *Records) decoderStats(s *Stats) {
	o := &r.o
	o.BeginObject("decoder")
	o.Uint("pkts", s.Packets)
	o.Uint("bytes", s.Bytes)
	o.Uint("invalid", s.Invalid)
	for _, l := range [...]struct {
		name string
		bit  uint16
	}{
		{"ipv4", packet.HasIPv4}, {"ipv6", packet.HasIPv6}, {"ethernet", packet.HasEthernet}, {"arp", packet.HasARP}, {"tcp", packet.HasTCP},
		{"udp", packet.HasUDP}, {"sctp", packet.HasSCTP}, {"esp", packet.HasESP}, {"icmpv4", packet.HasICMPv4}, {"icmpv6", packet.HasICMPv6},
		{"gre", packet.HasGRE},
	} {
		o.Uint(l.name, s.With(l.bit))
	}
	o.Uint("vlan", s.Tagged)
	if s.Packets > 0 {
		o.Uint("avg_pkt_size", s.Bytes/s.Packets)
	}
	o.Uint("max_pkt_size", s.Largest)
	r.eventStats(s)
	o.End()
}

// eventStats counts decoder events by header.
func (r *Records) eventStats(s *Stats) {
	o := &r.o
	o.BeginObject("event")
	group := ""
	for n, full := range packet.EventNames() {
		if s.Events[n] == 0 {
			continue
		}
		header, name, _ := strings.Cut(full, ".")
		if header != group && group != "" {
			o.End()
		}
		if header != group {
			o.BeginObject(header)
		}
		group = header
		o.Uint(name, s.Events[n])
	}
	if group != "" {
		o.End()
	}
	o.End()
}

func (r *Records) tcpStats(s *flow.Stats) {
	o := &r.o
	o.BeginObject("tcp")
	o.Uint("syn", s.SYN)
	o.Uint("synack", s.SYNACK)
	o.Uint("rst", s.RST)
	o.Uint("active_sessions", uint64(s.ActiveSessions))
	o.Uint("sessions", s.Sessions)
	o.Uint("invalid_checksum", s.InvalidChecksum)
	o.Uint("midstream_pickups", s.Midstream)
	o.Uint("segment_memcap_drop", s.StreamMemcap)
	o.Uint("stream_depth_reached", s.DepthReached)
	o.Uint("reassembly_gap", s.Gaps)
	o.Uint("overlap", s.Overlaps)
	o.Uint("overlap_diff_data", s.OverlapsDiffer)
	o.Uint("reassembly_memuse", uint64(s.StreamMemory))
	o.End()
}

func (r *Records) flowStats(s *flow.Stats) {
	o := &r.o
	o.BeginObject("flow")
	o.Uint("memcap", s.FlowMemcap)
	o.Uint("total", s.Flows)
	o.Uint("active", uint64(s.ActiveFlows))
	o.Uint("tcp", s.TCP)
	o.Uint("udp", s.UDP)
	o.Uint("icmp", s.ICMP)
	o.Uint("tcp_reuse", s.Reused)
	o.End()
	o.BeginObject("defrag")
	o.Uint("fragments", s.Fragments)
	o.Uint("reassembled", s.Reassembled)
	o.Uint("max_frag_hits", s.FragmentsMemcap)
	o.End()
}

// appStats counts flows and transactions by protocol.
func (r *Records) appStats(s *Stats) {
	o := &r.o
	o.BeginObject("app_layer")
	for _, g := range [...]struct {
		name   string
		counts *[protocol.NumIDs]uint64
	}{{"flow", &s.Flows}, {"tx", &s.Transactions}} {
		o.BeginObject(g.name)
		for id := range protocol.NumIDs {
			if n := g.counts[id]; n > 0 {
				o.Uint(protocol.ID(id).String(), n)
			}
		}
		o.End()
	}
	o.End()
}
