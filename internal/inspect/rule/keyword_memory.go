package rule

import (
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func memoryKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "memory", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("flowbits", "set|isset|isnotset|unset|toggle,NAME[|NAME…] or noalert", "marks of the flow", (*builder).flowbits),
		k("hostbits", "set|isset|isnotset|unset|toggle,NAME[,src|dst|both[,SECONDS]]", "marks of an address", (*builder).hostbits),
		k("xbits", "set|isset|isnotset|unset|toggle,NAME,track ip_src|ip_dst|ip_pair|tx[,expire SECONDS]", "marks of an address or a pair, with an end", (*builder).xbits),
		k("flowint", "NAME,+|-|=|>|<|>=|<=|==|!=,NUMBER|NAME or isset|isnotset|notset", "a number of the flow", (*builder).flowint),
		k("threshold", "type limit|threshold|both|backoff, track by_src|by_dst|by_rule|by_both|by_flow, count N, seconds S", "how often the rule is reported", (*builder).threshold),
		k("detection_filter", "track by_src|by_dst|by_rule|by_both|by_flow, count N, seconds S[, unique_on src_port|dst_port]", "the rule matches only after so many hits", (*builder).detectionFilter),
		k("tag", "session|host[, COUNT, packets|seconds|bytes[, src|dst]]", "records the packets that follow", (*builder).tag),
	}
}

// bitCommand is what is done with a mark.
type bitCommand uint8

const (
	bitSet bitCommand = iota
	bitUnset
	bitToggle
	bitIsSet
	bitIsNotSet
)

var bitCommands = map[string]bitCommand{"set": bitSet, "unset": bitUnset, "toggle": bitToggle, "isset": bitIsSet, "isnotset": bitIsNotSet}

// track is whom a mark or a count belongs to.
type track uint8

const (
	trackFlow track = iota
	trackSrc
	trackDst
	trackPair
	trackTx
	trackRule
)

// bits is a parsed flowbits, hostbits or xbits.
type bits struct {
	kind    bitKind
	space   memory.Space
	command bitCommand
	ids     []uint32 // any of them
	track   track
	expire  uint32 // seconds
}

type bitKind uint8

const (
	flowBit bitKind = iota
	hostBit
	crossBit
)

// tests says whether the command asks rather than changes.
func (k *bits) tests() bool { return k.command >= bitIsSet }

// addBits puts marks into the rule: tests before its buffers, changes behind.
func (b *builder) addBits(k *bits) {
	if k.tests() {
		b.check(k)
		return
	}
	b.rule.effects = append(b.rule.effects, k)
}

func (b *builder) bitNames(k *bits, t syntax.Token, lists bool) error {
	for _, n := range t.Split('|') {
		if n.Text == "" || strings.ContainsAny(n.Text, " \t") {
			return fail(t, "%q is no name for a mark", "use a name without blanks", t.Text)
		}
		k.ids = append(k.ids, b.c.names.Number(k.space, strings.Clone(n.Text)))
	}
	if len(k.ids) > 1 && !lists {
		return fail(t, "several names in one", "write one keyword for each")
	}
	if len(k.ids) == 0 {
		return fail(t, "the name is missing", "")
	}
	return nil
}

func (b *builder) bitCommand(k *bits, t syntax.Token) error {
	var ok bool
	if k.command, ok = bitCommands[strings.ToLower(t.Text)]; !ok {
		return fail(t, "unknown command %q", "write set, unset, toggle, isset or isnotset", t.Text)
	}
	return nil
}

func (b *builder) flowbits(_, value syntax.Token) error {
	p := value.Unquote().Split(',')
	if len(p) == 1 && strings.EqualFold(p[0].Text, "noalert") {
		b.rule.quiet = true
		return nil
	}
	if len(p) != 2 {
		return fail(value, "flowbits needs a command and a name", "write flowbits:set,NAME or flowbits:noalert")
	}
	k := &bits{kind: flowBit}
	if err := b.bitCommand(k, p[0]); err != nil {
		return err
	}
	b.rule.needs |= needFlow
	if err := b.bitNames(k, p[1], true); err != nil {
		return err
	}
	b.addBits(k)
	return nil
}

