package smb

import (
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
)

// Bounds of what is remembered of one connection.
const (
	maxHandles = 256
	maxTrees   = 64
	maxPending = 1024
	maxName    = 4096
)

// tree is a share that a client is connected to.
type tree struct {
	id   uint32
	name []byte
	pipe bool
}

// handle is an open file or pipe.
type handle struct {
	id    [16]byte
	tree  uint32
	name  []byte
	pipe  bool
	txs   [2]*Tx // the file's transactions, by direction
	binds dcerpc.Bindings
	held  [2][]byte // the beginning of a unit on a pipe
}

// pending is a request that waits for its response.
type pending struct {
	message uint64
	command uint16
	tx      *Tx // nil for reads and others without a transaction of their own
	file    [16]byte
	offset  uint64
	tree    uint32
}

// book is what is remembered of one connection.
type book struct {
	trees   []tree
	handles []*handle
	spare   []*handle
	waiting []pending
}

func (b *book) reset() {
	b.trees, b.waiting = b.trees[:0], b.waiting[:0]
	b.spare = append(b.spare, b.handles...)
	b.handles = b.handles[:0]
}

// connect remembers a share.
func (b *book) connect(id uint32, name []byte, pipe bool) {
	t := b.tree(id)
	if t == nil {
		if len(b.trees) >= maxTrees {
			b.trees = append(b.trees[:0], b.trees[1:]...)
		}
		if n := len(b.trees); n < cap(b.trees) {
			b.trees = b.trees[:n+1]
		} else {
			b.trees = append(b.trees, tree{})
		}
		t = &b.trees[len(b.trees)-1]
	}
	t.id, t.pipe = id, pipe
	t.name = append([]byte(nil), name[:min(len(name), maxName)]...)
}

func (b *book) tree(id uint32) *tree {
	for i := range b.trees {
		if b.trees[i].id == id {
			return &b.trees[i]
		}
	}
	return nil
}

// isPipe says whether a tree is the one of named pipes.
func (b *book) isPipe(id uint32) bool {
	t := b.tree(id)
	return t != nil && t.pipe
}

// share is the name of a tree, nil when it is not known.
func (b *book) share(id uint32) []byte {
	if t := b.tree(id); t != nil {
		return t.name
	}
	return nil
}

// handle is the open file of an identity, nil when none is known.
func (b *book) handle(id [16]byte) *handle {
	for _, h := range b.handles {
		if h.id == id {
			return h
		}
	}
	return nil
}

// open remembers an open file; the oldest is forgotten when there are too many.
func (b *book) open(id [16]byte, tree uint32, name []byte, pipe bool) *handle {
	h := b.handle(id)
	if h == nil {
		if len(b.handles) >= maxHandles {
			b.drop(b.handles[0])
		}
		if n := len(b.spare); n > 0 {
			h, b.spare = b.spare[n-1], b.spare[:n-1]
		} else {
			h = new(handle)
		}
		b.handles = append(b.handles, h)
	}
	h.binds.Reset()
	*h = handle{id: id, tree: tree, name: append(h.name[:0], name[:min(len(name), maxName)]...), pipe: pipe, txs: h.txs, binds: h.binds, held: [2][]byte{h.held[0][:0], h.held[1][:0]}}
	return h
}

// drop forgets an open file.
func (b *book) drop(h *handle) {
	for i := range b.handles {
		if b.handles[i] == h {
			b.handles = append(b.handles[:i], b.handles[i+1:]...)
			break
		}
	}
	h.txs = [2]*Tx{}
	if len(b.spare) < maxHandles {
		b.spare = append(b.spare, h)
	}
}

// wait remembers a request.
func (b *book) wait(w pending) {
	if len(b.waiting) >= maxPending {
		b.waiting = append(b.waiting[:0], b.waiting[1:]...)
	}
	b.waiting = append(b.waiting, w)
}

// take is the request that a response answers.
func (b *book) take(message uint64, command uint16) (pending, bool) {
	for i := range b.waiting {
		if w := b.waiting[i]; w.message == message && w.command == command {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			return w, true
		}
	}
	return pending{}, false
}

// forget drops every mention of a transaction that is swept.
func (b *book) forget(gone func(*Tx) bool) {
	for i := range b.waiting {
		if t := b.waiting[i].tx; t != nil && gone(t) {
			b.waiting[i].tx = nil
		}
	}
	for _, h := range b.handles {
		for d, t := range h.txs {
			if t != nil && gone(t) {
				h.txs[d] = nil
			}
		}
	}
}
