package flow

// Stats are counters since the table was made, and gauges of now.
type Stats struct {
	Packets  uint64
	Flows    uint64    // made
	TCP      uint64    // of those
	UDP      uint64    //
	ICMP     uint64    // both versions
	Finished [4]uint64 // by Reason
	// Evicted counts flows that had to go for others: new, established, closed,
	// bypassed. The order is closed, new, bypassed, established, each the longest
	// silent first.
	Evicted    [4]uint64
	FlowMemcap uint64 // packets that found no room for a flow

	Sessions           uint64 // TCP sessions made
	Midstream          uint64 // of those, picked up midstream
	SessionMemcap      uint64 // packets that found no room for a session
	SYN, SYNACK, RST   uint64
	InvalidChecksum    uint64
	Invalid            uint64 // segments that were not accepted
	Gaps               uint64
	GapBytes           uint64
	Overlaps           uint64
	OverlapsDiffer     uint64
	Rewritten          uint64 // inline: segments normalised
	SegmentsOutOfOrder uint64
	StreamMemcap       uint64 // segments for which there was no memory
	DepthReached       uint64
	Reused             uint64

	Fragments       uint64
	Reassembled     uint64 // datagrams put together
	FragmentsLost   uint64 // fragments of datagrams that were given up
	FragmentsMemcap uint64

	ActiveFlows    int
	ActiveSessions int
	StreamMemory   int // bytes reserved
	FragmentMemory int
}

// Stats tells the counters.
func (t *Table) Stats() Stats {
	s := t.stats
	s.ActiveFlows, s.ActiveSessions = t.entries.used, t.sessions.used
	s.StreamMemory, s.FragmentMemory = t.arena.reserved, t.frags.arena.reserved
	return s
}

func (s *Stats) count(k *key) {
	switch k.proto {
	case protoTCP:
		s.TCP++
	case protoUDP:
		s.UDP++
	case protoICMP, protoICMPv6:
		s.ICMP++
	}
}
