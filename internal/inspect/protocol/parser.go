package protocol

import "github.com/masugata/masugata/internal/inspect/packet"

// Transport is a set of what carries a protocol.
type Transport uint8

// The transports.
const (
	OverTCP Transport = 1 << iota
	OverUDP
)

// Verdict is what a Probe says.
type Verdict uint8

// The verdicts.
const (
	No    Verdict = iota // it is not this protocol
	Yes                  // it is
	More                 // cannot say yet: ask again with more bytes
	Maybe                // it may be, take it when nothing else says Yes (and when the port fits)
)

// Spec describes a protocol's parser to the engine and the rule compiler.
type Spec struct {
	ID        ID
	Transport Transport
	Ports     []uint16 // where it is usual; used to order probes and to accept Maybe, never alone
	// Probe looks at the first bytes of one direction (of a stream, or a
	// datagram). It must be cheap, keep nothing, and not allocate.
	Probe func(d packet.Direction, data []byte, srcPort, dstPort uint16) Verdict
	// Reversed, nil for never, says of bytes that Probe took in d whether they
	// come from the other side than d says, because the flow was first seen in
	// the middle (a DNS response before any request): the flow's ends are then
	// to be swapped before they are parsed.
	Reversed func(d packet.Direction, data []byte, udp bool) bool
	// Tells, nil for always, says of the first bytes in d that Probe took
	// whether they show the protocol by themselves. Where they do not (the
	// greetings of mail and of file transfer are alike), the protocol counts
	// as detected in the other direction alone, which is an event of detection.
	Tells func(d packet.Direction, first []byte) bool
	// Open checks the settings and gives a maker of parsers. The engine keeps
	// parsers in a free list of its own and calls Reset before each use.
	Open func(s Settings) (func() Parser, error)

	Keywords   []Keyword        // with arguments of their own kind
	Events     []string         // app-layer-event names, without the protocol ("gzip_decompression_failed"); index is the event number
	Hooks      map[string]Stage // names of stages for rule headers ("request_line"); ToServer and ToClient names differ
	Record     string           // event_type of its eve.json record ("http"), "" for none
	RecordEach bool             // one record a direction (dns) instead of one at the end
	Files      bool             // transactions may carry files
	// StreamDepth, nil for the settings' own, is how many bytes of a stream of
	// this protocol are followed (0: all), by its own stream-depth setting.
	StreamDepth func(s Settings) uint64
	Packetwise  bool // datagrams: rules see each transaction with the packet that carried it
}

// plainHooks are those of protocols that name none of their own.
var plainHooks = map[string]Stage{
	"request_started": StageStart, "request_complete": StageDone, "response_started": StageStart, "response_complete": StageDone,
}

// RuleHooks are the names that rule headers may write behind the protocol: its
// own, or begin and end of either direction. Callers must not change the map.
func (s *Spec) RuleHooks() map[string]Stage {
	if len(s.Hooks) == 0 {
		return plainHooks
	}
	return s.Hooks
}

// Settings gives configured values by Suricata's dotted names below
// app-layer.protocols.NAME ("libhtp.default-config.request-body-limit").
type Settings interface {
	// Lookup is false when the value is not set. Lists are comma-separated.
	Lookup(name string) (string, bool)
}

// Status says how parsing goes on.
type Status struct {
	Code Code
	Next ID // StatusSwitch: the protocol from here on, Unknown for "detect again"
}

// Code is the outcome of a Parser call.
type Code uint8

// The outcomes.
const (
	StatusOK     Code = iota
	StatusFailed      // not parseable: no more calls for this direction; transactions stay
	StatusDone        // nothing more to see in either direction (encrypted from here): the flow may be bypassed
	StatusRename      // the same parser goes on, the flow is of protocol Next from here on (HTTP/2 that carries DNS)
	StatusSwitch      // the rest of the bytes belongs to another protocol (STARTTLS, CONNECT, upgrade); Consumed says from where
)

