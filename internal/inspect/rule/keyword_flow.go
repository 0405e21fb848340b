package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func flowKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "flow", use: use, doc: doc, run: run}
	}
	out := []keyword{
		k("flow", "established, to_server, …", "direction and state of the flow; established, not_established, stateless, to_server, to_client, from_server, from_client, only_stream, no_stream, only_frag, no_frag", (*builder).flow),
		k("flow.age", "SECONDS", "age of the flow", flowNumber(func(f *flow.Flow, now int64, _ packet.Direction) uint64 {
			return uint64(max(0, f.Last/1e9-f.Start/1e9))
		})),
		k("flow.elephant", "toserver|toclient|either|both", "the flow has passed the size of elephant-flow", (*builder).flowElephant),
		k("stream_size", "server|client|both|either, OP, BYTES", "bytes of the TCP stream so far", (*builder).streamSize),
	}
	for _, d := range []struct {
		suffix, words string
		get           func(n *[2]uint64, d packet.Direction) uint64
	}{
		{"_toserver", " to the server", func(n *[2]uint64, _ packet.Direction) uint64 { return n[packet.ToServer] }},
		{"_toclient", " to the client", func(n *[2]uint64, _ packet.Direction) uint64 { return n[packet.ToClient] }},
	} {
		out = append(out,
			k("flow.pkts"+d.suffix, "NUMBER", "packets of the flow so far"+d.words, flowNumber(func(f *flow.Flow, _ int64, dir packet.Direction) uint64 { return d.get(&f.Packets, dir) })),
			k("flow.bytes"+d.suffix, "NUMBER", "bytes of the flow so far"+d.words, flowNumber(func(f *flow.Flow, _ int64, dir packet.Direction) uint64 { return d.get(&f.Bytes, dir) })))
	}
	return append(out,
		k("flow.pkts", "toserver|toclient|either|both, NUMBER", "packets of the flow so far", (*builder).flowPackets),
		k("flow.bytes", "toserver|toclient|either|both, NUMBER", "bytes of the flow so far", (*builder).flowBytes))
}

func (b *builder) flow(_, value syntax.Token) error {
	b.sawFlow = true
	for _, t := range value.Split(',') {
		if err := b.flowWord(t); err != nil {
			return err
		}
	}
	// A direction alone, or fragments alone, can be told of a packet without a
	// flow as well: such packets count as going to the server.
	if alone := len(value.Split(',')) == 1; !alone || b.rule.dirs == protocol.BothWays && b.rule.needs&(needFragment|needNoFragment) == 0 {
		b.rule.needs |= needFlow
	}
	if b.rule.needs&needEstablished != 0 && b.rule.needs&needNotEstablished != 0 {
		return fail(value, "established and not_established together", "keep one of them")
	}
	return nil
}

func (b *builder) flowWord(t syntax.Token) error {
	set := func(d protocol.Dirs) error {
		if b.rule.dirs != protocol.BothWays && b.rule.dirs != d {
			return fail(t, "two different directions", "keep to_server or to_client")
		}
		b.rule.dirs = d
		return nil
	}
	switch strings.ToLower(t.Text) {
	case "established":
		b.rule.needs |= needEstablished
	case "not_established":
		b.rule.needs |= needNotEstablished
	case "stateless":
	case "to_server", "from_client":
		return set(protocol.ToServerOnly)
	case "to_client", "from_server":
		return set(protocol.ToClientOnly)
	case "only_stream":
		b.onlyRaw, b.onlyRawAt = b.onlyRaw|inStream, t
	case "no_stream":
		b.onlyRaw, b.onlyRawAt = b.onlyRaw|inPacket, t
	case "only_frag":
		b.rule.needs |= needFragment
	case "no_frag":
		b.rule.needs |= needNoFragment
	default:
		return fail(t, "unknown flow option %q", didYouMean(t.Text, []string{"established", "not_established", "stateless", "to_server", "to_client", "from_server", "from_client", "only_stream", "no_stream", "only_frag", "no_frag"}), t.Text)
	}
	if b.onlyRaw == inStream|inPacket {
		return fail(t, "only_stream and no_stream together", "keep one of them")
	}
	return nil
}

