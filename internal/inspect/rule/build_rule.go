package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

var actions = map[string]Action{
	"alert": ActionAlert, "pass": ActionPass, "drop": ActionDrop, "reject": ActionReject, "rejectsrc": ActionReject,
	"rejectdst": ActionRejectDst, "rejectboth": ActionRejectBoth, "config": ActionConfig,
}

// compile turns the rule's tokens into b.rule and b.meta.
func (b *builder) compile() error {
	b.rule.dirs = protocol.BothWays
	var ok bool
	if b.rule.action, ok = actions[b.src.Action.Text]; !ok {
		names := []string{"alert", "pass", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "config"}
		return fail(b.src.Action, "unknown action %q", didYouMean(b.src.Action.Text, names), b.src.Action.Text)
	}
	b.meta.Action = b.rule.action
	if err := b.proto(b.src.Proto); err != nil {
		return err
	}
	// Requirements come first: a rule that is not for this engine may use
	// words that it does not know.
	for i := range b.src.Options {
		if o := &b.src.Options[i]; o.Name.Text == "requires" {
			if err := b.requires(o.Name, o.Value); err != nil || b.skipped {
				return err
			}
		}
	}
	var err error
	if b.rule.header, b.negated, err = b.c.headers.add(b.src); err != nil {
		return err
	}
	b.rule.twoWay = b.src.Arrow.Text == "=>"
	for i := range b.src.Options {
		b.c.option = i
		if err := b.keyword(&b.src.Options[i]); err != nil {
			return err
		}
	}
	return b.finish()
}

func (b *builder) keyword(o *syntax.Option) error {
	k := b.c.keywords.find(o.Name.Text)
	if k == nil {
		return fail(o.Name, "unknown keyword %q", didYouMean(o.Name.Text, b.c.keywords.names), o.Name.Text)
	}
	switch {
	case k.arg == argMust && (!o.HasValue || o.Value.Text == ""):
		return fail(o.Name, "%s lacks its argument", "write "+k.name+":"+strings.ReplaceAll(k.use, "%", "%%"), o.Name.Text)
	case k.arg == argNone && o.HasValue && o.Value.Text != "":
		return fail(o.Value, "%s takes no argument", "write "+k.name+";", o.Name.Text)
	}
	if err := k.checkQuotes(o); err != nil {
		return err
	}
	b.notePacket(k, o.Name)
	return k.run(b, o.Name, o.Value)
}

// proto reads the protocol of the header and its hook ("http1:request_line").
func (b *builder) proto(t syntax.Token) error {
	name, hook, hooked := t.Cut(':')
	b.rule.over = overAnyIP
	switch text := strings.ToLower(name.Text); text {
	case "tcp":
		b.rule.over = overTCP
	case "tcp-pkt":
		b.rule.over, b.onlyRaw, b.onlyRawAt = overTCP, inPacket, t
	case "tcp-stream":
		b.rule.over, b.onlyRaw, b.onlyRawAt = overTCP, inStream, t
	case "udp":
		b.rule.over = overUDP
	case "icmp":
		b.rule.over = overICMP4 | overICMP6
	case "icmpv4":
		b.rule.over = overICMP4
	case "icmpv6":
		b.rule.over = overICMP6
	case "sctp":
		b.rule.over = overSCTP
	case "esp":
		b.rule.over = overESP
	case "ah":
		b.rule.over = overAH
	case "gre":
		b.rule.over = overGRE
	case "igmp":
		b.check(&packetCheck{ip(func(p *packet.Packet) uint64 { return uint64(p.Proto) }), number.Equal(2)})
	case "ip", "any":
	case "ipv4", "ip4":
		b.rule.ipVersion = 4
	case "ipv6", "ip6":
		b.rule.ipVersion = 6
	case "pkthdr":
		b.rule.over, b.needsPkt = overAnyIP|overNothing, true
	case "arp", "ether":
		b.rule.over, b.needsPkt = overNothing, true
	default:
		return b.appHeader(name, text, hook, hooked)
	}
	if hooked {
		return b.packetHook(hook)
	}
	return nil
}

func (b *builder) packetHook(t syntax.Token) error {
	switch t.Text {
	case "flow_start":
		b.rule.needs |= needFlowStart | needFlow
		b.needsPkt = true
	case "pre_flow", "pre_stream", "all":
		b.needsPkt = true
	default:
		return fail(t, "unknown hook %q", "write flow_start, pre_flow, pre_stream or all", t.Text)
	}
	return nil
}

