package http

import "github.com/masugata/masugata/internal/inspect/protocol/byterange"

// pool keeps what is large and needed only while a body is read, for all
// parsers of one maker, so that idle parsers stay small. It is for one
// goroutine.
type pool struct {
	inflaters []*inflater
	windows   [][]byte
	ranges    byterange.Shelf
}

// maxPooled bounds each sort of thing in a pool.
const maxPooled = 64

// inflater gives one, to be reset before use.
func (p *pool) inflater() *inflater {
	if p == nil || len(p.inflaters) == 0 {
		return new(inflater)
	}
	n := len(p.inflaters) - 1
	f := p.inflaters[n]
	p.inflaters = p.inflaters[:n]
	return f
}

func (p *pool) putInflater(f *inflater) {
	if len(p.inflaters) < maxPooled {
		p.inflaters = append(p.inflaters, f)
	}
}

// window gives memory for a body, nil when there is none.
func (p *pool) window() []byte {
	if len(p.windows) == 0 {
		return nil
	}
	n := len(p.windows) - 1
	b := p.windows[n]
	p.windows = p.windows[:n]
	return b
}

func (p *pool) putWindow(b []byte) {
	if cap(b) > 0 && len(p.windows) < maxPooled {
		p.windows = append(p.windows, b[:0])
	}
}

// release gives the layer's inflater back.
func (l *layer) release() {
	if l.pool != nil && l.inflate != nil {
		l.pool.putInflater(l.inflate)
		l.inflate = nil
	}
}

// release gives back what the layers hold.
func (x *decoder) release() {
	for _, l := range x.layers {
		l.release()
	}
}

// release gives back the memory of the transaction's bodies.
func (t *transaction) release(p *pool) {
	for d := range t.msg {
		p.putWindow(t.msg[d].body.Reclaim())
	}
}
