package exec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func selfPID() int { return os.Getpid() }

// fanotify sees files that are opened to be executed, on every filesystem
// that can hold programs.
type fanotify struct {
	file   *os.File
	log    Log
	marked map[string]bool // device numbers of marked filesystems
}

// remarkEvery is how often new mounts are looked for.
const remarkEvery = 5 * time.Second

func openFanotify(log Log) (*fanotify, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE)
	if err != nil {
		return nil, &Unsupported{MethodFanotify, "5.0 with CONFIG_FANOTIFY", err}
	}
	f := &fanotify{file: os.NewFile(uintptr(fd), "fanotify"), log: log, marked: map[string]bool{}}
	if err := f.mark(); err != nil {
		f.close()
		return nil, &Unsupported{MethodFanotify, "5.0 with CONFIG_FANOTIFY", err}
	}
	return f, nil
}

func (f *fanotify) close() { f.file.Close() }

// mark adds the filesystems that are not marked yet; it fails when none is.
func (f *fanotify) mark() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	raw, err := f.file.SyscallConn()
	if err != nil {
		return err
	}
	var last error
	ParseMounts(text, func(m Mount) {
		if f.marked[m.Device] || !holdsPrograms(m.Type) || len(f.marked) >= 128 {
			return
		}
		_ = raw.Control(func(fd uintptr) {
			err := unix.FanotifyMark(int(fd), unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, unix.FAN_OPEN_EXEC, unix.AT_FDCWD, m.Point)
			if err != nil { // before 4.20, and where a filesystem has no ID
				err = unix.FanotifyMark(int(fd), unix.FAN_MARK_ADD|unix.FAN_MARK_MOUNT, unix.FAN_OPEN_EXEC, unix.AT_FDCWD, m.Point)
			}
			if err != nil {
				last = err
				return
			}
			f.marked[m.Device] = true
		})
	})
	if len(f.marked) == 0 {
		if last == nil {
			last = errors.New("no filesystem to watch")
		}
		return last
	}
	return nil
}

// holdsPrograms leaves out the kernel's own filesystems.
func holdsPrograms(fs string) bool {
	switch fs {
	case "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs",
		"bpf", "pstore", "mqueue", "configfs", "fusectl", "nsfs", "binfmt_misc", "efivarfs", "hugetlbfs", "autofs", "rpc_pipefs":
		return false
	}
	return true
}

func (f *fanotify) run(ctx context.Context, found func(notice)) error {
	stop := context.AfterFunc(ctx, func() { f.file.Close() })
	defer stop()
	buf := make([]byte, 4096)
	marked := time.Now()
	for {
		_ = f.file.SetReadDeadline(time.Now().Add(remarkEvery))
		n, err := f.file.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("program starts: read fanotify: " + err.Error())
		}
		if n > 0 {
			eachEvent(buf[:n], found)
		}
		if time.Since(marked) >= remarkEvery {
			marked = time.Now()
			if err := f.mark(); err != nil {
				f.log.Warn("program starts: new mounts are not watched", "error", err.Error())
			}
		}
	}
}

// eachEvent walks struct fanotify_event_metadata and closes the files in it.
func eachEvent(b []byte, found func(notice)) {
	ne := binary.NativeEndian
	self := int32(selfPID())
	for len(b) >= unix.FAN_EVENT_METADATA_LEN {
		size := ne.Uint32(b)
		if size < unix.FAN_EVENT_METADATA_LEN || uint64(size) > uint64(len(b)) {
			return
		}
		fd, pid := int32(ne.Uint32(b[16:])), int32(ne.Uint32(b[20:]))
		if fd >= 0 {
			if pid > 0 && pid != self {
				var name [1024]byte
				n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(int(fd)), name[:])
				if err == nil {
					var head [2]byte
					_, _ = unix.Pread(int(fd), head[:], 0)
					found(notice{pid: uint32(pid), file: string(name[:n]), script: head == [2]byte{'#', '!'}})
				}
			}
			unix.Close(int(fd))
		}
		b = b[size:]
	}
}

// Mount is what is used of a line of /proc/PID/mountinfo.
type Mount struct {
	Device string // major:minor
	Point  string
	Type   string
}

// ParseMounts reads the text of /proc/PID/mountinfo; see proc_pid_mountinfo(5).
func ParseMounts(text []byte, f func(Mount)) {
	for line := range bytes.Lines(text) {
		left, right, ok := bytes.Cut(line, []byte(" - "))
		l, r := bytes.Fields(left), bytes.Fields(right)
		if !ok || len(l) < 6 || len(r) < 2 {
			continue
		}
		f(Mount{Device: string(l[2]), Point: unescape(l[4]), Type: string(r[0])})
	}
}

// unescape turns \040 and the like back into bytes.
func unescape(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+4]), 8, 8); err == nil {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, b[i])
	}
	return string(out)
}
