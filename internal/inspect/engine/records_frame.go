package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// FrameSink is implemented by a Sink that may also want every frame.
type FrameSink interface {
	// WantsFrames is asked once, before the first packet.
	WantsFrames() bool
	// Frame tells of a frame that ended.
	Frame(f *flow.Flow, frame *protocol.Frame, p *packet.Packet)
}

// WantsFrames implements FrameSink.
func (r *Records) WantsFrames() bool { return r.wants("frame") }

// Frame implements FrameSink.
func (r *Records) Frame(f *flow.Flow, frame *protocol.Frame, p *packet.Packet) {
	if !r.wants("frame") {
		return
	}
	r.begin("frame", f, p)
	r.addresses(p)
	r.application(f)
	r.frame(frame)
	r.finish()
}

// frame writes what is known of a frame.
func (r *Records) frame(f *protocol.Frame) {
	o := &r.o
	o.BeginObject("frame")
	o.Str("type", f.Name)
	o.Uint("id", f.ID)
	o.Str("direction", [2]string{"toserver", "toclient"}[f.Dir&1])
	o.Uint("length", uint64(len(f.Data)))
	o.Bool("complete", true)
	data := f.Data[:min(len(f.Data), r.opt.PayloadSize)]
	o.Base64("payload", data)
	r.printable("payload_printable", data)
	o.End()
}
