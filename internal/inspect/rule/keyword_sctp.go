package rule

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// sctpChunkTypes are the chunk types of RFC 9260 and RFC 3758.
var sctpChunkTypes = map[string]uint64{
	"data": 0, "init": 1, "init_ack": 2, "sack": 3, "heartbeat": 4, "hb_ack": 5, "abort": 6, "shutdown": 7, "shutdown_ack": 8,
	"error": 9, "cookie_echo": 10, "cookie_ack": 11, "ecne": 12, "cwr": 13, "shutdown_complete": 14, "forward_tsn": 192,
}

func sctpKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "sctp", use: use, doc: doc, run: run}
	}
	data := k("sctp.chunk_data", "", "buffer: user data of a DATA chunk; each is inspected by itself", (*builder).sctpData)
	data.arg = argNone
	return []keyword{
		data,
		k("sctp.vtag", "NUMBER or comparison", "verification tag", packetNumber(32, nil, func(p *packet.Packet) (uint64, bool) {
			if p.Has&packet.HasSCTP == 0 {
				return 0, false
			}
			return uint64(binary.BigEndian.Uint32(p.L4[4:])), true
		})),
		k("sctp.chunk_type", "NUMBER, comparison or name", "type of any chunk", (*builder).sctpType),
		k("sctp.chunk_cnt", "NUMBER or comparison", "number of chunks", packetNumber(16, nil, func(p *packet.Packet) (uint64, bool) {
			n, rest := uint64(0), sctpChunks(p)
			for chunk := []byte(nil); ; n++ {
				if chunk, rest = cutChunk(rest); chunk == nil {
					return n, p.Has&packet.HasSCTP != 0
				}
			}
		})),
	}
}

// sctpChunks is what stands behind the common header.
func sctpChunks(p *packet.Packet) []byte {
	if p.Has&packet.HasSCTP == 0 || len(p.L4) < 12 {
		return nil
	}
	return p.L4[12:]
}

// cutChunk takes the first chunk off b: its header and value, without padding
// (RFC 9260 section 3.2); nil when there is no whole one.
func cutChunk(b []byte) (chunk, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 4 || n > len(b) {
		return nil, nil
	}
	return b[:n], b[min((n+3)&^3, len(b)):]
}

// sctpDataHeader is the size of a DATA chunk without its user data.
const sctpDataHeader = 16

// sctpTypeCheck compares the types of all chunks.
type sctpTypeCheck struct{ want number.Test }

func (k *sctpTypeCheck) holds(_ *Inspector, c *Context) bool {
	chunk, rest := cutChunk(sctpChunks(c.Packet))
	for ; chunk != nil; chunk, rest = cutChunk(rest) {
		if k.want.Match(uint64(chunk[0])) {
			return c.Packet.Source != packet.SourceFlowEnd
		}
	}
	return false
}

func (b *builder) sctpType(name, value syntax.Token) error {
	t, err := number.Parse(value.Text, 8, sctpChunkTypes)
	if err != nil {
		return fail(value, "%s: %s", "", name.Text, err.Error())
	}
	b.check(&sctpTypeCheck{t})
	b.needsPkt = true
	return nil
}

func (b *builder) sctpData(name, _ syntax.Token) error {
	if b.rule.over &= overSCTP; b.rule.over == 0 {
		return fail(name, "%s does not go with the rule's protocol", "write alert sctp any any -> any any", name.Text)
	}
	b.needsPkt = true
	return b.sticky(&use{kind: useHeader, buffer: bufferSCTPData, at: name})
}

// sctpDataCheck matches the user data of any DATA chunk.
type sctpDataCheck struct {
	program *payload.Program
	chain   payload.Chain
}

func (k *sctpDataCheck) holds(in *Inspector, c *Context) bool {
	if c.Packet.Source == packet.SourceFlowEnd {
		return false
	}
	found := false
	chunk, rest := cutChunk(sctpChunks(c.Packet))
	for ; chunk != nil; chunk, rest = cutChunk(rest) {
		if chunk[0] != 0 || len(chunk) < sctpDataHeader {
			continue
		}
		found = true
		b := chunk[sctpDataHeader:]
		if len(k.chain) > 0 {
			b = k.chain.Apply(b, &in.work)
		}
		in.state.Forget()
		in.state.Final = true
		if k.program.Match(b, 0, &in.state) {
			return true
		}
	}
	return !found && k.program.MatchAbsent()
}
