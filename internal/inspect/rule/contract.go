package rule

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Source is one file of rules.
type Source struct {
	Name string // for messages: path as the person wrote it
	Text []byte
}

// Refusal is a rule, or a part of one, that cannot be honoured.
type Refusal struct {
	File         string
	Line, Column int    // 1-based
	SID          uint32 // 0 when the rule was not read that far
	Problem      string // what is wrong
	Mend         string // what to write instead, "" when nothing will do
}

// Action is what a rule wants done.
type Action uint8

// The actions. Config rules set logging or tracking options of a flow.
const (
	ActionAlert Action = iota
	ActionPass
	ActionDrop
	ActionReject    // drop and tell the sender
	ActionRejectDst // drop and tell the receiver
	ActionRejectBoth
	ActionConfig
)

// Meta is what outputs want to know of a rule.
type Meta struct {
	SID, GID, Rev  uint32
	Action         Action
	Message        string
	Classification string // long name ("A Network Trojan was detected"), "" for none
	Priority       uint8  // 1 is highest; eve's severity
	References     []string
	Target         Target
	Metadata       [][2]string
	File           string
	Line           int
	Text           string // the rule as written; kept only when Options.KeepText says so
}

// Target is the side of the packet that a rule says is attacked.
type Target uint8

// The targets.
const (
	TargetNone Target = iota
	TargetSource
	TargetDestination
)

// Alert is one rule that fired.
type Alert struct {
	Rule   *Meta
	Tx     protocol.Tx // the transaction it fired on, nil for none
	TxID   uint64
	Frame  *protocol.Frame // the frame it fired on, nil for none; of Context.Frames
	Drop   bool            // the packet (and its flow) is to be dropped by this alert
	Stream bool            // it fired on the stream or on a frame
	OfApp  bool            // the rule names an application protocol
	Quiet  bool            // noalert or suppressed: not to be written, its verdict counts
}

// Context is what the engine knows of the packet under inspection. It is
// reused from packet to packet.
type Context struct {
	Packet  *packet.Packet // of SourceFlowEnd: no payload, addresses of the flow
	Outer   *packet.Packet // the one that carried Packet in a tunnel, nil for none; for records
	Flow    *flow.Flow     // nil for packets without a flow
	Dir     packet.Direction
	Outcome flow.Outcome
	Now     int64

	Raw       []byte // raw stream bytes to inspect with this packet: not yet inspected ones, and some before them
	RawOffset uint64 // stream offset of Raw[0]
	RawFresh  int    // Raw[RawFresh:] were not inspected before

	App    protocol.ID   // the flow's protocol
	Txs    []protocol.Tx // transactions of the flow to be inspected in Dir
	Frames []protocol.Frame
	TxOnly bool // nothing but the transactions is to be inspected: the packet was inspected already
	Last   bool // the flow's last inspection in this direction: growing buffers are final

	AppEvents protocol.Events // events of the flow's protocol detection (applayer.*), by index in AppLayerEvents
}

// Verdict is the outcome of the inspection of a packet. It belongs to the
// Inspector and is valid until its next call.
type Verdict struct {
	Alerts             []Alert // in the order in which they are to be written, thresholds applied
	Action             Action  // ActionAlert (nothing), ActionPass, ActionDrop, ActionReject…: the strongest
	PassFlow, DropFlow bool    // the action holds for the whole flow
	Bypass             bool    // a rule asks that nothing more of the flow be inspected
	Unlogged           bool    // a config rule asks that the flow be left out of the logs
	Discarded          int     // alerts left out because there were more than PacketAlertMax
	Tagged             bool    // no rule fired, but an earlier one asked for this packet to be recorded (tag)
}