func (b *builder) hostbits(_, value syntax.Token) error {
	p := value.Unquote().Split(',')
	if len(p) == 1 && strings.EqualFold(p[0].Text, "noalert") {
		b.rule.quiet = true
		return nil
	}
	if len(p) < 2 || len(p) > 4 {
		return fail(value, "hostbits needs a command, a name, perhaps src or dst, and perhaps seconds", "write hostbits:set,NAME,src,300")
	}
	k := &bits{kind: hostBit, space: memory.SpaceHost, track: trackSrc, expire: memory.HostBitSeconds}
	if err := b.bitCommand(k, p[0]); err != nil {
		return err
	}
	if err := b.bitNames(k, p[1], false); err != nil {
		return err
	}
	if len(p) == 4 {
		var ok bool
		if k.expire, ok = parseUint32(p[3].Text); !ok || k.expire == 0 {
			return fail(p[3], "%q is no number of seconds", "write hostbits:set,NAME,src,300", p[3].Text)
		}
	}
	if len(p) >= 3 {
		switch p[2].Text {
		case "src":
		case "dst":
			k.track = trackDst
		case "both":
			k.track = trackPair
		default:
			return fail(p[2], "unknown side %q", "write src, dst or both", p[2].Text)
		}
	}
	b.addBits(k)
	return nil
}

func (b *builder) xbits(_, value syntax.Token) error {
	p := value.Unquote().Split(',')
	if len(p) == 1 && strings.EqualFold(p[0].Text, "noalert") {
		b.rule.quiet = true
		return nil
	}
	if len(p) < 3 || len(p) > 4 {
		return fail(value, "xbits needs a command, a name and whom it is of", "write xbits:set,NAME,track ip_src,expire 60")
	}
	k := &bits{kind: crossBit, space: memory.SpaceHost, expire: memory.XBitSeconds}
	if err := b.bitCommand(k, p[0]); err != nil {
		return err
	}
	switch strings.Join(strings.Fields(p[2].Text), " ") {
	case "track ip_src":
		k.track = trackSrc
	case "track ip_dst":
		k.track = trackDst
	case "track ip_pair":
		k.track, k.space = trackPair, memory.SpacePair
	case "track tx":
		k.track, k.space = trackTx, memory.SpaceTx
	default:
		return fail(p[2], "unknown %q", "write track ip_src, track ip_dst, track ip_pair or track tx", p[2].Text)
	}
	if len(p) == 4 {
		word, rest, _ := strings.Cut(p[3].Text, " ")
		n, ok := parseUint(rest, 32)
		if word != "expire" || !ok || n == 0 {
			return fail(p[3], "unknown %q", "write expire SECONDS", p[3].Text)
		}
		k.expire = uint32(n)
	}
	if err := b.bitNames(k, p[1], false); err != nil {
		return err
	}
	b.addBits(k)
	return nil
}

// flowint is one operation on a number of the flow.
type flowint struct {
	id    uint32
	op    intOp
	other uint32 // id of another number, when fromVar
	n     uint32
	from  bool // compare with or add other
}

type intOp uint8

const (
	intAdd intOp = iota
	intSub
	intAssign
	intLess
	intLessEqual
	intEqual
	intNotEqual
	intGreater
	intGreaterEqual
	intIsSet
	intIsNotSet
)

var intOps = map[string]intOp{"+": intAdd, "-": intSub, "=": intAssign, "<": intLess, "<=": intLessEqual, "==": intEqual,
	"!=": intNotEqual, ">": intGreater, ">=": intGreaterEqual, "isset": intIsSet, "notset": intIsNotSet, "isnotset": intIsNotSet}

func (b *builder) flowint(_, value syntax.Token) error {
	p := value.Unquote().Split(',')
	if len(p) < 2 || len(p) > 3 || p[0].Text == "" {
		return fail(value, "flowint needs a name, an operator and a number", "write flowint:NAME,+,1 or flowint:NAME,isset")
	}
	k := &flowint{id: b.c.names.Number(memory.SpaceCounter, strings.Clone(p[0].Text))}
	var ok bool
	if k.op, ok = intOps[strings.ToLower(p[1].Text)]; !ok {
		return fail(p[1], "unknown operator %q", "write +, -, =, <, <=, ==, !=, >, >=, isset or isnotset", p[1].Text)
	}
	if plain := k.op >= intIsSet; plain != (len(p) == 2) {
		return fail(value, "the operator %s and the number do not go together", "", p[1].Text)
	}
	if len(p) == 3 {
		n, good := parseUint(p[2].Text, 32)
		k.n = uint32(n)
		if !good {
			if !isName(p[2].Text) {
				return fail(p[2], "%q is neither a number nor a name", "", p[2].Text)
			}
			k.other, k.from = b.c.names.Number(memory.SpaceCounter, strings.Clone(p[2].Text)), true
		}
	}
	b.rule.needs |= needFlow
	b.rule.late = append(b.rule.late, k)
	return nil
}

var limitKinds = map[string]memory.ThresholdKind{"limit": memory.KindLimit, "threshold": memory.KindThreshold, "both": memory.KindBoth, "backoff": memory.KindBackoff}

