package protocol

import "github.com/masugata/masugata/internal/inspect/packet"

// Tx is one transaction: a request with its response, a handshake, a message.
// It belongs to its Parser; whoever holds it must not use it after
// Parser.Sweep has removed it. Slices it returns are valid until the parser is
// called again and must not be changed. No method allocates in steady state.
type Tx interface {
	// Stage is how far the transaction has come in d. It never goes back.
	Stage(d packet.Direction) Stage
	// Bytes is the i-th value (0 unless the field is Multi) of a KindBytes
	// field in d, false when there is none. Normalised values may be built
	// at the first call and kept.
	Bytes(f Field, d packet.Direction, i int) ([]byte, bool)
	// Uint is the i-th value of a KindUint field.
	Uint(f Field, d packet.Direction, i int) (uint64, bool)
	// Window is what there is now of a KindStream field other than file.data
	// (which the engine takes from Files).
	Window(f Field, d packet.Direction, i int) (Window, bool)
	// Files are the files seen so far in d, oldest first.
	Files(d packet.Direction) []*File
	// Inspection is the engine's own state of the transaction, kept inside it.
	Inspection() *Inspection
}

// Recorder is implemented by transactions that have a record of their own in
// eve.json, named by Spec.Record.
type Recorder interface {
	// AppendEve appends the object that stands under the record's name
	// ({"hostname":…}), or nothing when there is none to write. d matters only
	// where Spec.RecordEach is set.
	AppendEve(dst []byte, d packet.Direction) []byte
}

// EarlyRecorder is implemented by a Recorder whose record may be written before
// the transaction is done (TLS: with the server's certificate).
type EarlyRecorder interface {
	// Recordable says that the record is as complete as it has to be.
	Recordable() bool
}

// AlertRecorder is implemented by a Recorder whose record looks different when
// it stands in an alert (DNS).
type AlertRecorder interface {
	// AppendAlertEve appends the object as AppendEve does.
	AppendAlertEve(dst []byte, d packet.Direction) []byte
}

// Beside is implemented by a Recorder that writes more fields of the event
// beside its record (SMTP's "email", NFS's "rpc").
type Beside interface {
	// AppendBeside appends whole fields, divided by commas ("email":{…}), or nothing.
	AppendBeside(dst []byte, d packet.Direction) []byte
}

// Carrier is implemented by transactions that carry messages of another
// protocol (DNS over HTTPS), which have records of their own.
type Carrier interface {
	// Carried is the message in d and its record's name, nil for none.
	Carried(d packet.Direction) (record string, message Recorder)
}

// Window is a part of a growing buffer: Data begins Offset bytes after the
// buffer's first byte; bytes before it are gone.
type Window struct {
	Data   []byte
	Offset uint64
	Final  bool // no more bytes will come
}

// Events is a set of up to 128 of a protocol's events, by index in Spec.Events.
type Events [2]uint64

// Set adds event n.
func (e *Events) Set(n uint8) { e[n>>6&1] |= 1 << (n & 63) }

// Has says whether event n is in the set.
func (e *Events) Has(n uint8) bool { return e[n>>6&1]&(1<<(n&63)) != 0 }

// Empty says whether no event is in the set.
func (e *Events) Empty() bool { return e[0]|e[1] == 0 }

// Inspection is embedded in every transaction. Parsers set Number, Events and
// LastSeen's order; everything else belongs to the engine.
type Inspection struct {
	Number uint64 // position of the transaction in its flow, from 0
	Events Events // what the parser found wrong; it only adds
	Done   bool   // the engine needs it no more: Sweep may free it

	Logged    [2]bool             // record written, by direction
	Reported  Events              // events already written as anomaly records
	Inspected [2]Stage            // stage at the last inspection, by direction
	Skip      [2]bool             // not to be inspected in that direction at all: see OneSided
	Scanned   [2][]StreamProgress // how far each growing field was scanned
	Pending   [2][]uint32         // rules that wait for later fields
	Alerted   [2][]uint32         // rules that have fired, so that each does so once
	Fresh     [2]bool             // more of it has come since it was last inspected; only parsers of several stages say so
	Epoch     uint32              // which rule set Pending and Alerted are numbers of
	Guessed   uint8               // alerts on the stream that were recorded with this transaction
	Asked     uint8               // of which of its things the reputation was asked for
}

// StreamProgress is how far the instance of a growing field was inspected.
type StreamProgress struct {
	Field Field
	Index uint16
	Upto  uint64 // bytes from the buffer's start
	Final bool   // inspected with Window.Final set
}

// Reset makes the state ready for the next transaction and keeps its memory.
func (s *Inspection) Reset(number uint64) {
	for d := range 2 {
		s.Scanned[d], s.Pending[d], s.Alerted[d] = s.Scanned[d][:0], s.Pending[d][:0], s.Alerted[d][:0]
	}
	*s = Inspection{Number: number, Scanned: s.Scanned, Pending: s.Pending, Alerted: s.Alerted}
}

// OneSided says that the transaction belongs to direction d alone (a DNS
// response, an MQTT publication): in the other direction it counts as
// inspected, so that no rule fires on it there. Its parser calls it when the
// transaction begins and answers StageDone for the other direction.
func (s *Inspection) OneSided(d packet.Direction) {
	s.Inspected[d.Other()], s.Skip[d.Other()] = StageDone, true
}

// Again asks for one more inspection in d although the stage has not grown:
// there is another value of a Multi field, or more of a buffer. Parsers call it.
func (s *Inspection) Again(d packet.Direction) { s.Inspected[d] = StageNone }

// Raise adds event n after the transaction may have been inspected, and asks
// for one more inspection in both directions.
func (s *Inspection) Raise(n uint8) {
	if s.Events.Has(n) {
		return
	}
	s.Events.Set(n)
	for d := range s.Inspected {
		s.Inspected[d] = StageNone
	}
}

// FileState says how a file ended.
type FileState uint8

// The file states, named as eve.json names them.
const (
	FileOpen      FileState = iota
	FileClosed              // complete
	FileTruncated           // bytes are missing or a limit was met
	FileError
)

// String is eve.json's word for it.
func (s FileState) String() string {
	return [...]string{"UNKNOWN", "CLOSED", "TRUNCATED", "ERROR"}[s&3]
}

// File is a file that passes through a transaction. Parsers feed it with
// protocol/file.Tracker, which keeps the window and computes the digests.
type File struct {
	Name                 []byte
	Data                 Window
	Size                 uint64 // bytes seen, also those no longer in Data
	Start, End           uint64 // HTTP byte ranges: first and last byte in the whole file
	State                FileState
	Gaps                 bool
	ID                   uint32 // 1-based, unique in the parser's flow
	MD5                  [16]byte
	SHA1                 [20]byte
	SHA256               [32]byte
	HasMD5, HasSHA1      bool // valid once State is FileClosed and Env.Hashes asked for it
	HasSHA256            bool
	Stored, Logged, Dead bool // the engine's: asked to be stored; fileinfo record written; nothing more to inspect
	Asked                bool // the engine's: its reputation was asked for
}