// Hashes asks for digests of files.
type Hashes uint8

// The digests.
const (
	WantMD5 Hashes = 1 << iota
	WantSHA1
	WantSHA256
)

const (
	wantAll   = WantMD5 | WantSHA1 | WantSHA256
	hazardous = 3 // places that digests wanted only of hazardous files are shifted by
)

// OfHazards asks for the digests only of files whose beginning shows no kind
// that does no harm (images, sound, films, fonts, JSON, web pages).
func (h Hashes) OfHazards() Hashes { return h & wantAll << hazardous }

// Split gives the digests that are wanted of every file and those that are
// wanted only of hazardous ones.
func (h Hashes) Split() (all, hazards Hashes) {
	all = h & wantAll
	return all, h >> hazardous & wantAll &^ all
}

// Env is what a parser may know of the world during a call. The engine reuses it.
type Env struct {
	Now              int64 // nanoseconds since 1970: the packet's time
	Client, Server   packet.Addr
	ClientPort       uint16
	ServerPort       uint16
	UDP              bool
	Hashes           Hashes // digests that some rule or output needs
	Consumed         int    // set by the parser with StatusSwitch: bytes of data it took
	Expect           []Expectation
	Frames           []Frame // frames that ended in this call; the engine clears it
	WantFrames       bool    // some rule inspects frames of this protocol; else none need be noted
	TriggerRawStream bool    // set by the parser: a message ended, so the raw stream should be inspected now
	NoPayload        bool    // set by the parser: payloads are encrypted from here on, though it still follows them
	Flush            bool    // set by the parser: what there is of the flow is to be inspected before the packet at hand, because no more will be read
}

// Frame notes a frame that ended in this call, if any rule inspects frames of
// the protocol. data must stay as it is until the engine has inspected it.
func (e *Env) Frame(d packet.Direction, name string, data []byte) {
	if e.WantFrames {
		e.Frames = append(e.Frames, Frame{Name: name, Dir: d, Data: data})
	}
}

// Expectation announces a flow that this one has agreed on (FTP data).
type Expectation struct {
	Server     packet.Addr
	ServerPort uint16
	ID         ID
	Name       []byte // what it will carry: file name; copied by the engine
	Download   bool   // server to client
}

// Frame is a piece of the stream that rules can name ("frame:http1.headers").
type Frame struct {
	Name string // without the protocol
	Dir  packet.Direction
	Data []byte // valid during the call
	ID   uint64 // the engine's: 1-based number in the flow's direction
}

// Parser follows one flow of its protocol. It is called from one goroutine,
// with bytes in order; it bounds what it keeps.
type Parser interface {
	// Reset forgets everything and keeps memory for the next flow.
	Reset()
	// Parse takes the next bytes of the stream in d, or one datagram. It takes
	// all of data unless it returns StatusSwitch; what it needs later it copies.
	Parse(d packet.Direction, data []byte, env *Env) Status
	// Gap says that n bytes of the stream in d are missing.
	Gap(d packet.Direction, n uint64, env *Env) Status
	// End says that no more bytes will come in d.
	End(d packet.Direction, env *Env)
	// Txs are the transactions not yet swept, oldest first. The slice belongs
	// to the parser and changes with every call.
	Txs() []Tx
	// Sweep frees transactions whose Inspection says Done.
	Sweep()
}

// Expected is implemented by parsers of flows that other flows announce
// (Expectation): the engine calls it after Reset, before the first bytes. The
// name is valid during the call.
type Expected interface {
	Expect(name []byte, download bool)
}

// Upgraded is implemented by parsers that want to know the transaction that
// agreed on their protocol (HTTP/2 and WebSocket after 101 Switching
// Protocols): after a StatusSwitch the engine calls it, after Reset and before
// the first bytes, with the newest transaction of the parser before. The
// transaction is valid during the call.
type Upgraded interface {
	Upgrade(by Tx, env *Env)
}
