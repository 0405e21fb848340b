package http2

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
	"github.com/masugata/masugata/internal/inspect/protocol/http"
)

// coding undoes the content encoding of a body. Its decoder is made when first
// wanted and kept with the transaction's memory.
type coding struct {
	content *http.Content
	on      bool
}

func (c *coding) reset() { c.on = false }

// begin looks at the encoding that the header fields name.
func (c *coding) begin(h *headers, body *file.Tracker) {
	c.on = false
	name, ok := h.find("content-encoding", 0)
	if !ok {
		return
	}
	if c.content == nil {
		c.content = http.NewContent(body.Write)
	}
	c.on = c.content.Begin(name)
}

// write hands bytes of the body as sent on to the file.
func (c *coding) write(t *Tx, d packet.Direction, data []byte) {
	if !c.on {
		t.sides[d].body.Write(data)
		return
	}
	c.content.Write(data)
	if c.content.Failed || c.content.Bomb {
		t.event(eventDecompression)
	}
}

func (c *coding) finish(t *Tx, d packet.Direction) {
	if !c.on {
		return
	}
	c.content.End()
	c.on = false
	if c.content.Failed {
		t.event(eventDecompression)
	}
}
