package nfs

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

const (
	maxFiles  = 256 // handles whose names are remembered
	maxHandle = 128 // bytes of a handle (RFC 7530 section 4.2)
)

// known is a file handle with what is known of it.
type known struct {
	handle, name []byte
	txs          [2]*Tx
}

// book is what is remembered of handles, oldest first.
type book struct{ list []known }

func (b *book) reset() { b.list = b.list[:0] }

func (b *book) forget() {
	for i := range b.list {
		for d, t := range b.list[i].txs {
			if t != nil && t.inspection.Done {
				b.list[i].txs[d] = nil
			}
		}
	}
}

// find is what is known of a handle, nil for nothing.
func (b *book) find(handle []byte) *known {
	for i := len(b.list) - 1; i >= 0; i-- {
		if bytes.Equal(b.list[i].handle, handle) {
			return &b.list[i]
		}
	}
	return nil
}

// name remembers the name of a handle.
func (b *book) name(handle, name []byte) *known {
	handle = handle[:min(len(handle), maxHandle)]
	k := b.find(handle)
	if k == nil {
		if len(b.list) >= maxFiles {
			first := b.list[0]
			copy(b.list, b.list[1:])
			b.list[len(b.list)-1] = first
			b.list = b.list[:len(b.list)-1]
		}
		if n := len(b.list); n < cap(b.list) {
			b.list = b.list[:n+1]
		} else {
			b.list = append(b.list, known{})
		}
		k = &b.list[len(b.list)-1]
		k.handle, k.name, k.txs = append(k.handle[:0], handle...), k.name[:0], [2]*Tx{}
	}
	if len(name) > 0 {
		k.name = append(k.name[:0], name[:min(len(name), maxName)]...)
	}
	return k
}

// data takes bytes of a file that lie at offset.
func (p *parser) data(c *call, d packet.Direction, handle []byte, offset uint64, data []byte) *Tx {
	k := p.files.name(handle, nil)
	t := k.txs[d]
	if t == nil || t.stage[d] == protocol.StageDone {
		t = p.begin(c)
		t.isFile = true
		t.handle = append(t.handle, k.handle...)
		t.name = append(t.name, k.name...)
		t.files[d].Open(t.name, uint32(t.inspection.Number)+1, p.env.Hashes, file.Limits{})
		k.txs[d] = t
	}
	t.raise(d, protocol.StageBody)
	t.chunks++
	t.last = c.xid
	tracker := t.files[d].Last()
	if tracker == nil {
		return t
	}
	position := tracker.File().Size
	switch {
	case offset > position:
		tracker.Gap(offset - position)
	case offset < position:
		data = data[min(position-offset, uint64(len(data))):]
	}
	tracker.Write(data)
	return t
}

// closeFile ends a file in d.
func (p *parser) closeFile(handle []byte, d packet.Direction) {
	if k := p.files.find(handle); k != nil && k.txs[d] != nil {
		k.txs[d].close(protocol.FileClosed)
		k.txs[d] = nil
	}
}

func (t *Tx) close(state protocol.FileState) {
	t.ended = state == protocol.FileClosed
	t.files[0].Close(state)
	t.files[1].Close(state)
	t.raise(packet.ToServer, protocol.StageDone)
	t.raise(packet.ToClient, protocol.StageDone)
}
