package process

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// The reasons why a process is not killed.
var (
	ErrGone      = errors.New("the process is no longer running")
	ErrNotSame   = errors.New("the process runs another program than the action names")
	ErrProtected = errors.New("the process is protected on this device")
)

// Killer ends processes. Its fields must not change once in use; safe for
// concurrent use.
type Killer struct {
	Protected []string // executables that are never killed, absolute paths
	Hasher    *Hasher  // to compare hashes
}

// hashWait is how long a kill waits for the hash to compare.
const hashWait = 10 * time.Second

// Kill ends the process that e names with SIGKILL, and then those of its
// descendants that run the same executable. PID and start time must match,
// path and hash too where given. It gives back the numbers that were killed.
func (k *Killer) Kill(e *model.ProcessEvidence) ([]uint32, error) {
	if e == nil || e.PID == 0 || e.Start == 0 {
		return nil, errors.New("kill: the action names no process by number and start time")
	}
	h, err := open(e.PID)
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := k.check(e); err != nil {
		return nil, err
	}
	family := descendants(e.PID)
	// Stopping the parent first keeps it from starting more of them.
	if err := h.kill(e.PID, e.Start); err != nil {
		return nil, err
	}
	killed := []uint32{e.PID}
	for _, child := range family {
		if k.killChild(child, e.Path) == nil {
			killed = append(killed, child.PID)
		}
	}
	return killed, nil
}

func (k *Killer) killChild(st Stat, path string) error {
	h, err := open(st.PID)
	if err != nil {
		return err
	}
	defer h.close()
	if err := k.check(&model.ProcessEvidence{PID: st.PID, Start: st.Start, Path: path}); err != nil {
		return err
	}
	return h.kill(st.PID, st.Start)
}

// check compares the live process with e and with what must not be killed.
func (k *Killer) check(e *model.ProcessEvidence) error {
	st, err := ReadStat(e.PID)
	switch {
	case err != nil:
		return ErrGone
	case st.Start != e.Start:
		return ErrGone // its number belongs to another one now
	case st.State == 'Z':
		return ErrGone
	case e.PID == 1 || e.PID == uint32(os.Getpid()) || st.Kernel:
		return ErrProtected
	}
	path, _, err := Exe(e.PID)
	if err != nil {
		return ErrGone
	}
	if e.Path != "" && path != e.Path {
		return ErrNotSame
	}
	if k.isProtected(e.PID, path) {
		return ErrProtected
	}
	if e.SHA256 == "" {
		return nil
	}
	sum, err := k.Hasher.Executable(e.PID, hashWait)
	if err != nil {
		return err
	}
	if !strings.EqualFold(sum, e.SHA256) {
		return ErrNotSame
	}
	return nil
}

// isProtected compares by path and by file identity, so that a link to a
// protected program is protected too. A program that was deleted and made
// anew under the same name is another file.
func (k *Killer) isProtected(pid uint32, path string) bool {
	var live, self, kept syscall.Stat_t
	liveOK := syscall.Stat(Name(pid, "exe"), &live) == nil
	if liveOK && syscall.Stat("/proc/self/exe", &self) == nil && self.Dev == live.Dev && self.Ino == live.Ino {
		return true
	}
	for _, p := range k.Protected {
		if p == path {
			return true
		}
		if liveOK && syscall.Stat(p, &kept) == nil && kept.Dev == live.Dev && kept.Ino == live.Ino {
			return true
		}
	}
	return false
}

// descendants lists the processes below pid, parents before children.
func descendants(pid uint32) []Stat {
	var all []Stat
	_ = Each(func(p uint32) bool {
		if st, err := ReadStat(p); err == nil {
			all = append(all, st)
		}
		return true
	})
	family := map[uint32]bool{pid: true}
	var out []Stat
	for grown := true; grown; {
		grown = false
		for _, st := range all {
			if family[st.Parent] && !family[st.PID] {
				family[st.PID], grown = true, true
				out = append(out, st)
			}
		}
	}
	return out
}

// handle holds on to a process so that its number cannot be reused between
// the check and the signal; fd is -1 on kernels before 5.3.
type handle struct{ fd int }

func open(pid uint32) (handle, error) {
	fd, err := unix.PidfdOpen(int(pid), 0)
	switch err {
	case nil:
		return handle{fd}, nil
	case unix.ESRCH:
		return handle{-1}, ErrGone
	case unix.EINVAL:
		return handle{-1}, ErrNotSame // the number of a thread
	}
	return handle{-1}, nil
}

func (h handle) close() {
	if h.fd >= 0 {
		unix.Close(h.fd)
	}
}

func (h handle) kill(pid uint32, start uint64) error {
	var err error
	if h.fd >= 0 {
		err = unix.PidfdSendSignal(h.fd, unix.SIGKILL, nil, 0)
	} else {
		// No pidfd: look once more right before the signal.
		if st, e := ReadStat(pid); e != nil || st.Start != start {
			return ErrGone
		}
		err = unix.Kill(int(pid), unix.SIGKILL)
	}
	if err == unix.ESRCH {
		return ErrGone
	}
	return err
}
