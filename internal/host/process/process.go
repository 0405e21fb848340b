// Package process reads what /proc shows of a process, hashes its executable,
// and ends it without ever hitting another one that got its number. It knows
// nothing of why; internal/agent and internal/host/exec call it.
//
// A process is named by PID and Start together (see model.ProcessEvidence).
package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/masugata/masugata/internal/model"
)

// Bounds of what is read of one process.
const (
	maxArgs    = 32
	maxArgLen  = 256
	maxCmdline = 4096
)

// Stat is what is used of /proc/PID/stat.
type Stat struct {
	PID, Parent uint32
	Start       uint64 // clock ticks since boot
	State       byte   // R, S, D, Z, …
	Kernel      bool   // a kernel thread
}

// errStat says that a stat line is not what the kernel writes.
var errStat = errors.New("malformed /proc/PID/stat")

// ReadStat reads /proc/PID/stat. It allocates only the path.
func ReadStat(pid uint32) (Stat, error) {
	var buf [512]byte
	b, err := readProc(pid, "stat", buf[:])
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(b)
}

// ParseStat parses the text of /proc/PID/stat; see proc_pid_stat(5). The
// command name may itself hold spaces and parentheses.
func ParseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open || end+2 >= len(b) {
		return Stat{}, errStat
	}
	pid, ok := number(b[:open-1])
	if !ok || pid > 1<<32-1 {
		return Stat{}, errStat
	}
	s := Stat{PID: uint32(pid)}
	rest := b[end+2:]
	for field := 3; len(rest) > 0 && field <= 22; field++ {
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte{' '})
		if !s.field(field, word) {
			return Stat{}, errStat
		}
		if field == 22 {
			return s, nil
		}
	}
	return Stat{}, errStat
}

// pfKthread is PF_KTHREAD of include/linux/sched.h.
const pfKthread = 0x00200000

func (s *Stat) field(n int, word []byte) bool {
	switch n {
	case 3:
		if len(word) != 1 || word[0] == 0 {
			return false
		}
		s.State = word[0]
	case 4, 9, 22:
		v, ok := number(bytes.TrimSuffix(word, []byte{'\n'}))
		if !ok {
			return false
		}
		switch n {
		case 4:
			s.Parent = uint32(v)
		case 9:
			s.Kernel = v&pfKthread != 0
		case 22:
			s.Start = v
		}
	}
	return true
}

// number reads decimal digits.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// Name gives the path of a file of a process below /proc.
func Name(pid uint32, file string) string {
	return "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/" + file
}

// readProc reads a small file of a process into buf.
func readProc(pid uint32, file string, buf []byte) ([]byte, error) {
	return readInto(Name(pid, file), buf)
}

func readInto(path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	n := 0
	for n < len(buf) {
		m, err := syscall.Read(fd, buf[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if m == 0 {
			break
		}
		n += m
	}
	return buf[:n], nil
}

// Exe gives the path of the executable as the process sees it, without the
// kernel's mark for deleted files; deleted says whether it was there.
func Exe(pid uint32) (path string, deleted bool, err error) {
	path, err = os.Readlink(Name(pid, "exe"))
	if err != nil {
		return "", false, err
	}
	path, deleted = strings.CutSuffix(path, " (deleted)")
	return path, deleted, nil
}

// Args gives the command line, at most 32 arguments of 256 bytes.
func Args(pid uint32) []string {
	var buf [maxCmdline]byte
	b, err := readProc(pid, "cmdline", buf[:])
	if err != nil {
		return nil
	}
	return ParseArgs(b)
}

// ParseArgs splits the text of /proc/PID/cmdline within the bounds of Args.
func ParseArgs(b []byte) []string {
	var args []string
	for len(b) > 0 && len(args) < maxArgs {
		var arg []byte
		arg, b, _ = bytes.Cut(b, []byte{0})
		args = append(args, strings.ToValidUTF8(string(arg[:min(len(arg), maxArgLen)]), "\ufffd"))
	}
	for len(args) > 0 && args[len(args)-1] == "" {
		args = args[:len(args)-1]
	}
	return args
}

// Evidence describes a live process, without hash and remotes. It fails when
// the process is gone or is a kernel thread.
func Evidence(pid uint32) (*model.ProcessEvidence, error) {
	st, err := ReadStat(pid)
	if err != nil {
		return nil, err
	}
	path, _, err := Exe(pid)
	if err != nil {
		return nil, err
	}
	e := &model.ProcessEvidence{PID: pid, Start: st.Start, Path: path, Args: Args(pid), ParentPID: st.Parent}
	e.UID, _ = owner(pid)
	if st.Parent != 0 {
		e.ParentPath, _, _ = Exe(st.Parent)
	}
	return e, nil
}

func owner(pid uint32) (uint32, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(Name(pid, ""), &st); err != nil {
		return 0, err
	}
	return st.Uid, nil
}

// NetNS names the network namespace of a process; equal values mean the same one.
func NetNS(pid uint32) (uint64, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(Name(pid, "ns/net"), &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// Scope is the own network namespace when it is not the machine's first, else 0: then
// other processes of the machine belong to other devices or containers.
func Scope() uint64 {
	own, err := NetNS(uint32(os.Getpid()))
	if err != nil {
		return 0
	}
	if first, err := NetNS(1); err == nil && own == first {
		return 0
	}
	// This setting is shown only in the machine's first network namespace;
	// process 1 may be hidden or live in a container of its own.
	if _, err := os.Stat("/proc/sys/net/core/netdev_max_backlog"); err == nil {
		return 0
	}
	return own
}

// FirstNamespace says whether process numbers here are those of the kernel's
// first process namespace, which eBPF programs see. Its number is fixed
// (PROC_PID_INIT_INO of include/linux/proc_ns.h).
func FirstNamespace() bool {
	var st syscall.Stat_t
	err := syscall.Stat("/proc/self/ns/pid", &st)
	return err == nil && st.Ino == 0xeffffffc
}

// CPUTime gives how long the process's main thread group ran, in ns where the
// kernel keeps schedstat, otherwise in clock ticks: compare only two readings
// of one process.
func CPUTime(pid uint32) uint64 {
	var buf [512]byte
	if b, err := readProc(pid, "schedstat", buf[:]); err == nil {
		word, _, _ := bytes.Cut(b, []byte{' '})
		if v, ok := number(word); ok && v > 0 {
			return v
		}
	}
	b, err := readProc(pid, "stat", buf[:])
	if err != nil {
		return 0
	}
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return 0
	}
	fields := bytes.Fields(b[end+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := number(fields[11])
	system, _ := number(fields[12])
	return user + system
}

// Each calls f for every process number in /proc until f returns false. It
// reads the folder in pieces and allocates a small buffer only.
func Each(f func(pid uint32) bool) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(128)
		for _, name := range names {
			pid, ok := number([]byte(name))
			if ok && pid > 0 && pid < 1<<32 && !f(uint32(pid)) {
				return nil
			}
		}
		if err != nil || len(names) == 0 {
			return nil // the only error left is the end of the folder
		}
	}
}
