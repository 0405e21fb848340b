package smb

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
)

// maxUnits bounds what is held of a unit on a pipe: units are at most 64 KiB.
const maxHeldUnit = 64 << 10

// rpc takes bytes that pass through a pipe; tx is the last transaction they
// belong to, nil when they carry no whole unit.
func (p *parser) rpc(h *handle, d packet.Direction, data []byte, version uint8, command uint16) (tx *Tx) {
	held := h.held[d]
	if len(held) > 0 {
		if len(held)+len(data) > maxHeldUnit {
			data = data[:max(maxHeldUnit-len(held), 0)]
		}
		held = append(held, data...)
		h.held[d] = held
		data = held
	}
	for len(data) >= dcerpc.HeaderSize {
		header, ok := dcerpc.ReadHeader(data)
		if !ok {
			h.held[d] = h.held[d][:0]
			return tx
		}
		if len(data) < int(header.FragLen) {
			break
		}
		if t := p.unit(h, d, header, data[:header.FragLen]); t != nil {
			tx = t
			if tx.command == 0 {
				tx.version, tx.command = version, command
			}
		}
		data = data[header.FragLen:]
	}
	if len(data) > maxHeldUnit {
		data = nil
	}
	h.held[d] = append(h.held[d][:0], data...)
	return tx
}

// isPipe says whether an open file is a pipe. Where the connection to its share
// was not seen, bytes that begin a call tell.
func (p *parser) isPipe(h *handle, data []byte) bool {
	if !h.pipe && p.book.tree(h.tree) == nil && h.txs[0] == nil && h.txs[1] == nil {
		if header, ok := dcerpc.ReadHeader(data); ok && int(header.FragLen) == len(data) {
			h.pipe = true
		}
	}
	return h.pipe
}

// calls says whether bytes that pass through a file belong to calls: it is a
// pipe, and they begin or go on with a unit.
func (h *handle) calls(d packet.Direction, data []byte) bool {
	if !h.pipe {
		return false
	}
	if len(h.held[d]) > 0 {
		return true
	}
	_, ok := dcerpc.ReadHeader(data)
	return ok
}

// unit gives a whole unit to its call.
func (p *parser) unit(h *handle, d packet.Direction, header dcerpc.Header, pdu []byte) *Tx {
	switch header.Type {
	case dcerpc.Request, dcerpc.Response, dcerpc.Fault, dcerpc.Bind, dcerpc.BindAck, dcerpc.BindNak, dcerpc.AlterContext, dcerpc.AlterContextResp:
	default:
		return nil
	}
	var t *Tx
	if !dcerpc.Begins(header) {
		for _, live := range p.txs.Live() {
			if live.kind == kindCall && live.pipe == h.id && live.call.Continues(d, header) {
				t = live
				break
			}
		}
	}
	if t == nil {
		t = p.begin(kindCall)
		t.pipe = h.id
	}
	t.call.Take(d, header, pdu, &h.binds)
	t.inspection.Again(d)
	t.raise(d, protocol.StageBody)
	if t.call.Done[d] {
		t.raise(d, protocol.StageDone)
		if d == packet.ToClient {
			t.raise(packet.ToServer, protocol.StageDone)
		}
	}
	return t
}
