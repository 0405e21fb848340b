// Package connect has the kernel look at whom the processes of this device
// begin to speak with: connections and UDP without connection to listed
// addresses are refused, or only counted, in the very system call that asks
// for them. It makes its small eBPF programs itself, for the list as it is, and
// attaches them to the root of the control groups; they go when the process
// ends, however it ends (before kernel 5.7: when it is started again). It
// knows nothing of why an address is listed; internal/agent calls it.
//
// Not seen: connections that were there before, connections that others begin,
// raw and packet sockets. This process itself is let through: what it speaks
// with is in its configuration.
//
// Facts are those of the kernel's own documentation: bpf(2),
// Documentation/bpf/ (instruction set, program types, maps) and
// include/uapi/linux/bpf.h.
package connect

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/process"
)

// Unsupported says what the kernel or the rights of this process lack.
type Unsupported struct {
	Needs string // the least kernel and its options
	Err   error
}

// Error implements error.
func (u *Unsupported) Error() string { return u.Err.Error() + " (needs kernel " + u.Needs + ")" }

// Unwrap gives the kernel's answer.
func (u *Unsupported) Unwrap() error { return u.Err }

// hook is a place in the kernel where addresses are looked at.
type hook struct {
	attach uint32 // enum bpf_attach_type
	six    bool   // the address is an IPv6 one
}

// The hooks: connect(2) from kernel 4.17 on, sendto(2) and its like with an
// address from 4.18 on.
var hooks = [...]hook{{10, false}, {11, true}, {14, false}, {15, true}}

// sendHooks is the first of hooks that are of kernel 4.18.
const sendHooks = 2

// maxAttempts bounds the different attempts between two calls of Attempts.
const maxAttempts = 256

// Filter is open. It is for one goroutine.
type Filter struct {
	group    int    // folder of the control groups
	cookie   uint64 // of the own network namespace; 0: all of them
	attempts int    // the map of attempts
	anyone   bool   // programs cannot ask for the process
	self     uint32 // the own process, which is let through; 0: none is
	placed   [len(hooks)]placed
	limits   []string
}

// placed is a program in its place.
type placed struct {
	link    int // 0: none
	program int // without a link: the program, to be detached; 0: none
}

// Open looks whether the kernel has what is needed; nothing is filtered before
// Set. state is a folder where the control groups may be mounted for a moment,
// when they are not. It needs CAP_SYS_ADMIN (or CAP_BPF and CAP_NET_ADMIN).
func Open(state string) (*Filter, error) {
	_ = allowMemory()
	// Programs see the numbers of the machine's first process namespace.
	f := &Filter{anyone: !process.FirstNamespace(), self: uint32(os.Getpid())}
	var err error
	if f.cookie, err = scope(); err != nil {
		return nil, err
	}
	if f.attempts, err = newMap(mapHash, attemptKey, attemptValue, maxAttempts); err != nil {
		return nil, &Unsupported{"4.17 with CONFIG_BPF_SYSCALL", errors.New("eBPF map: " + err.Error())}
	}
	if f.group, err = rootGroup(state); err != nil {
		unix.Close(f.attempts)
		return nil, err
	}
	f.sweep()
	return f, nil
}

