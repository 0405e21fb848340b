package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/masugata/masugata/internal/model"
)

// Config bounds a Spool.
type Config struct {
	Dir      string // made with mode 0700; one process at a time
	MaxBytes int64  // of events on disk; default 16 MiB, at least 256 KiB
	Sync     Sync
}

// Sync says when the spool forces its files to the medium. Being killed loses
// nothing that was flushed in either mode; a power cut may, with SyncNever,
// lose or send twice the events of the last seconds.
type Sync uint8

// The policies.
const (
	SyncNever   Sync = iota // let the kernel write when it likes: kind to flash
	SyncBatches             // before a batch is first sent
)

// Lane is one of the two independent rows of batches.
type Lane uint8

// The lanes.
const (
	Urgent Lane = iota // severity high and critical
	Normal             // the rest
	numLanes
)

// LaneOf says which lane carries events of a severity.
func LaneOf(s model.Severity) Lane {
	if s >= model.SeverityHigh {
		return Urgent
	}
	return Normal
}

// top gives the most important class of a lane and how many classes it has.
func (l Lane) top() (class, n int) {
	if l == Urgent {
		return int(model.SeverityCritical), 2
	}
	return int(model.SeverityMedium), 3
}

const (
	numClasses   = int(model.SeverityCritical) + 1
	defaultBytes = 16 << 20
	minBytes     = 256 << 10
	minSegment   = 32 << 10
	maxSegment   = 512 << 10
	flushAt      = 32 << 10 // bytes of one class in memory that are written without being asked
)

// Batch is a numbered batch of events.
type Batch struct {
	Epoch, Seq uint64
	Count      int    // events in it; fewer than planned only after a power cut
	Events     []byte // serialised EventBatch, valid until the lane's next Next
}

// Stats say what the spool holds.
type Stats struct {
	Waiting uint64 // events not yet acknowledged, including those in memory
	Dropped uint64 // since Open
	Bytes   int64  // on disk
}

// Spool is a bounded queue of events on disk. Safe for concurrent use, but
// Next and Ack of one lane are for one goroutine.
type Spool struct {
	cfg     Config
	segSize int64
	lock    *os.File

	mu      sync.Mutex
	classes [numClasses]class
	lanes   [numLanes]lane
	bytes   int64
	dropped uint64
	closed  bool
}

// ErrClosed is returned by a Spool after Close.
var ErrClosed = errors.New("spool: closed")

// Open opens the spool in cfg.Dir, with what a former process left there.
func Open(cfg Config) (*Spool, error) {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	cfg.MaxBytes = max(cfg.MaxBytes, minBytes)
	s := &Spool{cfg: cfg, segSize: min(max(cfg.MaxBytes/64, minSegment), maxSegment)}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("spool %s: used by another process: %w", cfg.Dir, err)
	}
	if err := s.load(); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("spool %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func (s *Spool) load() error {
	boot := bootID()
	for l := range s.lanes {
		if err := s.lanes[l].open(filepath.Join(s.cfg.Dir, fmt.Sprintf("lane%d", l)), boot); err != nil {
			return err
		}
		last := &s.lanes[l].last
		s.lanes[l].fresh = last.boot != boot && s.cfg.Sync == SyncNever
		top, n := Lane(l).top()
		for i := range n {
			s.classes[top-i].pos = last.ranges[i].end
		}
	}
	for c := range s.classes {
		cl := &s.classes[c]
		if err := cl.load(s.cfg.Dir, c, s.pinned(c)); err != nil {
			return err
		}
		for _, seg := range cl.segs {
			s.bytes += seg.size
		}
	}
	return nil
}

// Put takes one event: element is what wire.AppendBatchEvent wrote, of which
// a copy is kept. It stays in memory until Flush, Next, or until some 32 kB
// are together. When the disk cannot take events, or one is larger than 128
// KiB, they are dropped, counted, and the error is returned.
func (s *Spool) Put(severity model.Severity, element []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if len(element) > maxRecord {
		s.dropped++
		return fmt.Errorf("spool: an event of %d bytes, at most %d are taken", len(element), maxRecord)
	}
	c := min(int(severity), numClasses-1)
	s.classes[c].stage(element)
	if len(s.classes[c].buf) >= flushAt {
		return s.flush(c)
	}
	return nil
}

