package rule

import (
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func eventKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "event", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("decode-event", "NAME", "the decoder found this wrong (ipv4.pkt_too_small)", (*builder).decodeEvent),
		k("stream-event", "NAME", "the stream engine found this wrong (3whs_ack_in_wrong_dir)", (*builder).streamEvent),
		k("engine-event", "NAME", "decode-event or stream-event, the old way", (*builder).engineEvent),
		k("app-layer-event", "PROTOCOL.NAME", "the protocol's parser found this wrong", (*builder).appEvent),
		k("app-layer-protocol", "[!]NAME[, final|either|both|to_server|to_client|original]", "protocol of the flow", (*builder).appProtocol),
		k("app-layer-state", "COMPARISON HOOK", "how far the transaction has come", (*builder).appState),
	}
}

type decodeEvent packet.Event

func (k decodeEvent) holds(_ *Inspector, c *Context) bool {
	return c.Packet.Events.Has(packet.Event(k))
}

type streamEvent flow.StreamEvent

func (k streamEvent) holds(_ *Inspector, c *Context) bool {
	return c.Outcome.Events.Has(flow.StreamEvent(k))
}

func (b *builder) decodeEvent(_, value syntax.Token) error {
	name := strings.ToLower(value.Unquote().Text)
	e, ok := packet.EventByName(name)
	if !ok {
		return fail(value, "unknown decoder event %q", didYouMean(name, packet.EventNames()), name)
	}
	b.check(decodeEvent(e))
	b.rule.needs |= needDecoder
	b.needsPkt, b.decode = true, true
	return nil
}

func (b *builder) streamEvent(_, value syntax.Token) error {
	name := strings.TrimPrefix(strings.ToLower(value.Unquote().Text), "stream.")
	e, ok := flow.StreamEventByName(name)
	if !ok {
		return fail(value, "unknown stream event %q", didYouMean(name, flow.StreamEventNames[:]), name)
	}
	b.check(streamEvent(e))
	b.needsPkt = true
	return nil
}

func (b *builder) engineEvent(name, value syntax.Token) error {
	if strings.HasPrefix(strings.ToLower(value.Text), "stream.") {
		return b.streamEvent(name, value)
	}
	return b.decodeEvent(name, value)
}

// appLayerEvent is an event of protocol detection.
type appLayerEvent uint8

func (k appLayerEvent) holds(_ *Inspector, c *Context) bool { return c.AppEvents.Has(uint8(k)) }

// eventAliases are other names of events that rules in the wild use.
var eventAliases = map[string]string{"not_a_request": "not_request", "not_a_response": "not_response"}

func (b *builder) appEvent(name, value syntax.Token) error {
	text := strings.ToLower(value.Unquote().Text)
	proto, event, dotted := strings.Cut(text, ".")
	if e, ok := eventAliases[event]; ok {
		event = e
	}
	if i := slices.Index(protocol.DetectionEvents(), text); i >= 0 {
		b.check(appLayerEvent(i))
		b.needsPkt = true
		return nil
	}
	ids := b.c.protocolIDs(proto)
	if len(ids) == 0 {
		return fail(value, "unknown protocol %q in an event", didYouMean(proto, b.c.protocolNames()), proto)
	}
	if !dotted {
		return b.anyEvent(name, ids)
	}
	var all []string
	for _, id := range ids {
		spec := b.c.spec(id)
		if spec == nil {
			continue
		}
		if i := slices.Index(spec.Events, event); i >= 0 {
			return b.addStep(name, step{kind: stepEvent, dirs: protocol.BothWays, event: uint8(i)}, []protocol.ID{id})
		}
		all = append(all, spec.Events...)
	}
	return fail(value, "%s knows no event %q", didYouMean(event, all), proto, event)
}

// anyEvent matches any event of a protocol, as app-layer-event:http does.
func (b *builder) anyEvent(name syntax.Token, ids []protocol.ID) error {
	test := func(tx protocol.Tx, _ packet.Direction) bool { return !tx.Inspection().Events.Empty() }
	return b.addStep(name, step{kind: stepTest, dirs: protocol.BothWays, test: test}, ids)
}

// appProtocol compares the protocol of a flow.
type appProtocol struct {
	apps appSet
	not  bool
	mode appMode
}

type appMode uint8

const (
	appEitherDir appMode = iota // of this direction, as agreed
	appFinal
	appEither
	appBoth
	appToServer
	appToClient
	appOriginal
)