// scope is the cookie of the own network namespace when it is not the
// machine's first: other processes then belong to other devices or containers.
func scope() (uint64, error) {
	if process.Scope() == 0 {
		return 0, nil
	}
	needs := func(err error) error {
		return &Unsupported{"5.14, because this is not the machine's first network namespace", errors.New("cookie of the network namespace: " + err.Error())}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, needs(err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, needs(err)
	}
	return cookie, nil
}

// Set replaces the list; until it is done, the one before holds, and then the
// new one without a gap. With refuse the kernel refuses (EPERM), else it only
// counts. An empty list takes the programs away. When it fails, the list before
// stays in force.
func (f *Filter) Set(list iter.Seq[netip.Prefix], refuse bool) error {
	four, six := spans(list)
	if len(four)+len(six) == 0 {
		f.remove()
		f.limits = nil
		return nil
	}
	if len(four) == 0 {
		four = append(four, none4)
	}
	if len(six) == 0 {
		six = append(six, none6())
	}
	p := &source{refuse: refuse, cookie: f.cookie, attempts: f.attempts, count4: len(four), count6: len(six),
		anyone: f.anyone, self: f.self}
	var err error
	if p.four, err = fill4(four); err != nil {
		return err
	}
	defer unix.Close(p.four) // programs hold what they use
	if p.six, err = fill6(six); err != nil {
		return err
	}
	defer unix.Close(p.six)
	return f.place(p)
}

// place loads and attaches the programs before it takes the former ones away.
func (f *Filter) place(p *source) error {
	var fresh [len(hooks)]placed
	f.limits = nil
	for i, h := range hooks {
		one, err := f.attach(p, h)
		if err == nil {
			fresh[i] = one
			continue
		}
		if i >= sendHooks { // connect alone is better than nothing
			f.limits = []string{"UDP without a connection is not looked at: " + err.Error() + " (needs kernel 4.18)"}
			continue
		}
		for j := range fresh {
			f.detach(hooks[j], &fresh[j])
		}
		return &Unsupported{"4.17 with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF", err}
	}
	for i := range f.placed {
		f.detach(hooks[i], &f.placed[i])
	}
	f.placed = fresh
	if f.anyone {
		f.limits = append(f.limits, "which process tried is not known (needs kernel 5.7, and the machine's first process namespace)")
	}
	return nil
}

// attach loads the program of a hook and puts it into its place.
func (f *Filter) attach(p *source, h hook) (placed, error) {
	program, err := load(p.program(h.six), h.attach)
	if err != nil && !p.anyone {
		p.anyone = true
		if program, err = load(p.program(h.six), h.attach); err == nil {
			f.anyone = true
		} else {
			p.anyone = f.anyone
		}
	}
	if err != nil {
		return placed{}, errors.New("eBPF program: " + err.Error())
	}
	link, err := createLink(f.group, program, h.attach)
	if err == nil {
		unix.Close(program)
		return placed{link: link}, nil
	}
	if err := attachProgram(f.group, program, h.attach); err != nil {
		unix.Close(program)
		return placed{}, errors.New("attach to the control groups: " + err.Error())
	}
	return placed{program: program}, nil
}

func (f *Filter) detach(h hook, p *placed) {
	if p.link != 0 {
		unix.Close(p.link)
	}
	if p.program != 0 {
		_ = detachProgram(f.group, p.program, h.attach)
		unix.Close(p.program)
	}
	*p = placed{}
}

func (f *Filter) remove() {
	for i := range f.placed {
		f.detach(hooks[i], &f.placed[i])
	}
}

// Limits says what the filter does not see here that it sees with newer
// kernels; "" for nothing. It is valid after Set.
func (f *Filter) Limits() string { return strings.Join(f.limits, "; ") }

// Attempt is that a process began to speak with a listed address.
type Attempt struct {
	Remote netip.AddrPort
	Proto  uint8  // of IP
	PID    uint32 // 0 when the kernel does not tell
	Name   string // of the process's thread, at most 15 bytes
	Count  uint32
}

// Sizes of an entry of the map of attempts: remote address, process, port,
// protocol; count, name.
const (
	attemptKey   = 24
	attemptValue = 20
)

// Attempts gives the attempts since the last call. Of more than 256 different
// ones between two calls some are not told.
func (f *Filter) Attempts(yield func(Attempt)) error {
	var key [attemptKey]byte
	var value [attemptValue]byte
	for range maxAttempts {
		err := firstKey(f.attempts, key[:])
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err == nil {
			err = lookUp(f.attempts, key[:], value[:])
		}
		if err == nil {
			err = remove(f.attempts, key[:])
		}
		if err != nil {
			return errors.New("connect: attempts: " + err.Error())
		}
		yield(parseAttempt(&key, &value))
	}
	return nil
}

func parseAttempt(key *[attemptKey]byte, value *[attemptValue]byte) Attempt {
	ne := binary.NativeEndian
	addr := netip.AddrFrom16([16]byte(key[:16])).Unmap()
	name, _, _ := strings.Cut(string(value[4:]), "\x00")
	return Attempt{Remote: netip.AddrPortFrom(addr, binary.BigEndian.Uint16(key[20:])), Proto: key[22],
		PID: ne.Uint32(key[16:]), Name: strings.ToValidUTF8(name, "?"), Count: ne.Uint32(value[:])}
}

// Close takes the programs away.
func (f *Filter) Close() error {
	f.remove()
	return errors.Join(unix.Close(f.attempts), unix.Close(f.group))
}
