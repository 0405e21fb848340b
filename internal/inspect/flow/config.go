package flow

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Policy says what becomes of packets that meet an exception: memory has run
// out, or a stream begins in its middle.
type Policy uint8

// The policies. PolicyIgnore goes on as well as can be.
const (
	PolicyIgnore     Policy = iota
	PolicyPassPacket        // this packet is not inspected
	PolicyPassFlow          // the flow's payloads are no longer inspected
	PolicyDropPacket
	PolicyDropFlow
	PolicyReject // drop the flow and tell the ends
	PolicyBypass // the flow is no longer looked at at all
)

// PolicyByName reads a policy as the settings write it ("drop-flow").
func PolicyByName(name string) (Policy, bool) {
	names := [...]string{"ignore", "pass-packet", "pass-flow", "drop-packet", "drop-flow", "reject", "bypass"}
	for i, n := range names {
		if n == name {
			return Policy(i), true
		}
	}
	return 0, false
}

// OS is a family of operating systems, by how it puts overlapping segments and
// fragments together and which resets it believes.
type OS uint8

// The families. OSNone stands for "not said": BSD for streams and fragments.
const (
	OSNone OS = iota
	OSBSD
	OSBSDRight
	OSOldLinux
	OSLinux
	OSOldSolaris
	OSSolaris
	OSHPUX10
	OSHPUX11
	OSIRIX
	OSMacOS
	OSWindows
	OSVista
	OSWindows2K3
	OSFirst // not an operating system: the bytes that came first stay
	OSLast  // not an operating system: the bytes that came last win
)

// OSByName reads a family as host-os-policy names it.
func OSByName(name string) (OS, bool) {
	names := [...]string{OSBSD: "bsd", OSBSDRight: "bsd-right", OSOldLinux: "old-linux", OSLinux: "linux",
		OSOldSolaris: "old-solaris", OSSolaris: "solaris", OSHPUX10: "hpux10", OSHPUX11: "hpux11", OSIRIX: "irix",
		OSMacOS: "macos", OSWindows: "windows", OSVista: "vista", OSWindows2K3: "windows2k3", OSFirst: "first", OSLast: "last"}
	for i, n := range names {
		if n == name && n != "" {
			return OS(i), true
		}
	}
	return OSNone, false
}

// HostPolicy says which family the hosts of a prefix belong to. The longest
// prefix that holds the receiver of the bytes counts.
type HostPolicy struct {
	Prefix netip.Prefix
	OS     OS
}

// UrgentPolicy says what becomes of urgent data.
type UrgentPolicy uint8

// The policies. UrgentInline treats it as ordinary bytes, UrgentOOB takes the
// one urgent byte out of the stream, UrgentGap leaves a gap in its place.
const (
	UrgentInline UrgentPolicy = iota
	UrgentOOB
	UrgentGap
	UrgentDrop
)

// Timeouts are how long a flow may be silent, by its state.
type Timeouts struct {
	New, Established, Closed, Bypassed time.Duration
}

// Config bounds a Table and says how it reads the traffic. Default is
// complete; byte counts are bytes.
type Config struct {
	MaxFlows     int  // most flows kept; the least worthy is evicted for the next
	EmergencyAt  int  // per cent of MaxFlows from which time-outs are a tenth; 0 is never
	UseVLAN      bool // VLAN ids are part of what makes a flow
	Seed         uint64
	MaxExpired   int    // most flows finished by one Packet or Advance call
	MemcapPolicy Policy // no room for a flow
	Other        Timeouts
	TCP          Timeouts
	UDP          Timeouts
	ICMP         Timeouts

	Stream StreamConfig
	Defrag DefragConfig
	Hosts  []HostPolicy
}

