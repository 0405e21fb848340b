package afxdp

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
)

// Turn takes one batch of every queue to the judge and sends on what it lets
// through. When there is nothing it waits for at most wait milliseconds. It
// gives the number of frames judged.
func (w *Worker) Turn(j Judge, wait int) (int, error) {
	n := 0
	for _, s := range w.sockets {
		n += w.serve(s, j)
	}
	w.settle()
	if n > 0 || wait <= 0 {
		return n, nil
	}
	if w.sending() {
		wait = min(wait, 1)
	}
	if _, err := unix.Poll(w.poll, wait); err != nil && !errors.Is(err, unix.EINTR) {
		return 0, err
	}
	return 0, nil
}

// serve judges a batch of one queue.
func (w *Worker) serve(s *socket, j Judge) int {
	n := min(s.rx.filled(), batch)
	if n == 0 {
		return 0
	}
	to := w.peer(s)
	for range n {
		d := s.rx.take()
		w.stats.Received++
		frame := w.c.memory[d.Addr : d.Addr+uint64(d.Len)]
		out := j.Judge(s.q.side, frame)
		if out == nil {
			w.stats.Dropped++
			w.idle = append(w.idle, d.Addr)
			continue
		}
		if w.send(to, unix.XDPDesc{Addr: d.Addr, Len: uint32(len(out))}) {
			w.stats.Forwarded++
		} else {
			w.stats.RingFull++
			w.idle = append(w.idle, d.Addr)
		}
	}
	s.rx.release()
	w.c.mu.Lock()
	s.q.filling -= n
	w.giveBack()
	w.c.refill(s.q)
	w.c.mu.Unlock()
	return int(n)
}

// peer is the socket of the other side that sends what this one receives: one
// and the same, so that frames of a queue keep their order.
func (w *Worker) peer(s *socket) *socket {
	other := w.by[s.q.side^1]
	return other[s.q.number%len(other)]
}

// send puts a frame on a ring; false: there is no room. Frames of that ring
// that were sent make room.
func (w *Worker) send(to *socket, d unix.XDPDesc) bool {
	if to.tx.room() == 0 {
		w.push(to)
		if to.tx.allRoom() == 0 {
			return false
		}
	}
	to.tx.put(d)
	if to.unsent++; to.unsent >= kickEvery {
		w.push(to)
	}
	return true
}

// push has the kernel send what is on a ring, and takes back what was sent.
func (w *Worker) push(to *socket) {
	w.c.mu.Lock()
	to.q.inKern += to.unsent
	w.c.mu.Unlock()
	to.tx.publish()
	to.kick()
	w.c.mu.Lock()
	w.c.reap(to.q)
	w.c.mu.Unlock()
}

// Send sends a frame of the caller's own by a side; false: it was lost.
func (w *Worker) Send(side datapath.Side, frame []byte) bool {
	a, ok := w.c.frame()
	if !ok || len(frame) > w.c.chunk || len(w.by[side]) == 0 {
		if ok {
			w.idle = append(w.idle, a)
		}
		w.stats.RingFull++
		return false
	}
	n := copy(w.c.memory[a:a+uint64(w.c.chunk)], frame)
	if !w.send(w.by[side][0], unix.XDPDesc{Addr: a, Len: uint32(n)}) {
		w.stats.RingFull++
		w.idle = append(w.idle, a)
		return false
	}
	w.stats.Injected++
	return true
}

// frame takes a frame that is nobody's.
func (c *Crossing) frame() (a uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) == 0 {
		return 0, false
	}
	a = c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	return a, true
}

// giveBack makes the worker's idle frames everybody's. Call it with mu held.
func (w *Worker) giveBack() {
	for _, a := range w.idle {
		w.c.recycle(a)
	}
	w.idle = w.idle[:0]
}

// recycle makes a frame nobody's. In received descriptors the address points
// behind the headroom.
func (c *Crossing) recycle(a uint64) { c.free = append(c.free, a&^uint64(c.chunk-1)) }

// reap takes back what was sent, by whichever worker. Call it with mu held.
func (c *Crossing) reap(q *queue) {
	n := q.done.filled()
	if n == 0 {
		return
	}
	for range n {
		c.recycle(q.done.take())
	}
	q.inKern -= n
	q.done.release()
}

// refill gives the kernel frames to receive into. Call it with mu held.
func (c *Crossing) refill(q *queue) {
	n := min(q.fill.allRoom(), uint32(len(c.free)), uint32(len(q.fill.desc))-q.filling)
	if n == 0 {
		return
	}
	for range n {
		q.fill.put(c.free[len(c.free)-1])
		c.free = c.free[:len(c.free)-1]
	}
	q.filling += n
	q.fill.publish()
}

// settle sends what waits on the worker's rings, also what an earlier kick left
// there, and takes back what was sent.
func (w *Worker) settle() {
	for _, s := range w.sockets {
		if s.unsent > 0 || s.waits() && s.tx.sleeps() {
			w.push(s)
		}
	}
	w.c.mu.Lock()
	w.giveBack()
	for _, s := range w.sockets {
		if s.q.inKern > 0 {
			w.c.reap(s.q)
		}
		if s.q.filling < uint32(len(s.q.fill.desc)) {
			w.c.refill(s.q) // with what came back
		}
	}
	w.c.mu.Unlock()
}

// waits says whether some frame waits to be sent.
func (s *socket) waits() bool {
	return s.tx.own != s.tx.other && s.tx.allRoom() < uint32(len(s.tx.desc))
}

func (w *Worker) sending() bool {
	for _, s := range w.sockets {
		if s.waits() {
			return true
		}
	}
	return false
}
