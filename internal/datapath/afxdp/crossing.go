package afxdp

import (
	"errors"
	"fmt"
	"net"
	"sync"

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
	// Bind has the frames of a queue that are a worker's go to a socket; it is
	// called once a socket.
	Bind func(side datapath.Side, queue, worker, fd int) error
	// Workers is how many share the frames; 1 by default.
	Workers int
	// Rings is the entries of each ring, a power of two; 4,096 by default. Each
	// queue has memory for two rings of frames, however many workers there are.
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

// Stats are the counters of a Worker.
type Stats struct {
	Received, Forwarded, Dropped uint64
	Injected                     uint64 // frames sent by Send
	RingFull                     uint64 // frames lost because a ring or the memory was full
}

// Crossing joins two ports by way of judges: what is handed over is shared
// among workers, each with a socket on every queue.
type Crossing struct {
	memory  []byte
	chunk   int
	workers []*Worker
	order   []*socket // as they were opened

	mu   sync.Mutex // of what the workers share: the frames that are nobody's, and the queues' rings
	free []uint64   // addresses of frames that are nobody's
}

// queue is a receive queue of a port, with the rings by which its sockets and
// the kernel give each other frames. Crossing.mu guards it.
type queue struct {
	side    datapath.Side
	number  int
	lead    *socket // the one that made the rings
	fill    ring[uint64]
	done    ring[uint64] // completion
	inKern  uint32       // sent, and not yet given back
	filling uint32       // frames that lie on the fill ring or are being received
}

// Worker judges its share of the frames. One goroutine uses it.
type Worker struct {
	c       *Crossing
	sockets []*socket
	by      [2][]*socket
	poll    []unix.PollFd
	idle    []uint64 // frames that are nobody's, soon given back
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
	cfg.Workers = max(cfg.Workers, 1)
	if cfg.Workers > datapath.MaxWorkers {
		return nil, fmt.Errorf("afxdp: %d workers, at most %d", cfg.Workers, datapath.MaxWorkers)
	}
	c := &Crossing{chunk: 2048}
	for range cfg.Workers {
		c.workers = append(c.workers, &Worker{c: c})
	}
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
	for number := range queuesOf(p.Name) {
		q := &queue{side: side, number: number}
		for n, w := range c.workers {
			s, err := c.openSocket(q, p, cfg.Rings)
			if err != nil {
				return fmt.Errorf("queue %d: %w", number, err)
			}
			if err := cfg.Bind(side, number, n, s.fd); err != nil {
				return err
			}
			w.sockets = append(w.sockets, s)
			w.by[side] = append(w.by[side], s)
			w.poll = append(w.poll, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
		}
	}
	return nil
}

// openSocket makes a queue's next socket. The first of all registers the
// memory, the first of each queue makes its rings.
func (c *Crossing) openSocket(q *queue, p *net.Interface, rings int) (*socket, error) {
	s := &socket{fd: -1, q: q}
	from := q.lead
	if from == nil && len(c.order) > 0 {
		from = c.order[0]
	}
	lead := q.lead == nil
	if lead {
		q.lead = s
	}
	c.order = append(c.order, s) // before it is open, so that Close finds it
	var memory []byte
	if from == nil {
		memory = c.memory
	}
	if err := s.open(memory, c.chunk, rings); err != nil {
		return nil, unavailable(err)
	}
	if err := s.bind(p.Index, from); err != nil {
		return nil, unavailable(fmt.Errorf("bind: %w", err))
	}
	if lead {
		c.refill(q)
	}
	return s, nil
}

// Worker is one of the workers, from 0 on.
func (c *Crossing) Worker(n int) *Worker { return c.workers[n] }

// unavailable marks what a kernel or its rules against this process mean.
func unavailable(err error) error {
	for _, e := range []error{unix.EAFNOSUPPORT, unix.EPERM, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.ESOCKTNOSUPPORT} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w (needs Linux 5.10 with CONFIG_XDP_SOCKETS, and CAP_NET_RAW): %w", ErrUnavailable, err)
		}
	}
	return err
}

// Close gives the sockets back; the kernel takes them off the queues. No worker
// may be at work.
func (c *Crossing) Close() error {
	var errs []error
	for i := len(c.order) - 1; i >= 0; i-- {
		errs = append(errs, c.order[i].close())
	}
	c.order, c.workers = nil, nil
	if c.memory != nil {
		errs = append(errs, unix.Munmap(c.memory))
		c.memory = nil
	}
	return errors.Join(errs...)
}

// Stats are the counters so far. The kernel is asked for what it lost.
func (w *Worker) Stats() Stats {
	lost := uint64(0)
	for _, s := range w.sockets {
		if st, err := s.statistics(); err == nil {
			lost += st.Rx_dropped + st.Rx_ring_full
		}
	}
	st := w.stats
	st.RingFull += lost
	return st
}
