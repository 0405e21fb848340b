package engine

import (
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Known says what is known of things that traffic names. The engine asks it on
// its own goroutine, about each thing once when it is complete, and about the
// addresses and the name of a flow again after Renewed.
type Known interface {
	// Ask says how a subject stands. It must not keep the subject or what it
	// points to, and should not allocate.
	Ask(s *Subject) Standing
	// Wants says what is worth asking about, and the digests by which files are
	// known. It is called by New, Swap and Renewed.
	Wants() (Kinds, protocol.Hashes)
}

// SubjectKind is what a Subject is.
type SubjectKind uint8

// The kinds.
const (
	SubjectAddress SubjectKind = iota + 1 // an end of a flow
	SubjectName                           // asked for, or named as who is spoken with
	SubjectURL
	SubjectFile
	SubjectJA4
	SubjectCert // a server's certificate
)

// String is the kind's word in records.
func (k SubjectKind) String() string {
	return [...]string{"", "address", "domain", "url", "file", "ja4", "certificate", ""}[k&7]
}

// Kinds is a set of kinds.
type Kinds uint8

// Of makes a set.
func (k SubjectKind) Of() Kinds { return 1 << k }

// Subject is a thing that traffic names. What it points to is valid during the
// call only.
type Subject struct {
	Kind SubjectKind
	Addr netip.Addr // SubjectAddress
	Port uint16     // of the address or of who has the name; 0 when there is none
	Text []byte     // name, URL (host, target), JA4: as sent
	Sum  []byte     // file: MD5, SHA-1 or SHA-256; certificate: SHA-1
}

// Standing is what is known of a Subject. The zero value says nothing.
type Standing struct {
	Listed  bool  // it is to be told of
	Stop    bool  // with Listed: it must not pass
	Allowed bool  // the operator lets it pass: a listed URL of an allowed name is no matter
	Score   uint8 // with Listed: it is at least this
}

// Listed is a thing of bad reputation that was met in traffic.
type Listed struct {
	Subject *Subject
	Standing
	Where  string     // what named it: "dns.query", "tls.sni", "http.host", "http.uri", "file", …
	Flow   *flow.Flow // it was met in
	Dir    packet.Direction
	Packet *packet.Packet
	File   *protocol.File // SubjectFile
}

// ListedSink is implemented by a Sink that also wants to know what of bad
// reputation was met. Like all that a Sink is given, it must not be kept.
type ListedSink interface {
	Listed(l *Listed)
}

// consultation is the engine's talk with Known.
type consultation struct {
	of      Known // nil: nothing is asked
	epoch   uint32
	fed     bool // a parser was given something since the last consultation
	stop    bool // the packet at hand must not pass
	answer  bool // it is a query that can be answered, or an answer that can say otherwise
	wants   Kinds
	asks    []bool // by spec: its transactions name something
	tell    Tell
	subject Subject
	listed  Listed
	url     []byte
	sum     [32]byte
}

// met is what a flow is remembered by, so that it can be asked about again.
type met struct {
	epoch   uint32 // of the consultation when the flow was last looked at
	allowed bool   // name is one that the operator lets pass
	stopped bool   // by what cannot be asked about again: a URL, a file, a fingerprint
	port    uint16 // with name
	where   string
	name    []byte // of who is spoken with, "" when there was none
}

// maxNamed is how much is remembered of a name; longer ones are no names.
const maxNamed = 253

// Renewed says that Known answers otherwise than before: flows that go on are
// looked at again, by their addresses and by the name they began with, those
// too that are bypassed.
func (e *Engine) Renewed() {
	e.known.epoch++
	e.wantHashes()
}

func (e *Engine) wantHashes() {
	e.env.Hashes = e.rules.Hashes() | e.hashes
	if e.known.of != nil {
		kinds, sums := e.known.of.Wants()
		e.known.wants = kinds
		e.env.Hashes |= sums
	}
}

// want says whether a kind is worth asking about.
func (c *consultation) want(k SubjectKind) bool { return c.wants&k.Of() != 0 }

// relook asks about the ends of a flow that is new, or was last looked at
// before Renewed, and then about its name again.
func (e *Engine) relook(p *packet.Packet, o flow.Outcome) {
	k, a := &e.known, e.app(o.Flow)
	if a.met.epoch == k.epoch {
		return
	}
	again := a.met.epoch != 0
	a.met.epoch = k.epoch
	if a.met.stopped {
		return // its ends were told; what they begin anew is asked about anew
	}
	o.Flow.Flags &^= flow.FlagListed
	k.listed = Listed{Flow: o.Flow, Dir: o.Dir, Packet: p}
	for i, end := range [2]packet.Addr{o.Flow.Server, o.Flow.Client} {
		if !k.want(SubjectAddress) {
			break
		}
		k.subject = Subject{Kind: SubjectAddress, Addr: netip.AddrFrom16(end).Unmap(), Port: portOf(o.Flow, i == 0)}
		if s := e.ask("address"); s.Listed {
			e.condemn(o.Flow, s, 0)
			break
		}
	}
	if again && len(a.met.name) > 0 {
		k.subject = subjectOf(a.met.name, a.met.port)
		s := e.ask(a.met.where)
		a.met.allowed = s.Allowed
		e.condemn(o.Flow, s, e.bothEnds(o.Flow))
	}
}

// portOf is the port of an end of a flow, 0 where there are no ports.
func portOf(f *flow.Flow, server bool) uint16 {
	switch {
	case f.Proto != 6 && f.Proto != 17:
		return 0
	case server:
		return f.ServerPort
	}
	return f.ClientPort
}

// bothEnds is whom to tell that a flow was cut: both ends of a session, else
// the sender.
func (e *Engine) bothEnds(f *flow.Flow) Tell {
	if f.Proto == 6 {
		return TellSender | TellReceiver
	}
	return TellSender
}

// ask asks about the subject at hand and tells what is listed.
func (e *Engine) ask(where string) Standing {
	k := &e.known
	s := k.of.Ask(&k.subject)
	if !s.Listed {
		return s
	}
	e.stats.Listed++
	if s.Stop {
		e.stats.ListedStopped++
	}
	if e.listed != nil {
		l := &k.listed
		l.Subject, l.Standing, l.Where = &k.subject, s, where
		e.listed.Listed(l)
	}
	return s
}

// condemn stops the flow at hand when the standing says so.
func (e *Engine) condemn(f *flow.Flow, s Standing, tell Tell) {
	if !s.Stop {
		return
	}
	e.known.stop = true
	e.known.tell |= tell
	switch e.known.subject.Kind {
	case SubjectAddress, SubjectName:
	default:
		e.app(f).met.stopped = true
	}
	e.table.SetFlags(f, flow.FlagListed)
}

// refuse drops the packet at hand for what was found.
func (e *Engine) refuse(act *Action) {
	k := &e.known
	act.Drop, act.Listed = true, true
	act.silent = !k.stop
	if k.stop {
		e.stats.Dropped++
		act.Tell |= k.tell
		act.Answer = k.answer
	}
}