var uniqueOn = map[string]memory.Unique{"src_port": memory.UniqueSrcPort, "dst_port": memory.UniqueDstPort}

var limitTracks = map[string]memory.Track{"by_src": memory.TrackSrc, "by_dst": memory.TrackDst, "by_both": memory.TrackBoth, "by_rule": memory.TrackRule, "by_flow": memory.TrackFlow}

func (b *builder) threshold(name, value syntax.Token) error {
	if len(b.limits) > 0 {
		return fail(name, "a second limit of the rule", "keep one threshold or detection_filter")
	}
	l, err := parseLimit(value, false)
	b.limits = append(b.limits, l)
	return err
}

func (b *builder) detectionFilter(name, value syntax.Token) error {
	if len(b.limits) > 0 {
		return fail(name, "a second limit of the rule", "keep one threshold or detection_filter")
	}
	l, err := parseLimit(value, true)
	if l.Unique != memory.UniqueNone && b.rule.over&^(overTCP|overUDP|overSCTP) != 0 {
		return fail(value, "unique_on counts ports, and the rule is not of a protocol with ports", "write tcp, udp or sctp in the header")
	}
	b.limits = append(b.limits, l)
	return err
}

// parseLimit reads "type limit, track by_src, count 1, seconds 60".
func parseLimit(value syntax.Token, filter bool) (memory.Threshold, error) {
	l := memory.Threshold{Multiplier: 10}
	must := []string{"type", "track", "count", "seconds"}
	if filter {
		l.Kind, must = memory.KindDetection, must[1:]
	}
	var seen []string
	for _, t := range value.Unquote().Split(',') {
		word, rest, _ := strings.Cut(t.Text, " ")
		rest = strings.TrimSpace(rest)
		ok := !slices.Contains(seen, word)
		var known bool
		switch seen = append(seen, word); word {
		case "type":
			l.Kind, known = limitKinds[rest]
			known = known && !filter
		case "track":
			l.Track, known = limitTracks[rest]
		case "count":
			l.Count, known = parseUint32(rest)
		case "seconds":
			l.Seconds, known = parseUint32(rest)
		case "multiplier":
			l.Multiplier, known = parseUint32(rest)
			known = known && l.Kind == memory.KindBackoff && l.Multiplier > 0
		case "unique_on":
			l.Unique, known = uniqueOn[rest]
			known = known && filter
		}
		if !ok || !known {
			return l, fail(t, "unknown part %q", "write type limit, track by_src, count 1, seconds 60", t.Text)
		}
	}
	for _, w := range must {
		if !slices.Contains(seen, w) && !(w == "seconds" && l.Kind == memory.KindBackoff && slices.Contains(seen, "multiplier")) {
			return l, fail(value, "%s is missing", "write type limit, track by_src, count 1, seconds 60", w)
		}
	}
	if l.Count == 0 {
		return l, fail(value, "count 0", "count from 1 on")
	}
	if filter && l.Seconds == 0 {
		return l, fail(value, "seconds 0", "write a window of 1 second or more")
	}
	if l.Kind == memory.KindBackoff && l.Track != memory.TrackFlow {
		return l, fail(value, "backoff counts by flow only", "write type backoff, track by_flow, count 1, multiplier 10")
	}
	return l, nil
}

func parseUint32(s string) (uint32, bool) {
	n, ok := parseUint(s, 32)
	return uint32(n), ok
}

// tagging asks for packets to be recorded after a match.
type tagging memory.Tag

var tagUnits = map[string]memory.TagUnit{"packets": memory.TagPackets, "seconds": memory.TagSeconds, "bytes": memory.TagBytes}

func (b *builder) tag(_, value syntax.Token) error {
	p := value.Unquote().Split(',')
	if len(p) == 0 || p[0].Text != "session" && p[0].Text != "host" {
		return fail(value, "tag needs session or host", "write tag:session,10,packets")
	}
	k := &tagging{Amount: 256, Host: p[0].Text == "host"}
	if len(p) > 1 {
		var ok, known bool
		k.Amount, ok = parseUint32(p[1].Text)
		if len(p) > 2 {
			k.Unit, known = tagUnits[p[2].Text]
		}
		if !ok || !known {
			return fail(value, "tag needs a number and packets, seconds or bytes", "write tag:session,10,packets")
		}
	}
	for _, t := range p[min(3, len(p)):] {
		if t.Text != "src" && t.Text != "dst" || !k.Host {
			return fail(t, "unknown option %q", "write tag:host,10,packets,src", t.Text)
		}
		k.Dst = t.Text == "dst"
	}
	b.rule.effects = append(b.rule.effects, k)
	return nil
}