func (b *builder) appHeader(t syntax.Token, name string, hook syntax.Token, hooked bool) error {
	ids := b.c.protocolIDs(name)
	if len(ids) == 0 {
		names := append([]string{"tcp", "tcp-pkt", "tcp-stream", "udp", "ip", "icmp", "icmpv6", "igmp", "sctp", "pkthdr"}, b.c.protocolNames()...)
		return fail(t, "unknown protocol %q", didYouMean(name, names), name)
	}
	b.appsHere = appsOf(ids)
	b.rule.over = 0
	for _, id := range ids {
		s := b.c.spec(id)
		if s == nil {
			b.rule.over |= overTCP | overUDP
			continue
		}
		if s.Transport&protocol.OverTCP != 0 {
			b.rule.over |= overTCP
		}
		if s.Transport&protocol.OverUDP != 0 {
			b.rule.over |= overUDP
		}
	}
	b.rule.needs |= needFlow
	if !hooked {
		return nil
	}
	for _, id := range ids {
		s := b.c.spec(id)
		if s == nil {
			continue
		}
		if stage, ok := s.RuleHooks()[hook.Text]; ok {
			return b.addStep(hook, step{kind: stepStage, stage: stage, dirs: hookDirs(hook.Text)}, []protocol.ID{id})
		}
	}
	var names []string
	for _, id := range ids {
		if s := b.c.spec(id); s != nil {
			for n := range s.RuleHooks() {
				names = append(names, n)
			}
		}
	}
	return fail(hook, "unknown hook %q", didYouMean(hook.Text, names), hook.Text)
}

// check adds a cheap test.
func (b *builder) check(k check) { b.rule.checks = append(b.rule.checks, k) }

// limitApps keeps the protocols of both sets.
func (b *builder) limitApps(t syntax.Token, s appSet) error {
	if s == 0 {
		return nil
	}
	if b.appsHere == 0 {
		b.appsHere = s
		return nil
	}
	const both = appSet(1 << protocol.DOH2)
	meet := b.appsHere & s
	if meet == 0 || meet == both && b.appsHere != both && s != both { // DNS and HTTP meet only in a rule that says doh2
		return fail(t, "%s does not go with the rule's protocol", "take a header or keywords of one protocol", t.Text)
	}
	b.appsHere = meet
	return nil
}

// addStep adds a test of the transaction that is no buffer.
func (b *builder) addStep(name syntax.Token, s step, on []protocol.ID) error {
	if err := b.limitApps(name, appsOf(on)); err != nil {
		return err
	}
	if b.mixed.Text == "" {
		b.mixed = name
	}
	b.steps = append(b.steps, s)
	return nil
}

// finish joins the buffers into steps and decides where the rule is looked at.
func (b *builder) finish() error {
	if b.wanted != nil && (b.wanted.kind == useField || b.wanted.kind == useFrame) {
		return fail(b.wanted.at, "nothing is asked of the buffer %q", `write a content, pcre, bsize … behind it`, b.wanted.at.Text)
	}
	for i := len(b.uses) - 1; i >= 0; i-- {
		if u := b.uses[i]; u.kind == useBase64 {
			u.parent.ops[u.index].Sub = u.ops
		}
	}
	for _, u := range b.uses {
		if err := b.finishUse(u); err != nil {
			return err
		}
	}
	b.rule.apps = b.appsHere
	b.rule.steps = append(b.rule.steps, b.steps...)
	if err := b.classify(); err != nil {
		return err
	}
	if err := b.parsed(); err != nil {
		return err
	}
	return b.together()
}

// parsed refuses a rule about protocols none of which is parsed here, when that
// is asked for: it could never match.
func (b *builder) parsed() error {
	apps := b.rule.apps
	if !b.c.o.OnlyParsed || apps == 0 && b.rule.class != classTx && b.rule.class != classFrame && b.rule.class != classApp {
		return nil
	}
	for i := range b.c.o.Specs {
		if apps.has(b.c.o.Specs[i].ID) {
			return nil
		}
	}
	return fail(b.src.Proto, "the protocol of this rule is not parsed here", "write a rule about the payload: alert tcp … (content:…)")
}

// program compiles the steps of one buffer.
func (b *builder) program(u *use) (*payload.Program, error) {
	for i := range u.ops {
		b.rule.shared = b.rule.shared || u.ops[i].Result != ""
	}
	p, err := payload.CompileWith(u.ops, payload.Options{Variables: &b.vars})
	if err != nil {
		at := u.at
		if at.Text == "" {
			at = b.src.Options[0].Name
		}
		return nil, fail(at, "%s", "", err.Error())
	}
	return p, nil
}