// StreamConfig is the part of Config for TCP.
type StreamConfig struct {
	Midstream             bool // streams may be picked up after their handshake
	AsyncOneside          bool // streams of which one side is seen are followed
	Inline                bool // bytes are delivered with their own packet, and conflicts normalised
	DropInvalid           bool // inline: segments that a receiver would not take are dropped
	Live                  bool // inline: what was not seen of a session is not held against its segments, see Missed
	BypassOnDepth         bool // a flow is bypassed once a side has reached Depth
	CheckOverlapDifferent bool // overlaps with other bytes raise reassembly_overlap_different_data
	LiberalTimestamps     bool // every host's timestamps are read as Linux reads them
	NoRaw                 bool // no raw stream is kept at all
	MaxSynQueued          int  // different SYNs remembered for one session
	MaxSynackQueued       int  // different SYN/ACKs remembered for one session
	Depth                 uint64
	ToServerChunk         int // raw stream: bytes that make an inspection due
	ToClientChunk         int
	Memory                int // bytes of stream data and sessions kept, all flows together
	MaxPending            int // bytes of one direction kept
	MaxSegments           int // segments out of order kept, one direction
	MaxSessions           int // TCP sessions at the same time; 0 is as many as flows
	MidstreamPolicy       Policy
	MemcapPolicy          Policy // no room for a session
	ReassemblyPolicy      Policy // no room for bytes
	Urgent                UrgentPolicy
	UrgentOOBLimit        int // urgent bytes taken out of one direction before UrgentOOBPolicy holds
	UrgentOOBPolicy       UrgentPolicy
}

// DefragConfig is the part of Config for IP fragments.
type DefragConfig struct {
	MaxTrackers  int // datagrams put together at the same time
	MaxFragments int // fragments kept, all datagrams together
	Memory       int // bytes kept
	Timeout      time.Duration
	MemcapPolicy Policy
}

// Default is what Suricata's stock configuration says.
func Default() Config {
	return Config{
		MaxFlows: 1 << 18, EmergencyAt: 95, UseVLAN: true, MaxExpired: 64, Seed: 0x9e3779b97f4a7c15,
		Other: Timeouts{New: 30 * time.Second, Established: 300 * time.Second, Bypassed: 100 * time.Second},
		TCP:   Timeouts{New: 60 * time.Second, Established: 600 * time.Second, Closed: 60 * time.Second, Bypassed: 100 * time.Second},
		UDP:   Timeouts{New: 30 * time.Second, Established: 300 * time.Second, Bypassed: 100 * time.Second},
		ICMP:  Timeouts{New: 30 * time.Second, Established: 300 * time.Second, Bypassed: 100 * time.Second},
		Stream: StreamConfig{
			DropInvalid: true, CheckOverlapDifferent: true,
			MaxSynQueued: 10, MaxSynackQueued: 5, Depth: 1 << 20,
			ToServerChunk: 2560, ToClientChunk: 2560,
			Memory: 256 << 20, MaxPending: 8 << 20, MaxSegments: 4096,
			UrgentOOBLimit: 1024, UrgentOOBPolicy: UrgentDrop,
		},
		Defrag: DefragConfig{MaxTrackers: 65535, MaxFragments: 65535, Memory: 32 << 20, Timeout: 60 * time.Second},
		Hosts:  []HostPolicy{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), OS: OSWindows}},
	}
}

func (c *Config) check() error {
	switch {
	case c.MaxFlows < 1 || c.MaxFlows > 1<<26:
		return fmt.Errorf("flow table: %d flows: want 1 to %d", c.MaxFlows, 1<<26)
	case c.Stream.Memory < 1<<16:
		return fmt.Errorf("flow table: stream memory of %d bytes is below 64 KiB", c.Stream.Memory)
	case c.Stream.ToServerChunk < 0 || c.Stream.ToClientChunk < 0:
		return errors.New("flow table: raw stream chunk below zero")
	case c.Stream.MaxPending < 1<<14 || c.Stream.MaxPending > 1<<30:
		return fmt.Errorf("flow table: %d bytes pending a direction: want 16 KiB to 1 GiB", c.Stream.MaxPending)
	case c.Defrag.MaxTrackers < 1 || c.Defrag.MaxFragments < 1 || c.Defrag.Memory < 1<<16:
		return errors.New("flow table: defragmentation needs a tracker, a fragment and 64 KiB")
	}
	return nil
}
