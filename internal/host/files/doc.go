// Package files tells which files change in watched folders: what they were
// before (by a baseline of hashes on disk), what they are now, and which
// process did it where the kernel says so. It uses fanotify with folder marks
// (kernel 5.9), else inotify, which does not tell the process. It asks the
// kernel for notices only, never for permission. internal/agent calls it.
package files

import (
	"errors"
	"time"
)

// The bounds.
const (
	maxDirs  = 4096     // folders that are marked
	maxFiles = 16384    // files in the baseline
	maxPath  = 1024     // longest path, in bytes
	maxHash  = 64 << 20 // larger files are compared by size and time only
)

// Kinds of change; the words are those of model.FileEvidence.
const (
	Created    = "created"
	Modified   = "modified"
	Deleted    = "deleted"
	Moved      = "moved"
	Attributes = "attributes"
)

// Change is one file that changed.
type Change struct {
	Path        string
	Kind        string
	SHA256, Was string // lower-case hex; empty when not known
	Size        int64
	Mode        uint32 // as in stat, 0 when deleted
	PID         uint32 // 0 when not known
	Time        time.Time
	Offline     bool // found at the start: it happened while nobody watched
}

// Unsupported says why the better way to watch does not work here.
type Unsupported struct {
	Kernel string
	Err    error
}

// Error names the cause and the kernel that is needed.
func (u *Unsupported) Error() string {
	return "fanotify folder marks: " + u.Err.Error() + " (needs Linux " + u.Kernel + " and CAP_SYS_ADMIN)"
}

// Unwrap gives the kernel's error.
func (u *Unsupported) Unwrap() error { return u.Err }

// errFull says that there is more than is watched.
var errFull = errors.New("too many folders or files; some are not watched: name smaller folders in `watch`")

// raw is what the kernel said: something happened to a name in a folder.
type raw struct {
	path string
	what uint32 // the bits below
	pid  uint32
	dir  bool // the name is a folder
}

// What may happen, as inotify numbers it; fanotify's numbers are the same.
const (
	bitModify    = 0x2
	bitAttrib    = 0x4
	bitCloseWr   = 0x8
	bitMovedFrom = 0x40
	bitMovedTo   = 0x80
	bitCreate    = 0x100
	bitDelete    = 0x200
)

// notifier watches folders, not what lies in folders below them.
type notifier interface {
	add(dir string) error
	// read gives what happened, waiting at most wait. lost says that the
	// kernel dropped notices.
	read(wait time.Duration, f func(raw)) (lost bool, err error)
	close()
}