// Flush writes what is in memory to the files.
func (s *Spool) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	var first error
	for c := numClasses - 1; c >= 0; c-- {
		if err := s.flush(c); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (s *Spool) flush(c int) error {
	cl := &s.classes[c]
	if cl.staged == 0 {
		return nil
	}
	before := cl.active
	n, err := cl.write(s.cfg.Dir, c, s.segSize)
	if err != nil {
		s.dropped += uint64(cl.staged)
		cl.unstage()
		return fmt.Errorf("spool: events lost: %w", err)
	}
	s.bytes += n
	if before != cl.active && before != nil {
		s.bytes -= cl.forgetRead() // the former active segment may have been read already
	}
	s.makeRoom()
	return nil
}

// makeRoom drops the least important, oldest segments until the bound holds.
func (s *Spool) makeRoom() {
	for s.bytes > s.cfg.MaxBytes {
		if !s.dropOne() {
			return // all that is left is in batches that are being sent
		}
	}
}

func (s *Spool) dropOne() bool {
	for c := range s.classes {
		lost, size, ok := s.classes[c].drop(s.pinned(c))
		if ok {
			s.dropped += uint64(lost)
			s.bytes -= size
			return true
		}
	}
	return false
}

// pinned gives the records of class c that an unacknowledged batch holds.
func (s *Spool) pinned(c int) span {
	l := LaneOf(model.Severity(c))
	if !s.lanes[l].pending {
		return span{}
	}
	top, _ := l.top()
	return s.lanes[l].last.ranges[top-c]
}

// Next gives the lane's batch to send: the one that was not acknowledged yet,
// or a new one of at most maxEvents events and about maxBytes bytes (but at
// least one event), most important first. ok is false when nothing waits.
func (s *Spool) Next(l Lane, maxEvents, maxBytes int) (b Batch, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return b, false, ErrClosed
	}
	ln := &s.lanes[l]
	if !ln.pending {
		if ok, err := s.plan(l, maxEvents, maxBytes); !ok || err != nil {
			return b, false, err
		}
	}
	top, n := l.top()
	ln.events = ln.events[:0]
	b = Batch{Epoch: ln.last.epoch, Seq: ln.last.seq}
	for i := range n {
		var got int
		ln.events, got, err = s.classes[top-i].read(ln.events, ln.last.ranges[i])
		if err != nil {
			return Batch{}, false, fmt.Errorf("spool: %w", err)
		}
		b.Count += got
	}
	b.Events = ln.events
	return b, true, nil
}

// plan fixes the next batch of a lane and writes it to the lane's log.
func (s *Spool) plan(l Lane, maxEvents, maxBytes int) (bool, error) {
	top, n := l.top()
	var ranges [3]span
	var total uint32
	var flushErr error
	for i := range n {
		cl := &s.classes[top-i]
		if err := s.flush(top - i); err != nil {
			flushErr = err
		}
		var bytes int
		ranges[i], bytes = cl.take(maxEvents, maxBytes, total == 0)
		maxEvents -= int(ranges[i].count)
		maxBytes -= bytes
		total += ranges[i].count
		if cl.full { // more of this class waits: nothing less important goes before it
			maxEvents = 0
		}
	}
	if total == 0 {
		return false, flushErr
	}
	if s.cfg.Sync == SyncBatches {
		for i := range n {
			if err := s.classes[top-i].sync(ranges[i]); err != nil {
				return false, fmt.Errorf("spool: %w", err)
			}
		}
	}
	if err := s.lanes[l].fix(ranges, s.cfg.Sync == SyncBatches); err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	for i := range n {
		s.dropped += uint64(s.classes[top-i].advance(ranges[i]))
	}
	return true, nil
}

// Ack says that the batch with this number is durable at the control plane.
// An old number is passed over.
func (s *Spool) Ack(l Lane, epoch, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := &s.lanes[l]
	if s.closed || !ln.pending || ln.last.epoch != epoch || ln.last.seq != seq {
		return
	}
	ln.pending = false
	top, n := l.top()
	for i := range n {
		cl := &s.classes[top-i]
		cl.inFlight = 0
		s.bytes -= cl.forgetRead()
	}
}

// Waiting says whether the lane has anything that was not acknowledged.
func (s *Spool) Waiting(l Lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	top, n := l.top()
	for i := range n {
		if s.classes[top-i].waiting() > 0 {
			return true
		}
	}
	return s.lanes[l].pending
}

// Stats gives the present figures.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Dropped: s.dropped, Bytes: s.bytes}
	for c := range s.classes {
		st.Waiting += uint64(s.classes[c].waiting())
	}
	return st
}

// Close writes what is in memory and lets go of the folder.
func (s *Spool) Close() error {
	err := s.Flush()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.classes {
		s.classes[c].close()
	}
	for l := range s.lanes {
		s.lanes[l].close()
	}
	if cerr := s.lock.Close(); err == nil {
		err = cerr
	}
	return err
}