// flowCheck compares a number of the flow.
type flowCheck struct {
	get  func(f *flow.Flow, now int64, d packet.Direction) uint64
	want number.Test
}

func (k *flowCheck) holds(_ *Inspector, c *Context) bool {
	return c.Flow != nil && k.want.Match(k.get(c.Flow, c.Now, c.Dir))
}

func flowNumber(get func(f *flow.Flow, now int64, d packet.Direction) uint64) func(*builder, syntax.Token, syntax.Token) error {
	return func(b *builder, name, value syntax.Token) error {
		t, err := number.Parse(value.Text, 64, nil)
		if err != nil {
			return fail(value, "%s: %s", "", name.Text, err.Error())
		}
		b.check(&flowCheck{get, t})
		b.rule.needs |= needFlow
		return nil
	}
}

// sides is a check of a number of each direction.
type sides struct {
	get          func(f *flow.Flow) *[2]uint64
	want         number.Test
	server       bool
	client, both bool
}

func (k *sides) holds(_ *Inspector, c *Context) bool {
	if c.Flow == nil {
		return false
	}
	n := k.get(c.Flow)
	server, client := k.want.Match(n[packet.ToServer]), k.want.Match(n[packet.ToClient])
	switch {
	case k.both:
		return server && client
	case k.server && k.client:
		return server || client
	case k.server:
		return server
	}
	return client
}

func (k *sides) direction(t syntax.Token) error {
	switch strings.ToLower(t.Text) {
	case "toserver", "client":
		k.server = true
	case "toclient", "server":
		k.client = true
	case "either":
		k.server, k.client = true, true
	case "both":
		k.both = true
	default:
		return fail(t, "unknown direction %q", "write toserver, toclient, either or both", t.Text)
	}
	return nil
}

func (b *builder) sidesNumber(name, value syntax.Token, get func(f *flow.Flow) *[2]uint64) error {
	dir, rest, ok := value.Cut(',')
	if !ok {
		return fail(value, "%s needs a direction and a number", "write "+name.Text+":toserver,>10", name.Text)
	}
	k := &sides{get: get}
	if err := k.direction(dir); err != nil {
		return err
	}
	var err error
	if k.want, err = number.Parse(rest.Text, 64, nil); err != nil {
		return fail(rest, "%s: %s", "", name.Text, err.Error())
	}
	b.check(k)
	b.rule.needs |= needFlow
	return nil
}

func (b *builder) flowPackets(name, value syntax.Token) error {
	return b.sidesNumber(name, value, func(f *flow.Flow) *[2]uint64 { return &f.Packets })
}

func (b *builder) flowBytes(name, value syntax.Token) error {
	return b.sidesNumber(name, value, func(f *flow.Flow) *[2]uint64 { return &f.Bytes })
}

// streamSize is "server,>,100": server counts what the server sent.
func (b *builder) streamSize(name, value syntax.Token) error {
	p := value.Split(',')
	if len(p) != 3 {
		return fail(value, "stream_size needs a side, a comparison and a number", "write stream_size:client,>,100")
	}
	k := &sides{get: func(f *flow.Flow) *[2]uint64 { return &f.StreamBytes }}
	switch p[0].Text {
	case "server", "client", "either", "both":
	default:
		return fail(p[0], "unknown side %q", "write server, client, either or both", p[0].Text)
	}
	if err := k.direction(p[0]); err != nil {
		return err
	}
	var err error
	if k.want, err = number.Parse(p[1].Text+p[2].Text, 64, nil); err != nil {
		return fail(p[1], "%s: %s", "", name.Text, err.Error())
	}
	b.check(k)
	b.hasSize = true
	b.rule.needs |= needFlow
	return nil
}

// elephantBytes is the size from which a flow is an elephant, both directions
// counted by themselves.
const elephantBytes = 100 << 20

func (b *builder) flowElephant(_, value syntax.Token) error {
	k := &sides{get: func(f *flow.Flow) *[2]uint64 { return &f.Bytes }}
	if err := k.direction(value); err != nil {
		return err
	}
	var err error
	if k.want, err = number.Parse(">="+itoa(elephantBytes), 64, nil); err != nil {
		return fail(value, "%s", "", err.Error())
	}
	b.check(k)
	b.rule.needs |= needFlow
	return nil
}
