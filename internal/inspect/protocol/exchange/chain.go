package exchange

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Chain is what a parser has whose messages follow one another with nothing
// between them that would show where the next begins: a fault or a gap in one
// direction ends both. Parsers embed it. The zero value is ready; it is not safe
// for concurrent use.
type Chain[T any, P txlist.Transaction[T]] struct {
	txlist.List[T, P]
	Held Held
	over bool
}

// Reset forgets the flow and keeps memory.
func (c *Chain[T, P]) Reset() {
	c.List.Reset()
	c.Held.Reset()
	c.over = false
}

// Over says whether the chain has been broken.
func (c *Chain[T, P]) Over() bool { return c.over }

// Break ends parsing.
func (c *Chain[T, P]) Break() protocol.Status {
	c.Held.Reset()
	c.over = true
	return protocol.Status{Code: protocol.StatusFailed}
}

// Gap ends parsing: where the next message begins is not known.
func (c *Chain[T, P]) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	return c.Break()
}

// End has nothing to do.
func (c *Chain[T, P]) End(packet.Direction, *protocol.Env) {}
