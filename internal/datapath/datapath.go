// Package datapath is the contract between the gate and whatever carries its
// packets: what is counted, what can be stopped, and what keeps holding when
// the gate's process is gone. internal/datapath/xdp implements it in the
// kernel; internal/datapath/contract is the test suite every implementation
// passes.
package datapath

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// DeviceKey is how the data path tells devices apart: the source MAC address
// on the inside port and the outermost VLAN tag (0 when untagged).
type DeviceKey struct {
	MAC  [6]byte
	VLAN uint16
}

// FlowKey names one flow counter: what one inside device sends to one outside
// address with one protocol and destination port. Ports are 0 for protocols
// without ports and for fragments that are not the first.
type FlowKey struct {
	Device  DeviceKey
	Dst     netip.Addr
	Proto   uint8
	DstPort uint16
}

// FlowCounter is the cumulative count of a FlowKey since its entry was made.
// Entries leave the table when it is full, least recently used first.
type FlowCounter struct {
	FlowKey
	Packets, Bytes          uint64 // outward; bytes are IP total length
	Syn                     uint64 // TCP with SYN and without ACK
	BareAck                 uint64 // TCP with ACK, without SYN, FIN and RST, and without payload
	HTTPRequests            uint64 // TCP payload that begins with an HTTP/1 method
	DNSQueries              uint64 // UDP or TCP to port 53 with QR clear
	BackPackets, BackBytes  uint64 // inward, answering: same addresses and port reversed
	LenMin, LenMax          uint16 // IP total length, since the entry was made
	SrcPortMin, SrcPortMax  uint16
	TCPFlagsOr, TCPFlagsAnd uint8 // all flags ever set, flags set in every segment
	First, Last             time.Time
}

// DeviceCounter is the cumulative count of one device since its entry was made.
type DeviceCounter struct {
	DeviceKey
	Classes            [NumClasses]ClassCount // outward, each packet in exactly one class
	TxPackets, TxBytes uint64                 // outward
	RxPackets, RxBytes uint64                 // inward
	Dropped            uint64                 // outward packets stopped by a rule, blocklist or ceiling
	LastSource         netip.Addr             // source of the last packet
	LastSpoofed        netip.Addr             // source of the last packet that was not of the inside
	First, Last        time.Time
}

// ClassCount counts the packets of one class.
type ClassCount struct{ Packets, Bytes uint64 }

// Class sorts outward packets by what a flood of them would be called.
type Class uint8

// The classes. A packet is in the first that fits.
const (
	ClassSpoofed Class = iota // source address not of the inside prefixes
	ClassSYN                  // TCP with SYN and without ACK
	ClassACK                  // TCP bare ACK (see FlowCounter.BareAck)
	ClassTCP                  // all other TCP
	ClassDNS                  // UDP to port 53
	ClassUDP                  // all other UDP
	ClassICMP                 // ICMP and ICMPv6 other than neighbour discovery
	ClassOther                // all else
	NumClasses   = iota
)

// Verdict is what a rule does with a matching packet.
type Verdict uint8

// The verdicts.
const (
	VerdictCount Verdict = iota // let it pass and count it (observe mode)
	VerdictDrop
	VerdictLimit // let PPS packets a second pass per device, drop the rest
)

// RuleID is the caller's name for a rule; 0 is not used.
type RuleID uint32

// Rule stops, limits or counts packets from inside to outside. Where several
// match, drop wins over limit, limit over count.
type Rule struct {
	ID       RuleID
	Device   DeviceKey // the zero key matches every device
	Shape    model.Shape
	Verdict  Verdict
	PPS      uint32    // VerdictLimit: packets per second per device, at least 1
	Deadline time.Time // the kernel itself stops honouring the rule then; zero: never
}

// RuleError says which rule made SetRules fail; without it the others could be
// in force.
type RuleError struct {
	Rule RuleID
	Err  error
}

// Error implements error.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %v", e.Rule, e.Err) }

// Unwrap gives the reason.
func (e *RuleError) Unwrap() error { return e.Err }

// RuleHits counts what a rule matched since it was installed.
type RuleHits struct {
	ID                    RuleID
	Packets, Bytes        uint64
	Stopped, StoppedBytes uint64    // of these, what it dropped
	Last                  time.Time // zero when it never matched
}

// Refusal is what the blocklist stopped between a device and an outside address.
type Refusal struct {
	Device  DeviceKey // of the inside end
	Outside netip.Addr
	Inward  bool // the packets came from outside
	Proto   uint8
	Port    uint16 // destination port of the last packet, 0 for none
	Packets uint64 // since they were last taken
	Last    time.Time
}

