package exec

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The layout of linux/connector.h and linux/cn_proc.h.
const (
	cnIdxProc, cnValProc = 1, 1
	procCnMcastListen    = 1
	procEventExec        = 2
	sizeNl               = 16
	sizeCn               = 20
	offWhat              = sizeNl + sizeCn
	offExecTgid          = offWhat + 16 + 4
)

// connector listens to the kernel's process events.
type connector struct{ file *os.File }

func openConnector() (*connector, error) {
	lacks := func(err error) error {
		return &Unsupported{MethodConnector, "2.6.15 with CONFIG_PROC_EVENTS", err}
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, lacks(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		unix.Close(fd)
		return nil, lacks(err)
	}
	var b [sizeNl + sizeCn + 4]byte
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], uint32(len(b)))
	ne.PutUint16(b[4:], unix.NLMSG_DONE)
	ne.PutUint32(b[sizeNl:], cnIdxProc)
	ne.PutUint32(b[sizeNl+4:], cnValProc)
	ne.PutUint16(b[sizeNl+16:], 4)
	ne.PutUint32(b[sizeNl+sizeCn:], procCnMcastListen)
	if err := unix.Sendto(fd, b[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, lacks(err)
	}
	return &connector{os.NewFile(uintptr(fd), "process connector")}, nil
}

func (c *connector) close() { c.file.Close() }

func (c *connector) run(ctx context.Context, found func(notice)) error {
	stop := context.AfterFunc(ctx, c.close)
	defer stop()
	buf := make([]byte, 4096)
	for {
		n, err := c.file.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// ENOBUFS: some were lost; go on with the next ones.
			time.Sleep(settle)
			continue
		}
		if pid, ok := ParseExec(buf[:n]); ok {
			found(notice{pid: pid})
		}
	}
}

// ParseExec reads a message of the process connector in the machine's byte
// order; it gives false for all but program starts.
func ParseExec(b []byte) (pid uint32, ok bool) {
	if len(b) < offExecTgid+4 {
		return 0, false
	}
	ne := binary.NativeEndian
	if ne.Uint32(b[sizeNl:]) != cnIdxProc || ne.Uint32(b[sizeNl+4:]) != cnValProc || ne.Uint32(b[offWhat:]) != procEventExec {
		return 0, false
	}
	return ne.Uint32(b[offExecTgid:]), true
}
