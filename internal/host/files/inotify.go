package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// inotify is the way that works on every kernel.
type inotify struct {
	file *os.File
	dirs map[int32]string
	buf  []byte
}

func newInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, errors.New("file changes: inotify: " + err.Error())
	}
	return &inotify{file: os.NewFile(uintptr(fd), "inotify"), dirs: map[int32]string{}, buf: make([]byte, 8<<10)}, nil
}

func (n *inotify) close() { n.file.Close() }

func (n *inotify) add(dir string) error {
	conn, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var wd int
	var mark error
	err = conn.Control(func(fd uintptr) {
		wd, mark = unix.InotifyAddWatch(int(fd), dir, unix.IN_CLOSE_WRITE|unix.IN_ATTRIB|unix.IN_CREATE|
			unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW|unix.IN_EXCL_UNLINK)
	})
	if err == nil {
		err = mark
	}
	if err != nil {
		return errors.New("watch " + dir + ": " + err.Error())
	}
	n.dirs[int32(wd)] = dir
	return nil
}

func (n *inotify) read(wait time.Duration, f func(raw)) (bool, error) {
	size, err := readWithin(n.file, n.buf, wait)
	if err != nil {
		return false, err
	}
	lost := false
	ParseInotify(n.buf[:size], func(wd int32, mask uint32, name string) {
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			lost = true
		case mask&unix.IN_IGNORED != 0:
			delete(n.dirs, wd)
		case name != "" && n.dirs[wd] != "":
			f(raw{path: join(n.dirs[wd], name), what: mask, dir: mask&unix.IN_ISDIR != 0})
		}
	})
	return lost, nil
}

// ParseInotify walks struct inotify_event in the machine's byte order.
func ParseInotify(b []byte, f func(wd int32, mask uint32, name string)) {
	ne := binary.NativeEndian
	for len(b) >= unix.SizeofInotifyEvent {
		size := uint64(ne.Uint32(b[12:]))
		if size > uint64(len(b)-unix.SizeofInotifyEvent) {
			return
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:][:size], []byte{0})
		f(int32(ne.Uint32(b)), ne.Uint32(b[4:]), string(name))
		b = b[unix.SizeofInotifyEvent+size:]
	}
}

// readWithin reads from a non-blocking descriptor; 0 bytes mean that nothing came.
func readWithin(file *os.File, buf []byte, wait time.Duration) (int, error) {
	_ = file.SetReadDeadline(time.Now().Add(wait))
	n, err := file.Read(buf)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil
	}
	if err != nil {
		return 0, errors.New("file changes: " + err.Error())
	}
	return n, nil
}

func join(dir, name string) string {
	if strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}