func (b *builder) finishUse(u *use) error {
	u.adapt()
	if len(u.ops) == 0 || u.kind == useBase64 {
		return nil
	}
	p, err := b.program(u)
	if err != nil {
		return err
	}
	switch u.kind {
	case usePayload:
		b.rule.payload = p
	case useHeader:
		if u.buffer == bufferSCTPData {
			b.check(&sctpDataCheck{p, u.chain})
		} else {
			b.check(&headerCheck{u.buffer, p, u.chain})
		}
	case useFrame:
		id := uint16(len(b.c.frames))
		for i, n := range b.c.frames {
			if n == u.frame {
				id = uint16(i)
			}
		}
		if int(id) == len(b.c.frames) {
			b.c.frames = append(b.c.frames, u.frame)
		}
		b.rule.steps = append(b.rule.steps, step{kind: stepFrame, frame: id, dirs: protocol.BothWays, program: p, chain: b.c.chain(u.chain)})
	case useField:
		f := u.spec
		s := step{kind: stepBytes, field: f.Field, stage: f.Stage, dirs: f.Dirs, multi: f.Multi, program: p, chain: b.c.chain(u.chain)}
		if f.Kind == protocol.KindStream {
			s.kind = stepStream
		}
		if err := b.limitApps(u.at, appsOf(f.On)); err != nil {
			return err
		}
		if b.mixed.Text == "" {
			b.mixed = u.at
		}
		b.rule.steps = append(b.rule.steps, s)
	}
	return nil
}

// classify decides the rule's class, its directions and where its payload is
// looked for.
func (b *builder) classify() error {
	r := &b.rule
	frames, fields := 0, 0
	for i := range r.steps {
		if r.steps[i].kind == stepFrame {
			frames++
		} else {
			fields++
		}
	}
	if b.decode {
		r.over |= overNothing
	}
	if frames > 0 && fields > 0 {
		return fail(b.mixed, "frames and transactions in one rule", "write two rules and join them with flowbits")
	}
	switch {
	case fields > 0:
		r.class = classTx
		return b.classifyTx()
	case frames > 0:
		r.class = classFrame
		r.needs |= needFlow
		return nil
	}
	r.class = classPacket
	if r.payload != nil {
		b.wherePayload()
	} else if b.onlyApp() {
		r.class = classApp
	} else if b.isIPOnly() {
		// With negated addresses Suricata looks at every packet, and so do
		// we: alerts shall be the same.
		if b.negated {
			r.anyPacket = true
		} else {
			r.class = classIPOnly
		}
	}
	return nil
}

func (b *builder) onlyApp() bool {
	found := false
	for _, k := range b.rule.checks {
		switch k.(type) {
		case *appProtocol:
			found = true
		case *bits:
		default:
			return false
		}
	}
	return found && len(b.rule.late) == 0
}

// isIPOnly says whether nothing but addresses and ports decides: such rules
// are looked at once for each direction of a flow.
func (b *builder) isIPOnly() bool {
	if b.needsPkt || b.sawFlow || b.appsHere != 0 || b.rule.needs != 0 || len(b.rule.late) > 0 {
		return false
	}
	for _, k := range b.rule.checks {
		switch k := k.(type) {
		case *bits:
			if k.kind == flowBit {
				return false
			}
		case *iprep, *packetCheck: // of the latter only ip_proto gets here
		default:
			return false
		}
	}
	return true
}

// wherePayload decides between packets and the stream.
func (b *builder) wherePayload() {
	r := &b.rule
	switch {
	case r.over&overTCP == 0 || b.onlyRaw == inPacket || b.onlyRaw == 0 && b.needsPkt:
		r.where = inPacket
	case b.onlyRaw == inStream:
		r.where = inStream
	default:
		r.where = inStream
		if b.fixedPlace() || b.hasSize {
			r.where |= inPacket
		}
	}
}

// fixedPlace says whether some content of the payload has offset or depth: it
// is then also looked for in each packet.
func (b *builder) fixedPlace() bool {
	for _, u := range b.uses {
		if u.kind != usePayload {
			continue
		}
		for i := range u.ops {
			o := &u.ops[i]
			if o.Kind == payload.Content && (o.Offset.Set || o.Depth.Set || o.StartsWith) {
				return true
			}
		}
	}
	return false
}

// classifyTx orders the steps by stage and finds the directions in which all
// of them can hold.
func (b *builder) classifyTx() error {
	r := &b.rule
	if r.payload != nil {
		r.steps = append(r.steps, step{kind: stepPayload, dirs: protocol.BothWays, program: r.payload})
		r.payload = nil
	}
	r.needs |= needFlow
	if !r.twoWay {
		for i := range r.steps {
			r.dirs &= r.steps[i].dirs
		}
		if r.dirs == 0 {
			return fail(b.mixed, "the rule's keywords are of different directions, so it could never match", "use => in the header, or two rules joined with flowbits")
		}
	}
	sortSteps(r.steps)
	return nil
}
