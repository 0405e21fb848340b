package smb

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// fileTx is the transaction of a file in direction d, a new one when the file
// was not seen to pass yet.
func (p *parser) fileTx(h *handle, d packet.Direction, version uint8, command uint16) *Tx {
	if t := h.txs[d]; t != nil && t.stage[d] != protocol.StageDone {
		return t
	}
	t := p.begin(kindFile)
	t.version, t.command = version, command
	t.create.name = append(t.create.name, h.name...)
	t.create.share = append(t.create.share, p.book.share(h.tree)...)
	t.create.id, t.create.hasID = h.id, true
	t.files[d].Open(h.name, uint32(t.inspection.Number)+1, p.env.Hashes, file.Limits{})
	t.raise(d, protocol.StageBody)
	h.txs[d] = t
	return t
}

// position is how many bytes of the file have passed in d.
func (h *handle) position(d packet.Direction) uint64 {
	if t := h.txs[d]; t != nil && t.files[d].Last() != nil {
		return t.files[d].Last().File().Size
	}
	return 0
}

// data takes bytes of a file: the message says that total bytes lie at offset,
// data are those of them that have come. left of the message are still to
// come; they are passed on as they do.
func (p *parser) data(h *handle, d packet.Direction, version uint8, command uint16, offset uint64, data []byte, total uint64) {
	t := p.fileTx(h, d, version, command)
	tracker := t.files[d].Last()
	s := &p.sides[d]
	s.file, s.tx = 0, nil
	if tracker == nil {
		return
	}
	position := tracker.File().Size
	if offset > position && uint64(len(data)) == total && p.keep(t, d, offset, data) {
		return
	}
	if offset > position {
		tracker.Gap(offset - position)
		position = offset
	}
	if over := position - offset; over > 0 {
		t.event(eventOverlap)
		if over >= total {
			return
		}
		total -= over
		data = data[min(over, uint64(len(data))):]
	}
	p.write(t, d, data)
	if rest := total - uint64(len(data)); rest > 0 {
		s.file, s.tx = rest, t
	}
}

// keep puts a part that came early into the queue, false when it is full.
func (p *parser) keep(t *Tx, d packet.Direction, offset uint64, data []byte) bool {
	count, size := p.cfg.readCount, p.cfg.readQueue
	countEvent, sizeEvent := eventReadQueueCount, eventReadQueueSize
	if d == packet.ToServer {
		count, size = p.cfg.writeCount, p.cfg.writeQueue
		countEvent, sizeEvent = eventWriteQueueCount, eventWriteQueueSize
	}
	switch {
	case count > 0 && uint64(len(t.queue.chunks)) >= count:
		t.event(countEvent)
		return false
	case size > 0 && uint64(t.queue.size+len(data)) > size:
		t.event(sizeEvent)
		return false
	}
	return t.queue.add(offset, data)
}

// write adds bytes to the file, and what waited for them.
func (p *parser) write(t *Tx, d packet.Direction, data []byte) {
	tracker := t.files[d].Last()
	if tracker == nil {
		return
	}
	tracker.Write(data)
	for {
		low, ok := t.queue.lowest()
		position := tracker.File().Size
		if !ok || low > position {
			return
		}
		c, _ := t.queue.next()
		if over := position - c.offset; over < uint64(len(c.data)) {
			tracker.Write(c.data[over:])
		}
	}
}

// closeFile ends a file's transaction; whole says that it was closed rather
// than broken off.
func (p *parser) closeFile(t *Tx, whole bool) {
	for d := range t.files {
		tracker := t.files[d].Last()
		if tracker == nil {
			continue
		}
		for {
			c, ok := t.queue.next()
			if !ok {
				break
			}
			if position := tracker.File().Size; c.offset > position {
				tracker.Gap(c.offset - position)
			}
			p.write(t, packet.Direction(d), c.data)
		}
		state := protocol.FileTruncated
		if whole {
			state = protocol.FileClosed
		}
		tracker.Close(state)
	}
	t.raise(packet.ToServer, protocol.StageDone)
	t.raise(packet.ToClient, protocol.StageDone)
}

// closeHandle ends what passes through an open file.
func (p *parser) closeHandle(id [16]byte) {
	h := p.book.handle(id)
	if h == nil {
		return
	}
	for _, t := range h.txs {
		if t != nil {
			p.closeFile(t, true)
		}
	}
	p.book.drop(h)
}

// wasRead takes what a server's answer carries of a file that was read from
// offset: bytes of the file, or a part of a call when it is a pipe. size is
// what the answer says it carries.
func (p *parser) wasRead(file *handle, offset uint64, h head, data []byte, size uint64) {
	if !file.calls(packet.ToClient, data) {
		if file.pipe { // what passes through a pipe has no place in it
			offset = file.position(packet.ToClient)
		}
		p.data(file, packet.ToClient, h.version, h.command, offset, data, size)
		return
	}
	if t := p.rpc(file, packet.ToClient, data, h.version, h.command); t != nil && !t.answered {
		t.answered, t.status = true, h.status
	}
}
