package afxdp

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
)

// ErrUnavailable is the cause of errors that say that this machine has no
// AF_XDP: a kernel before 5.10, one built without it, or a process that may
// not use it.
var ErrUnavailable = errors.New("AF_XDP is not available")

// Config says which ports are joined. Zero fields take the default.
type Config struct {
	Inside, Outside string // interfaces, in the network namespace of the calling thread
	// Bind has the frames of a queue go to a socket; it is called once a socket.
	Bind func(side datapath.Side, queue, fd int) error
	// Rings is the entries of each ring, a power of two; 4,096 by default. Each
	// queue has memory for two rings of frames.
	Rings int
}

// Bounds of Config.
const (
	defaultRings = 4096
	maxQueues    = 64
	batch        = 64
	kickEvery    = 32 // what one call of the kernel sends in copy mode
	plainMTU     = 1700
)

// Judge says what becomes of a frame: the frame to send on (the same one,
// perhaps with other bytes, never a longer one), or nil to drop it. The frame
// is the judge's until it returns.
type Judge interface {
	Judge(side datapath.Side, frame []byte) []byte
}

// Stats are the counters of a Crossing.
type Stats struct {
	Received, Forwarded, Dropped uint64
	Injected                     uint64 // frames sent by Send
	RingFull                     uint64 // frames lost because a ring or the memory was full
}

// Crossing joins two ports by way of a judge. One goroutine uses it.
type Crossing struct {
	memory  []byte
	chunk   int
	free    []uint64 // addresses of frames that are nobody's
	sockets []*socket
	by      [2][]*socket
	poll    []unix.PollFd
	stats   Stats
}

// Open makes sockets for every queue of both ports and binds them. The error
// wraps ErrUnavailable when the machine has no AF_XDP.
func Open(cfg Config) (*Crossing, error) {
	if cfg.Rings == 0 {
		cfg.Rings = defaultRings
	}
	if cfg.Rings < batch || cfg.Rings&(cfg.Rings-1) != 0 {
		return nil, fmt.Errorf("afxdp: rings of %d entries: want a power of two, at least %d", cfg.Rings, batch)
	}
	c := &Crossing{chunk: 2048}
	if err := c.open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("afxdp: %w", err), c.Close())
	}
	return c, nil
}

func (c *Crossing) open(cfg Config) error {
	var ports [2]*net.Interface
	queues := 0
	for i, name := range [2]string{cfg.Inside, cfg.Outside} {
		p, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("port %s: %w", name, err)
		}
		if ports[i] = p; p.MTU > plainMTU {
			c.chunk = 4096
		}
		queues += queuesOf(name)
	}
	frames := queues * 2 * cfg.Rings
	memory, err := unix.Mmap(-1, 0, frames*c.chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("get %d bytes for frames: %w", frames*c.chunk, err)
	}
	c.memory = memory
	c.free = make([]uint64, frames)
	for i := range c.free {
		c.free[i] = uint64(i * c.chunk)
	}
	for side, p := range ports {
		if err := c.openPort(datapath.Side(side), p, cfg); err != nil {
			return fmt.Errorf("port %s: %w", p.Name, err)
		}
	}
	return nil
}

func (c *Crossing) openPort(side datapath.Side, p *net.Interface, cfg Config) error {
	for queue := range queuesOf(p.Name) {
		var first *socket
		if len(c.sockets) > 0 {
			first = c.sockets[0]
		}
		s := &socket{fd: -1, side: side, queue: queue}
		c.sockets = append(c.sockets, s) // before it is open, so that Close finds it
		if err := s.open(c.memory, c.chunk, cfg.Rings, first); err != nil {
			return unavailable(err)
		}
		if err := s.bind(p.Index, first); err != nil {
			return unavailable(fmt.Errorf("bind to queue %d: %w", queue, err))
		}
		c.refill(s)
		if err := cfg.Bind(side, queue, s.fd); err != nil {
			return err
		}
		c.by[side] = append(c.by[side], s)
		c.poll = append(c.poll, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	return nil
}

// unavailable marks what a kernel or its rules against this process mean.
func unavailable(err error) error {
	for _, e := range []error{unix.EAFNOSUPPORT, unix.EPERM, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.ESOCKTNOSUPPORT} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w (needs Linux 5.10 with CONFIG_XDP_SOCKETS, and CAP_NET_RAW): %w", ErrUnavailable, err)
		}
	}
	return err
}

// Close gives the sockets back; the kernel takes them off the queues.
func (c *Crossing) Close() error {
	var errs []error
	for i := len(c.sockets) - 1; i >= 0; i-- {
		errs = append(errs, c.sockets[i].close())
	}
	c.sockets, c.by, c.poll = nil, [2][]*socket{}, nil
	if c.memory != nil {
		errs = append(errs, unix.Munmap(c.memory))
		c.memory = nil
	}
	return errors.Join(errs...)
}

// Stats are the counters so far. The kernel is asked for what it lost.
func (c *Crossing) Stats() Stats {
	lost := uint64(0)
	for _, s := range c.sockets {
		if st, err := s.statistics(); err == nil {
			lost += st.Rx_dropped + st.Rx_ring_full
		}
	}
	st := c.stats
	st.RingFull += lost
	return st
}
