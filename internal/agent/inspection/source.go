package inspection

import (
	"time"

	"github.com/masugata/masugata/internal/host/queue"
	"github.com/masugata/masugata/internal/host/tap"
)

// source is where packets come from. What next gives is valid until its next
// call and must be answered.
type source interface {
	next(wait time.Duration) (p frame, ok bool, err error)
	answer(id uint32, drop bool) error
	SetFilter(want *tap.Filter) error
	Lost() uint64 // packets since it was opened
	Close() error
}

// frame is a packet from its IP header on.
type frame struct {
	id   uint32
	data []byte
}

// copied gives copies of packets, which nothing can stop any more.
type copied struct{ *tap.Tap }

func (c copied) next(wait time.Duration) (frame, bool, error) {
	p, ok, err := c.Read(wait)
	return frame{data: p.Data}, ok, err
}

func (c copied) answer(uint32, bool) error { return nil }

// asked gives packets that wait for an answer.
type asked struct{ *queue.Queue }

func (a asked) next(wait time.Duration) (frame, bool, error) {
	p, ok, err := a.Read(wait)
	return frame{p.ID, p.Data}, ok, err
}

func (a asked) answer(id uint32, drop bool) error { return a.Answer(id, drop) }

// Lost is 0: what finds no room passes uninspected, and the kernel alone
// counts it (/proc/net/netfilter/nfnetlink_queue).
func (a asked) Lost() uint64 { return 0 }