// FailMode says what happens while the gate's process is not alive (no
// heartbeat for HeartbeatTimeout). Installed rules, blocklists and ceilings
// hold in every mode.
type FailMode uint8

// The fail modes.
const (
	FailOpen            FailMode = iota // forward
	FailClosed                          // forward nothing
	FailClosedUntrusted                 // forward only devices marked trusted
)

// HeartbeatTimeout is how long after the last Heartbeat the fail mode holds.
const HeartbeatTimeout = 2 * time.Second

// Ceilings are hard limits in packets per second that the data path applies
// by itself to each device and class, 0 for none. They are the net under the
// detector: they hold from the first packet and without the daemon.
type Ceilings [NumClasses]uint32

// Totals are the counts of the whole data path since it was attached.
type Totals struct {
	Forwarded, ForwardedBytes                                                  uint64 // both directions
	DroppedRule, DroppedBlocklist, DroppedCeiling, DroppedFail, DroppedSpoofed uint64
	Malformed                                                                  uint64 // frames too short or broken for their headers
	FlowTableFull                                                              uint64 // flows that lost their entry to another while still in use
	DeviceTableFull                                                            uint64 // packets of devices that the table had no entry for

	Inspected      uint64 // handed to the inspection; what that forwards is not in Forwarded
	Settled        uint64 // forwarded because the inspection was done with their flow
	DroppedVerdict uint64 // dropped because the inspection said so of their flow
	Uninspected    uint64 // forwarded because nobody was there to inspect them

	UncountedRefusals uint64 // of DroppedBlocklist, packets that found no room among the refusals
}

// FlowID names one flow for the inspection's verdicts, in both directions the
// same.
type FlowID struct {
	Device                  DeviceKey // of the inside end
	Inside, Outside         netip.Addr
	InsidePort, OutsidePort uint16
	Proto                   uint8 // TCP or UDP
}

// Fate is what the data path does with the packets of a flow once the
// inspection has spoken.
type Fate uint8

// The fates. A flow that begins anew, or was quiet for a minute, is inspected
// again whatever was said of it.
const (
	FateInspect Fate = iota // hand them to the inspection
	FateForward             // nothing more can be found: forward them
	FateDrop
)

// MaxWorkers is how many workers may share an inspection.
const MaxWorkers = 16

// Side is one of the two ports.
type Side uint8

// The sides.
const (
	Inside Side = iota
	Outside
)

// Datapath carries packets between the inside and the outside port.
//
// Read methods call f once an entry with a pointer that is valid only during
// the call, allocate nothing in steady state, and must not be called from two
// goroutines at once; all others are safe for concurrent use. f must not call
// the data path.
type Datapath interface {
	ReadFlows(f func(*FlowCounter)) error
	ReadDevices(f func(*DeviceCounter)) error
	ReadHits(f func(*RuleHits)) error
	Totals() (Totals, error)

	// SetRules makes the given rules the ones in force, keeping the hit
	// counts and token buckets of rules whose ID and content (beside the
	// deadline) did not change.
	// Packets meet either the old or the new state of each rule, never none.
	// It fails as a whole, with the old rules in force, when a rule is
	// malformed or the tables are full. When one rule is the reason, the error
	// is a *RuleError.
	SetRules(rules []Rule) error
	// Rules gives the rules in force, also those that a former process left.
	Rules() ([]Rule, error)
	// SetBlocklist makes the given prefixes the ones that nothing is sent to
	// and nothing accepted from. Those that were in the list and stay hold all
	// the time. When it fails, of what is new some may hold.
	SetBlocklist(prefixes []netip.Prefix) error
	// TakeRefusals gives what the blocklist stopped since the last call, of as
	// many pairs as there is room for; the others are only in the totals. f is
	// called as the read methods call theirs.
	TakeRefusals(f func(*Refusal)) error
	// SetInside names the addresses of the inside; sources outside of them
	// are spoofed, and dropped when antiSpoof is set. With none, nothing is
	// taken as spoofed. Link-local, unspecified and multicast-listener
	// sources are never taken as spoofed.
	SetInside(prefixes []netip.Prefix, antiSpoof bool) error
	// SetCeilings sets the ceilings of one device, or of every device without
	// its own by the zero key.
	SetCeilings(device DeviceKey, c Ceilings) error
	SetTrusted(devices []DeviceKey) error
	// SetSpared names the devices that the blocklist does not hold for.
	SetSpared(devices []DeviceKey) error
	SetFailMode(m FailMode) error
	// Heartbeat says that the process is alive; call it at least once a second.
	Heartbeat() error
	// Close lets go of the data path and leaves it working; Detach takes it
	// off the ports.
	Close() error
	Detach() error
}
