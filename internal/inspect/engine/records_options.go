package engine

import (
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// RecordOptions says what is written.
type RecordOptions struct {
	Types    map[string]bool         // event types to write; nil for all but "frame" and "arp"
	IPS      bool                    // drop rules do drop: "blocked"
	Names    [protocol.NumIDs]string // each protocol's record, as Spec.Record; "": the protocol's name
	Flowbits func(slot int32, yield func(name string, number bool, value uint32))
	Tagged   bool // packet records of what rules with tag ask for; only looked at when Types is nil

	Capture   string // the capture's name, which each record carries; "" for none
	Community bool   // records carry the flow's Community ID …
	Seed      uint16 // … made with this seed
	Ethernet  bool   // records carry the frame's hardware addresses
	Verdict   bool   // alerts and drops say what became of the packet
	Guess     bool   // alerts on single packets get the flow's transaction if it has only one

	Payload     bool // alerts carry the payload in base64 …
	Printable   bool // … and printable …
	Length      bool // … and its length
	PayloadSize int  // most payload bytes of an alert, 0 for 4096
	Packet      bool // alerts carry the packet
	Body        bool // alerts of HTTP carry bodies in base64 …
	BodyText    bool // … and printable

	Decode, Stream, NoApp bool // anomaly records of broken headers, of TCP sessions; none of protocols
	Header                bool // those of packets carry the packet's first bytes
	Magic                 bool // fileinfo records say what a file's first bytes tell
}

func (r *Records) wants(kind string) bool {
	if r.types == nil {
		return kind != "frame" && kind != "arp"
	}
	return r.types[kind]
}
