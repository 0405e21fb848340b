package model

import (
	"net/netip"
	"time"
)

// Event is one thing that a part of Masugata saw. Repeats within a short time
// are joined at the source: Count says how many, Time and Last when the first
// and the last happened.
type Event struct {
	ID       ID        `json:"id"`
	Time     time.Time `json:"time"`
	Last     time.Time `json:"last"`
	Device   DeviceID  `json:"device"`   // the device it is about; empty when it is about the part itself
	Reporter PartID    `json:"reporter"` // the part that saw it; set by the link server from the certificate
	Layer    Layer     `json:"layer"`
	Kind     Kind      `json:"kind"`
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject"`        // what it happened to: a path, a process, a destination
	Rule     string    `json:"rule,omitempty"` // the rule or detector that fired
	Count    uint32    `json:"count"`          // how often between Time and Last, at least 1

	Observables []Observable `json:"observables,omitempty"`

	// Explanation says in plain words what happened, Advice what to do.
	Explanation string `json:"explanation,omitempty"`
	Advice      string `json:"advice,omitempty"`
	// Technique is an ATT&CK technique, such as "T1498" or "T0814".
	Technique string `json:"technique,omitempty"`

	// At most one kind of evidence is set.
	Flood   *FloodEvidence   `json:"flood,omitempty"`
	Process *ProcessEvidence `json:"process,omitempty"`
	File    *FileEvidence    `json:"file,omitempty"`
}

// Kind says what an event is, in dotted words from the general to the special.
type Kind string

// The kinds of this version. A reader passes kinds it does not know through.
const (
	KindFloodOutbound Kind = "flood.outbound"     // a device sends a flood (gate: from counters; agent: from its own sockets)
	KindFloodEnded    Kind = "flood.ended"        // that flood is over
	KindSpoofedSource Kind = "spoof.source"       // a device sends from addresses that are not its own
	KindIntrusion     Kind = "intrusion.detected" // an inspection rule fired on a device's traffic
	KindBlocked       Kind = "intrusion.blocked"  // the same, and the packet was stopped
	KindListedSeen    Kind = "reputation.seen"    // a device's traffic was with an address, name, URL or file of bad reputation, and passed
	KindListedBlocked Kind = "reputation.blocked" // the same, and it was stopped
	KindContact       Kind = "contact"            // whom a device spoke with in the last minutes: no alarm, kept for looking back
	KindProcessStart  Kind = "process.start"      // a program was executed
	KindProcessKilled Kind = "process.killed"     // the agent ended a process because an action said so
	KindFileChanged   Kind = "file.changed"       // a watched file was written, made, removed or its mode changed
	KindDeviceSeen    Kind = "device.seen"        // a device appeared for the first time
	KindPartStarted   Kind = "part.started"       // an agent or gate started
	KindPartDegraded  Kind = "part.degraded"      // a protection is missing, Explanation says which and why
	KindSpoolDropped  Kind = "spool.dropped"      // events were dropped from a full spool, Count says how many
	KindActionApplied Kind = "action.applied"     // a part enforces an action
	KindActionFailed  Kind = "action.failed"      // a part could not apply an action
	KindLoginFailed   Kind = "login.failed"       // control layer: a sign-in was refused
	KindEnrollRefused Kind = "enroll.refused"     // control layer: an enrolment was refused
	KindLinkRefused   Kind = "link.refused"       // control layer: a call with a bad or revoked certificate
)

// Layer is one of the four layers that Masugata protects. It is not a uint8,
// because schemas take a list of bytes for one string.
type Layer uint16

// The layers. The zero value is not a layer.
const (
	LayerDevice Layer = iota + 1
	LayerNetwork
	LayerControl
	LayerData
)

// Severity orders events by how much they matter.
type Severity uint8

// The severities, least first. The zero value is SeverityInfo, so an unset
// severity never raises an alarm.
const (
	SeverityInfo Severity = iota
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

// Observable is something in an event that can be looked up or matched
// elsewhere.
type Observable struct {
	Type  ObservableType `json:"type"`
	Value string         `json:"value"`
}

// ObservableType says what an observable's value is.
type ObservableType string

// The observable types.
const (
	ObservableIP     ObservableType = "ip"
	ObservableMAC    ObservableType = "mac"
	ObservableDomain ObservableType = "domain"
	ObservableURL    ObservableType = "url"
	ObservableSHA256 ObservableType = "sha256"
	ObservableSHA1   ObservableType = "sha1"
	ObservableMD5    ObservableType = "md5"
	ObservableJA4    ObservableType = "ja4"
	ObservableCert   ObservableType = "certificate" // SHA-1 or SHA-256 of it, lower-case hexadecimal digits
	ObservablePath   ObservableType = "path"
	ObservablePort   ObservableType = "port"
	ObservableProto  ObservableType = "protocol" // what the traffic speaks: "http", "tcp"
	ObservableClass  ObservableType = "class"    // a rule's classification
)

// ClassInbound is the class of contacts that the other end began: their port is
// the device's own.
const ClassInbound = "inbound"

// FloodEvidence describes a flood: its shape, how fast it is, and which
// process sends it if an agent saw it.
type FloodEvidence struct {
	Vector      Vector           `json:"vector"`
	Shape       Shape            `json:"shape"`
	PPS         float64          `json:"pps"`          // packets per second over the measured window
	BPS         float64          `json:"bps"`          // bits per second over the measured window
	BaselinePPS float64          `json:"baseline_pps"` // what this device normally sends in this class
	Packets     uint64           `json:"packets"`      // since the flood began
	Sources     uint32           `json:"sources"`      // distinct source addresses seen, 1 when not spoofed
	Process     *ProcessEvidence `json:"process,omitempty"`
	// OtherDevices is how many devices beside this one use the same target,
	// protocol and port in an ordinary way. Only gates know; agents leave 0.
	OtherDevices uint32 `json:"other_devices"`
}

// Vector names the way a flood is made.
type Vector string

// The vectors of this version.
const (
	VectorUDP     Vector = "udp"
	VectorSYN     Vector = "syn"
	VectorACK     Vector = "ack"
	VectorICMP    Vector = "icmp"
	VectorDNS     Vector = "dns"
	VectorHTTP    Vector = "http"
	VectorSpoofed Vector = "spoofed" // sources that are not the device's own; any protocol
)

// ProcessEvidence describes a process on a device.
type ProcessEvidence struct {
	PID        uint32           `json:"pid"`
	Start      uint64           `json:"start"` // start time in clock ticks since boot (field 22 of /proc/PID/stat): PID and Start together name a process
	Path       string           `json:"path"`
	SHA256     string           `json:"sha256,omitempty"` // lower-case hex
	Args       []string         `json:"args,omitempty"`
	UID        uint32           `json:"uid"`
	ParentPID  uint32           `json:"parent_pid"`
	ParentPath string           `json:"parent_path,omitempty"`
	Remotes    []netip.AddrPort `json:"remotes,omitempty"`
}

// FileEvidence describes a change of a file on a device.
type FileEvidence struct {
	Path   string `json:"path"`
	Change string `json:"change"` // created, modified, deleted, moved, attributes
	SHA256 string `json:"sha256,omitempty"`
	Was    string `json:"was,omitempty"` // the SHA-256 before, when known
	Size   int64  `json:"size"`
	PID    uint32 `json:"pid"`
	By     string `json:"by,omitempty"` // path of the program that changed it
}