func (k *appProtocol) holds(_ *Inspector, c *Context) bool {
	f := c.Flow
	if f == nil {
		return false
	}
	has := func(id protocol.ID) (match, known bool) {
		if id == protocol.Unknown {
			return false, false
		}
		return k.apps&(1<<id) != 0, true
	}
	server, knownServer := has(f.AppDir[packet.ToServer])
	client, knownClient := has(f.AppDir[packet.ToClient])
	var match, known bool
	switch k.mode {
	case appFinal:
		final := f.App
		if f.AppOriginal != protocol.Unknown && f.AppDir[c.Dir] == f.AppOriginal {
			final = f.AppOriginal // this direction has not seen the switch yet
		}
		match, known = has(final)
	case appOriginal:
		match, known = has(f.AppOriginal)
	case appEither:
		match, known = server || client, knownServer || knownClient
		if k.not {
			return (knownServer && !server) || (knownClient && !client)
		}
	case appBoth:
		match, known = server && client, knownServer && knownClient
		if k.not {
			return known && !server && !client
		}
	case appToServer:
		match, known = server, knownServer
	case appToClient:
		match, known = client, knownClient
	default:
		match, known = has(f.App)
		if c.Dir == packet.ToServer && knownServer {
			match, known = server || match, true
		}
		if c.Dir == packet.ToClient && knownClient {
			match, known = client || match, true
		}
	}
	return known && match != k.not
}

var appModes = map[string]appMode{
	"final": appFinal, "either": appEither, "both": appBoth, "to_server": appToServer, "toserver": appToServer,
	"to_client": appToClient, "toclient": appToClient, "original": appOriginal,
}

func (b *builder) appProtocol(name, value syntax.Token) error {
	if b.appsHere != 0 {
		return fail(name, "app-layer-protocol in a rule that is of one protocol already", "take it away, or write tcp, udp or ip in the header")
	}
	t, mode, has := value.Unquote().Cut(',')
	t, not := t.Not()
	k := &appProtocol{not: not}
	switch name := strings.ToLower(t.Text); name {
	case "unknown":
		return fail(t, "app-layer-protocol cannot ask for unknown", "write failed for what was looked at and not known")
	case "failed":
		k.apps = 1 << protocol.Failed
	default:
		ids := b.c.protocolIDs(name)
		if len(ids) == 0 {
			return fail(t, "unknown protocol %q", didYouMean(name, b.c.protocolNames()), name)
		}
		k.apps = appsOf(ids)
	}
	if has {
		var ok bool
		if k.mode, ok = appModes[mode.Text]; !ok {
			return fail(mode, "unknown mode %q", "write final, either, both, to_server, to_client or original", mode.Text)
		}
	}
	b.check(k)
	b.rule.needs |= needFlow
	b.needsPkt = true
	return nil
}

// appState is ">response_headers": the transaction has come so far.
func (b *builder) appState(name, value syntax.Token) error {
	text := strings.TrimSpace(value.Unquote().Text)
	op := text[:len(text)-len(strings.TrimLeft(text, "<>=!"))]
	hook := strings.TrimSpace(text[len(op):])
	for _, id := range b.c.appsIn(b.appsHere) {
		spec := b.c.spec(id)
		if spec == nil {
			continue
		}
		stage, ok := spec.RuleHooks()[hook]
		if !ok {
			continue
		}
		dirs := hookDirs(hook)
		test := stageTest(op, stage)
		if test == nil {
			return fail(value, "unknown comparison %q", "write =, >, >=, < or <=", op)
		}
		return b.addStep(name, step{kind: stepTest, dirs: dirs, test: test}, []protocol.ID{id})
	}
	return fail(value, "%q is no state of the rule's protocol", "see `rules keywords`", hook)
}

func stageTest(op string, want protocol.Stage) protocol.Test {
	switch op {
	case "", "=":
		return func(tx protocol.Tx, d packet.Direction) bool { return tx.Stage(d) == want }
	case ">":
		return func(tx protocol.Tx, d packet.Direction) bool { return tx.Stage(d) > want }
	case ">=":
		return func(tx protocol.Tx, d packet.Direction) bool { return tx.Stage(d) >= want }
	case "<":
		return func(tx protocol.Tx, d packet.Direction) bool { return tx.Stage(d) < want }
	case "<=":
		return func(tx protocol.Tx, d packet.Direction) bool { return tx.Stage(d) <= want }
	}
	return nil
}

// hookDirs is the direction that a hook's name tells.
func hookDirs(hook string) protocol.Dirs {
	switch {
	case strings.HasPrefix(hook, "request"), strings.HasPrefix(hook, "client"), strings.HasPrefix(hook, "to_server"):
		return protocol.ToServerOnly
	case strings.HasPrefix(hook, "response"), strings.HasPrefix(hook, "server"), strings.HasPrefix(hook, "to_client"):
		return protocol.ToClientOnly
	}
	return protocol.BothWays
}
