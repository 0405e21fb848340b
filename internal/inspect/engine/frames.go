package engine

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Bounds of the frames kept of a flow until their direction is inspected.
const (
	maxFrames     = 256
	maxFrameBytes = 256 << 10
)

// frames keeps frames of a flow until the next packet of their direction.
type frames struct {
	list  []protocol.Frame
	bytes int
	ended [2]uint64 // so far, by direction
}

// add copies frames; those over the bound are left out.
func (k *frames) add(more []protocol.Frame) {
	for _, f := range more {
		if len(k.list) >= maxFrames || k.bytes+len(f.Data) > maxFrameBytes {
			return
		}
		k.bytes += len(f.Data)
		k.ended[f.Dir&1]++
		f.ID = k.ended[f.Dir&1]
		f.Data = append([]byte(nil), f.Data...)
		k.list = append(k.list, f)
	}
}

// of appends the frames of a direction to dst.
func (k *frames) of(d packet.Direction, dst []protocol.Frame) []protocol.Frame {
	for _, f := range k.list {
		if f.Dir == d {
			dst = append(dst, f)
		}
	}
	return dst
}

// clear forgets the frames of a direction.
func (k *frames) clear(d packet.Direction) {
	if len(k.list) == 0 {
		return
	}
	kept := k.list[:0]
	k.bytes = 0
	for _, f := range k.list {
		if f.Dir != d {
			kept = append(kept, f)
			k.bytes += len(f.Data)
		}
	}
	k.list = kept
}
