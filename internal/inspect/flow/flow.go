package flow

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// State is where a flow stands.
type State uint8

// The states. UDP and others are established once both sides have sent.
const (
	StateNew State = iota
	StateEstablished
	StateClosed
)

// String is eve.json's word for it.
func (s State) String() string { return [...]string{"new", "established", "closed", "bypassed"}[s&3] }

// Flags of a flow.
type Flags uint32

// The flags.
const (
	FlagMidstream Flags = 1 << iota // TCP picked up without its handshake
	FlagOneSided                    // only one side is seen (async)
	FlagBypassed                    // nothing more is inspected
	FlagNoInspect                   // a pass rule or an exception policy ended inspection of payloads
	FlagDropped                     // every further packet is to be dropped
	FlagNoApp                       // application layer parsing has ended
	FlagReversed                    // client and server were swapped after the protocol was known
	FlagDepth0                      // stream depth reached, to server
	FlagDepth1                      // stream depth reached, to client
	FlagGap0                        // bytes missing, to server
	FlagGap1                        // bytes missing, to client
	FlagNoRaw                       // the raw stream need not be kept: no rule inspects it
	FlagAlerted                     // some rule has fired on it
	FlagReopened                    // it was bypassed and is inspected again (Table.Reopen); the engine clears it
	FlagNoPayload                   // its payload is opaque from here on: rules about payloads and the raw stream leave it out
	FlagListed                      // something of bad reputation was met in it: its packets are dropped while that holds
)

// Flow is one entry of the table. It holds no pointers; the pointer to it that
// Table hands out is valid until the flow is finished. Fields are read by the
// rules and outputs; only Table and the engine write them.
type Flow struct {
	ID                     uint64 // eve's flow_id: stable for one capture
	Slot                   int32  // index in the table, reused after the flow is finished: for side tables
	Client, Server         packet.Addr
	ClientPort, ServerPort uint16 // ICMP: type and code of the first packet as eve wants them
	VLAN                   [3]uint16
	VLANs                  uint8
	IPVersion              uint8
	Proto                  uint8 // IP protocol
	State                  State
	App                    protocol.ID    // agreed protocol
	AppDir                 [2]protocol.ID // as detected by direction
	AppOriginal            protocol.ID    // agreed protocol before a switch (STARTTLS, upgrade); Unknown when there was none
	Flags                  Flags
	TCPState               TCPState
	TCPSeen                [2]uint8 // all TCP flags seen, by direction
	Packets, Bytes         [2]uint64
	Start, Last            int64     // nanoseconds since 1970
	StreamBytes            [2]uint64 // TCP: sequence numbers used so far, with that of the SYN (stream_size)
	Delivered              [2]uint64 // TCP: stream bytes handed to the Consumer, with those of gaps
	FirstNumber            uint64    // capture position of the first packet
}

// TCPState is the state of a TCP session as both ends show it.
type TCPState uint8

// The states.
const (
	TCPNone TCPState = iota
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait1
	TCPFinWait2
	TCPTimeWait
	TCPLastAck
	TCPCloseWait
	TCPClosing
	TCPClosed
)

// Reason says why a flow left the table.
type Reason uint8

// The reasons, named as eve.json names them.
const (
	ReasonTimeout  Reason = iota
	ReasonForced          // evicted to keep the memory bound
	ReasonShutdown        // end of the capture or of the engine
	ReasonReused          // a new handshake with the same addresses and ports
)

// String is eve.json's word for it.
func (r Reason) String() string {
	return [...]string{"timeout", "forced", "shutdown", "tcp_reuse"}[r&3]
}

// Consumer takes what the table finds. Its methods are called from within
// Table.Packet, Advance and Close, on the same goroutine. Slices are valid
// during the call only.
type Consumer interface {
	// Bytes hands on the next bytes of a TCP stream, in order, each byte once.
	Bytes(f *Flow, d packet.Direction, data []byte)
	// Gap says that n bytes are missing and will not come.
	Gap(f *Flow, d packet.Direction, n uint64)
	// End says that no more bytes will come in d: the session is closed, or the
	// depth reached. Only when a reset proves forged (suspected_rst_inject), more
	// may follow, and another End.
	End(f *Flow, d packet.Direction)
	// Drained says, when a flow ends, that all bytes in d have been handed on:
	// first to the server, when the client may still have some to get, then to
	// the client.
	Drained(f *Flow, d packet.Direction)
	// Finish is the last word on a flow; bytes still unacknowledged have been
	// handed on before. Its slot is reused afterwards.
	Finish(f *Flow, why Reason)
}

// Outcome is what Table.Packet says of a packet.
type Outcome struct {
	Flow     *Flow // nil when the packet belongs to no flow (ARP, a fragment not yet whole)
	Dir      packet.Direction
	Events   StreamEvents
	New      bool // it began the flow
	InStream bool // TCP: the payload was taken into the stream (it will be, or was, inspected there)
	Drop     bool // inline: the packet must not pass (invalid for the stream, exception policy)
	Reject   bool // as Drop, and tell the sender (exception policy)
	// RawDue: the raw stream has bytes that should be inspected with this packet (see Table.Raw).
	RawDue bool
	// Established: the packet finds its flow established, as rules ask by
	// flow:established. The packet that completes a TCP handshake does not,
	// unless it carries data.
	Established bool
	// NoPayload: the flow was FlagNoPayload before this packet.
	NoPayload bool
	// Pass: this packet is not inspected (exception policy).
	Pass bool
	// Rewrite is nil, or, inline, the payload as it has to be sent on: as long as
	// the packet's, with the bytes that came first where it says otherwise.
	Rewrite []byte
}

// StreamEvents is a set of stream events, by StreamEvent number.
type StreamEvents [2]uint64

// StreamEvent is something wrong with a TCP segment. Rules name them in
// stream-event ("3whs_ack_in_wrong_dir").
type StreamEvent uint8

// Set adds an event.
func (e *StreamEvents) Set(n StreamEvent) { e[n>>6&1] |= 1 << (n & 63) }

// Has says whether an event is in the set.
func (e *StreamEvents) Has(n StreamEvent) bool { return e[n>>6&1]&(1<<(n&63)) != 0 }

// Empty says whether the set is empty.
func (e *StreamEvents) Empty() bool { return e[0]|e[1] == 0 }
