package connect

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of bpf(2).
const (
	cmdMapCreate  = 0
	cmdLookup     = 1
	cmdUpdate     = 2
	cmdDelete     = 3
	cmdNextKey    = 4
	cmdLoad       = 5
	cmdAttach     = 8
	cmdDetach     = 9
	cmdProgramFD  = 13
	cmdInfo       = 15
	cmdQuery      = 16
	cmdLinkCreate = 28

	mapHash   = 1
	mapArray  = 2
	noReserve = 1 // BPF_F_NO_PREALLOC: memory only for entries that are there

	socketAddress = 18 // BPF_PROG_TYPE_CGROUP_SOCK_ADDR
	besideOthers  = 2  // BPF_F_ALLOW_MULTI
)

// programName is how the programs are called in the kernel.
const programName = "masugata_agent"

// request is the argument of a command: the words of union bpf_attr at their
// places, pointers in 64 bits.
type request struct {
	b   [80]byte
	pin runtime.Pinner
}

func newRequest() *request {
	r := new(request)
	r.pin.Pin(&r.b)
	return r
}

func (r *request) number(at int, v uint32) { binary.NativeEndian.PutUint32(r.b[at:], v) }

// pointer puts the address of a buffer, which stays where it is until call.
func (r *request) pointer(at int, b []byte) {
	r.pin.Pin(&b[0])
	binary.NativeEndian.PutUint64(r.b[at:], uint64(uintptr(unsafe.Pointer(&b[0]))))
}

// call asks the kernel once; size is how much of the request counts.
func (r *request) call(command, size uintptr) (int, error) {
	defer r.pin.Unpin()
	return r.ask(command, size)
}

// ask does so and leaves the buffers where they are.
func (r *request) ask(command, size uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(unsafe.Pointer(&r.b)), size)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR, unix.EAGAIN: // the verifier was interrupted
		default:
			return -1, errno
		}
	}
}

// memory is how much locked memory maps may need before kernel 5.11, which
// counts them so: two lists at a time.
const memory = 8 << 20

// allowMemory raises the bound on locked memory, as far as it may.
func allowMemory() error {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &now); err != nil || now.Cur >= memory {
		return err
	}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: memory, Max: max(memory, now.Max)}) == nil {
		return nil
	}
	now.Cur = now.Max
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &now)
}

func newMap(kind, key, value, entries uint32) (int, error) {
	r := newRequest()
	r.number(0, kind)
	r.number(4, key)
	r.number(8, value)
	r.number(12, entries)
	if kind == mapHash {
		r.number(16, noReserve)
	}
	return r.call(cmdMapCreate, 20)
}

// element does something with one entry of a map.
func element(command uintptr, fd int, key, value []byte) error {
	r := newRequest()
	r.number(0, uint32(fd))
	if key != nil {
		r.pointer(8, key)
	}
	if value != nil {
		r.pointer(16, value)
	}
	_, err := r.call(command, 32)
	return err
}

func lookUp(fd int, key, value []byte) error { return element(cmdLookup, fd, key, value) }
func remove(fd int, key []byte) error        { return element(cmdDelete, fd, key, nil) }
func firstKey(fd int, key []byte) error      { return element(cmdNextKey, fd, nil, key) }

// fill makes an array of n values.
func fill(n int, size uint32, value func(i int, b []byte)) (int, error) {
	fd, err := newMap(mapArray, 4, size, uint32(n))
	if err != nil {
		return -1, errors.New("connect: map of addresses: " + err.Error())
	}
	key, b := make([]byte, 4), make([]byte, size)
	r := newRequest()
	r.number(0, uint32(fd))
	r.pointer(8, key)
	r.pointer(16, b)
	defer r.pin.Unpin()
	for i := range n {
		binary.NativeEndian.PutUint32(key, uint32(i))
		value(i, b)
		if _, err := r.ask(cmdUpdate, 32); err != nil {
			unix.Close(fd)
			return -1, errors.New("connect: write addresses: " + err.Error())
		}
	}
	return fd, nil
}

func load(program []byte, attach uint32) (int, error) {
	license := []byte("Apache-2.0\x00")
	r := newRequest()
	r.number(0, socketAddress)
	r.number(4, uint32(len(program)/8))
	r.pointer(8, program)
	r.pointer(16, license)
	copy(r.b[48:63], programName)
	r.number(68, attach)
	return r.call(cmdLoad, 72)
}

func createLink(group, program int, attach uint32) (int, error) {
	r := newRequest()
	r.number(0, uint32(program))
	r.number(4, uint32(group))
	r.number(8, attach)
	return r.call(cmdLinkCreate, 16)
}

func attachProgram(group, program int, attach uint32) error {
	return place(cmdAttach, group, program, attach, besideOthers)
}

func detachProgram(group, program int, attach uint32) error {
	return place(cmdDetach, group, program, attach, 0)
}

func place(command uintptr, group, program int, attach, flags uint32) error {
	r := newRequest()
	r.number(0, uint32(group))
	r.number(4, uint32(program))
	r.number(8, attach)
	r.number(12, flags)
	_, err := r.call(command, 16)
	return err
}

// sweep takes away what a process of ours left that was killed, before kernel
// 5.7: there programs stay attached.
func (f *Filter) sweep() {
	for _, h := range hooks {
		ids := make([]byte, 4*64) // no place holds more
		r := newRequest()
		r.number(0, uint32(f.group))
		r.number(4, h.attach)
		r.pointer(16, ids)
		r.number(24, 64)
		if _, err := r.call(cmdQuery, 32); err != nil {
			continue
		}
		n := min(binary.NativeEndian.Uint32(r.b[24:]), 64)
		for i := range n {
			if fd, ok := ours(binary.NativeEndian.Uint32(ids[4*i:])); ok {
				_ = detachProgram(f.group, fd, h.attach) // one with a link belongs to somebody, and stays
				unix.Close(fd)
			}
		}
	}
}

// ours opens a program by its number if it has our name.
func ours(id uint32) (int, bool) {
	r := newRequest()
	r.number(0, id)
	fd, err := r.call(cmdProgramFD, 12)
	if err != nil {
		return -1, false
	}
	info := make([]byte, 80) // struct bpf_prog_info up to its name
	r = newRequest()
	r.number(0, uint32(fd))
	r.number(4, uint32(len(info)))
	r.pointer(8, info)
	if _, err := r.call(cmdInfo, 16); err == nil {
		if name, _, _ := strings.Cut(string(info[64:]), "\x00"); name == programName {
			return fd, true
		}
	}
	unix.Close(fd)
	return -1, false
}
