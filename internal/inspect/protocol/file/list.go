package file

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// List holds the files of one direction of a transaction and reuses their
// trackers from transaction to transaction. The zero value is ready. It is for
// one goroutine.
type List struct {
	trackers []*Tracker
	files    []*protocol.File
}

// MaxFiles bounds the files of one direction of a transaction.
const MaxFiles = 1024

// Open begins a further file, nil when there are MaxFiles already.
func (l *List) Open(name []byte, id uint32, hashes protocol.Hashes, lim Limits) *Tracker {
	n := len(l.files)
	if n >= MaxFiles {
		return nil
	}
	if n == len(l.trackers) {
		l.trackers = append(l.trackers, new(Tracker))
	}
	t := l.trackers[n]
	l.files = append(l.files, t.Open(name, id, hashes, lim))
	return t
}

// Files are the files opened since Reset, oldest first.
func (l *List) Files() []*protocol.File { return l.files }

// Last is the tracker of the file opened last, nil when there is none.
func (l *List) Last() *Tracker {
	if len(l.files) == 0 {
		return nil
	}
	return l.trackers[len(l.files)-1]
}

// Trim is Tracker.Trim for every file that is still open.
func (l *List) Trim(in *protocol.Inspection, d packet.Direction) {
	for i := range l.files {
		if l.trackers[i].open {
			l.trackers[i].Trim(in, d, i)
		}
	}
}

// Close ends the files that are still open.
func (l *List) Close(state protocol.FileState) {
	for i := range l.files {
		l.trackers[i].Close(state)
	}
}

// Reset forgets the files and keeps memory: at most that of eight trackers,
// each with at most 128 KiB.
func (l *List) Reset() {
	l.files = l.files[:0]
	if len(l.trackers) > 8 {
		clear(l.trackers[8:])
		l.trackers = l.trackers[:8]
	}
	for _, t := range l.trackers {
		t.Reset()
	}
}
