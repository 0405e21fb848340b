package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fanotify reports folder and name of what changed, and the process.
type fanotify struct {
	file *os.File
	dirs map[string]string // file handle of a folder to its path
	buf  []byte
	self uint32
}

// infoDFIDName is FAN_EVENT_INFO_TYPE_DFID_NAME of linux/fanotify.h.
const infoDFIDName = 2

const fanMask = unix.FAN_CLOSE_WRITE | unix.FAN_ATTRIB | unix.FAN_CREATE | unix.FAN_DELETE |
	unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO | unix.FAN_EVENT_ON_CHILD | unix.FAN_ONDIR

func newFanotify() (*fanotify, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_DFID_NAME|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, &Unsupported{"5.9 with CONFIG_FANOTIFY", err}
	}
	return &fanotify{file: os.NewFile(uintptr(fd), "fanotify"), dirs: map[string]string{}, buf: make([]byte, 8<<10), self: uint32(os.Getpid())}, nil
}

func (n *fanotify) close() { n.file.Close() }

func (n *fanotify) add(dir string) error {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir, 0)
	if err != nil {
		return &Unsupported{"5.9, on a filesystem with file handles", err}
	}
	conn, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var mark error
	err = conn.Control(func(fd uintptr) {
		mark = unix.FanotifyMark(int(fd), unix.FAN_MARK_ADD|unix.FAN_MARK_ONLYDIR|unix.FAN_MARK_DONT_FOLLOW, fanMask, unix.AT_FDCWD, dir)
	})
	if err == nil {
		err = mark
	}
	if err != nil {
		return &Unsupported{"5.9, on a filesystem with file handles", errors.New(dir + ": " + err.Error())}
	}
	n.dirs[handleKey(h.Type(), h.Bytes())] = dir
	return nil
}

func handleKey(kind int32, b []byte) string {
	var t [4]byte
	binary.NativeEndian.PutUint32(t[:], uint32(kind))
	return string(t[:]) + string(b)
}

func (n *fanotify) read(wait time.Duration, f func(raw)) (bool, error) {
	size, err := readWithin(n.file, n.buf, wait)
	if err != nil {
		return false, err
	}
	lost := false
	ParseFanotify(n.buf[:size], func(e FanEvent) {
		if e.Mask&unix.FAN_Q_OVERFLOW != 0 {
			lost = true
			return
		}
		dir, known := n.dirs[e.Dir]
		if !known || e.Name == "" || e.Name == "." || e.PID == n.self {
			return
		}
		f(raw{path: join(dir, e.Name), what: uint32(e.Mask), pid: e.PID, dir: e.Mask&unix.FAN_ONDIR != 0})
	})
	return lost, nil
}

// FanEvent is one event with folder and name.
type FanEvent struct {
	Mask uint64
	PID  uint32
	Dir  string // type and bytes of the folder's file handle
	Name string
}

// ParseFanotify walks struct fanotify_event_metadata with its information
// records, in the machine's byte order; see fanotify(7).
func ParseFanotify(b []byte, f func(FanEvent)) {
	ne := binary.NativeEndian
	for len(b) >= unix.FAN_EVENT_METADATA_LEN {
		size, head := uint64(ne.Uint32(b)), uint64(ne.Uint16(b[6:]))
		if size < unix.FAN_EVENT_METADATA_LEN || size > uint64(len(b)) || head > size {
			return
		}
		e := FanEvent{Mask: ne.Uint64(b[8:]), PID: ne.Uint32(b[20:])}
		e.Dir, e.Name = dirName(b[head:size])
		f(e)
		b = b[size:]
	}
}

// dirName finds the record with folder and name: a header of 4 bytes, a
// filesystem ID of 8, struct file_handle, the name.
func dirName(b []byte) (dir, name string) {
	ne := binary.NativeEndian
	for len(b) >= 4 {
		size := int(ne.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			return "", ""
		}
		if b[0] == infoDFIDName && size >= 20 {
			n := int64(ne.Uint32(b[12:]))
			if n > int64(size-20) {
				return "", ""
			}
			handle := b[20 : 20+n]
			text, _, _ := bytes.Cut(b[20+n:size], []byte{0})
			return handleKey(int32(ne.Uint32(b[16:])), handle), string(text)
		}
		b = b[size:]
	}
	return "", ""
}

// newNotifier takes the better way when it works in the given folder.
func newNotifier(probe string) (notifier, error, error) {
	fan, err := newFanotify()
	if err == nil {
		if err = fan.add(probe); err == nil {
			return fan, nil, nil
		}
		fan.close()
	}
	ino, err2 := newInotify()
	if err2 != nil {
		return nil, err, err2
	}
	return ino, err, nil
}

var _ = [...]notifier{(*fanotify)(nil), (*inotify)(nil)}

// settle is how long notices of one file are gathered before it is looked at.
const settle = 50 * time.Millisecond
