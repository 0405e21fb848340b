package afxdp

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
)

// Turn takes one batch of every queue to the judge and sends on what it lets
// through. When there is nothing it waits for at most wait milliseconds. It
// gives the number of frames judged.
func (c *Crossing) Turn(j Judge, wait int) (int, error) {
	n := 0
	for _, s := range c.sockets {
		n += c.serve(s, j)
	}
	c.settle()
	if n > 0 || wait <= 0 {
		return n, nil
	}
	if c.sending() {
		wait = min(wait, 1)
	}
	if _, err := unix.Poll(c.poll, wait); err != nil && !errors.Is(err, unix.EINTR) {
		return 0, err
	}
	return 0, nil
}

// serve judges a batch of one queue.
func (c *Crossing) serve(s *socket, j Judge) int {
	n := min(s.rx.filled(), batch)
	for range n {
		d := s.rx.take()
		s.filling--
		c.stats.Received++
		frame := c.memory[d.Addr : d.Addr+uint64(d.Len)]
		out := j.Judge(s.side, frame)
		if out == nil {
			c.stats.Dropped++
			c.recycle(d.Addr)
			continue
		}
		if c.send(c.peer(s), unix.XDPDesc{Addr: d.Addr, Len: uint32(len(out))}) {
			c.stats.Forwarded++
		} else {
			c.stats.RingFull++
			c.recycle(d.Addr)
		}
	}
	if n > 0 {
		s.rx.release()
	}
	c.refill(s)
	return int(n)
}

// peer is the socket of the other side that sends what this one receives: one
// and the same, so that frames of a queue keep their order.
func (c *Crossing) peer(s *socket) *socket {
	other := c.by[s.side^1]
	return other[s.queue%len(other)]
}

// send puts a frame on a ring; false: there is no room. Frames of that ring
// that were sent make room.
func (c *Crossing) send(to *socket, d unix.XDPDesc) bool {
	if to.tx.room() == 0 {
		to.tx.publish()
		to.kick()
		c.reap(to)
		if to.tx.allRoom() == 0 {
			return false
		}
	}
	to.tx.put(d)
	to.inKern++
	if to.unsent++; to.unsent >= kickEvery {
		to.tx.publish()
		to.kick()
		c.reap(to)
	}
	return true
}

// Send sends a frame of the caller's own by a side; false: it was lost.
func (c *Crossing) Send(side datapath.Side, frame []byte) bool {
	if len(c.free) == 0 || len(frame) > c.chunk || len(c.by[side]) == 0 {
		c.stats.RingFull++
		return false
	}
	a := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	n := copy(c.memory[a:a+uint64(c.chunk)], frame)
	if !c.send(c.by[side][0], unix.XDPDesc{Addr: a, Len: uint32(n)}) {
		c.stats.RingFull++
		c.recycle(a)
		return false
	}
	c.stats.Injected++
	return true
}

// recycle makes a frame nobody's. In received descriptors the address points
// behind the headroom.
func (c *Crossing) recycle(a uint64) { c.free = append(c.free, a&^uint64(c.chunk-1)) }

// reap takes back what was sent.
func (c *Crossing) reap(s *socket) {
	n := s.done.filled()
	if n == 0 {
		return
	}
	for range n {
		c.recycle(s.done.take())
	}
	s.inKern -= n
	s.done.release()
}

// refill gives the kernel frames to receive into.
func (c *Crossing) refill(s *socket) {
	n := min(s.fill.allRoom(), uint32(len(c.free)), uint32(len(s.fill.desc))-s.filling)
	if n == 0 {
		return
	}
	for range n {
		s.fill.put(c.free[len(c.free)-1])
		c.free = c.free[:len(c.free)-1]
	}
	s.filling += n
	s.fill.publish()
}

// settle sends what waits on the rings, also what an earlier kick left there.
func (c *Crossing) settle() {
	for _, s := range c.sockets {
		if s.inKern == 0 {
			continue
		}
		s.tx.publish()
		if s.unsent > 0 || s.tx.sleeps() && s.tx.allRoom() < uint32(len(s.tx.desc)) {
			s.kick()
		}
		c.reap(s)
	}
}

// sending says whether some frame waits to be sent.
func (c *Crossing) sending() bool {
	for _, s := range c.sockets {
		if s.tx.own != s.tx.other && s.tx.allRoom() < uint32(len(s.tx.desc)) {
			return true
		}
	}
	return false
}
