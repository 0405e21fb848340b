package rule

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// applicationKeywords are those of applications without a parser of their
// own, and those that steer the rule as a whole.
func applicationKeywords() []keyword {
	plain := func(name, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "rule", arg: argNone, doc: doc, run: run}
	}
	return []keyword{
		plain("noalert", "the rule acts and is not reported", func(b *builder, _, _ syntax.Token) error { b.rule.quiet = true; return nil }),
		plain("alert", "the rule is reported (also behind a noalert of flowbits)", func(b *builder, _, _ syntax.Token) error { b.rule.quiet = false; return nil }),
		plain("prefilter", "the keyword before it decides whether the rule is looked at", (*builder).prefilterHint),
		plain("bypass", "nothing more of the flow is inspected", (*builder).bypass),
		{name: "config", family: "rule", use: "logging disable, type TYPE, scope SCOPE", doc: "in config rules: what is not to be logged", run: (*builder).configure},
		plain("ftpbounce", "an FTP PORT command names another address than the client's", (*builder).ftpBounce),
		{name: "rpc", family: "rpc", use: "PROGRAM, VERSION|*, PROCEDURE|*", doc: "a call of ONC RPC", run: (*builder).rpc},
		{name: "urilen", family: "http", use: "NUMBER or comparison[, norm|raw]", doc: "length of the request target", run: (*builder).uriLen},
	}
}

func (b *builder) prefilterHint(name, _ syntax.Token) error {
	if len(b.rule.checks) == 0 && len(b.uses) == 0 && len(b.steps) == 0 {
		return fail(name, "prefilter has no keyword before it", "write it behind the keyword it means")
	}
	if b.lastUse != nil && b.lastAny == b.lastUse {
		b.lastUse.ops[b.lastOp].FastPattern = true
	}
	return nil
}

// bypassFlow ends inspection of the flow.
type bypassFlow struct{}

func (bypassFlow) apply(in *Inspector, _ *Context, _ protocol.Tx) { in.verdict.Bypass = true }

func (b *builder) bypass(_, _ syntax.Token) error {
	b.rule.effects = append(b.rule.effects, bypassFlow{})
	return nil
}

func (b *builder) uriLen(name, value syntax.Token) error {
	size, kind, has := value.Unquote().Cut(',')
	field := "http.uri"
	if has && strings.EqualFold(kind.Text, "raw") {
		field = "http.uri.raw"
	} else if has && !strings.EqualFold(kind.Text, "norm") {
		return fail(kind, "unknown option %q", "write norm or raw", kind.Text)
	}
	spec := b.c.fields[field]
	if spec == nil {
		return fail(name, "urilen needs HTTP, which is not loaded", "")
	}
	op, err := sizeOp(size, 16)
	if err != nil {
		return err
	}
	if w := b.wanted; w != nil && w.kind == useField && w.spec == spec {
		b.buffer() // it is what is asked of the buffer named before it
	}
	u := b.place(&use{kind: useField, spec: spec, at: name})
	u.ops = append(u.ops, op)
	return nil
}

// ftpBounce compares the address of a PORT command (RFC 959) with that of the
// client who sends it.
type ftpBounce struct{}

func (ftpBounce) holds(in *Inspector, c *Context) bool {
	if in.tx == nil || c.Packet.IPVersion != 4 {
		return false
	}
	command, ok := in.tx.Bytes(protocol.FTPCommand, packet.ToServer, 0)
	if !ok || len(command) != 4 || !bytes.EqualFold(command, []byte("PORT")) {
		return false
	}
	arg, ok := in.tx.Bytes(protocol.FTPCommandData, packet.ToServer, 0)
	if !ok {
		return false
	}
	var ip uint32
	n, digits, dots := uint32(0), 0, 0
	for _, c2 := range arg {
		switch {
		case c2 >= '0' && c2 <= '9':
			if n, digits = n*10+uint32(c2-'0'), digits+1; n > 255 {
				return false
			}
		case c2 == ',' && digits > 0:
			ip, n, digits = ip<<8|n, 0, 0
			if dots++; dots == 4 {
				return ip != binary.BigEndian.Uint32(c.Packet.Src[12:])
			}
		case c2 != ' ' || digits > 0:
			return false
		}
	}
	return false
}

func (b *builder) ftpBounce(name, _ syntax.Token) error {
	b.rule.late = append(b.rule.late, ftpBounce{})
	return b.addStep(name, step{kind: stepStage, stage: protocol.StageStart, dirs: protocol.ToServerOnly}, []protocol.ID{protocol.FTP})
}

// rpcCall compares the program, version and procedure of a call (RFC 5531).
type rpcCall struct {
	program, version, procedure uint32
	anyVersion, anyProcedure    bool
}

func (k *rpcCall) holds(_ *Inspector, c *Context) bool {
	p := c.Packet.Payload
	if c.Packet.Has&packet.HasTCP != 0 {
		if len(p) < 4 {
			return false
		}
		p = p[4:]
	}
	if len(p) < 24 || binary.BigEndian.Uint32(p[4:]) != 0 {
		return false
	}
	return binary.BigEndian.Uint32(p[12:]) == k.program &&
		(k.anyVersion || binary.BigEndian.Uint32(p[16:]) == k.version) &&
		(k.anyProcedure || binary.BigEndian.Uint32(p[20:]) == k.procedure)
}

func (b *builder) rpc(_, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 1 || len(p) > 3 {
		return fail(value, "rpc needs program, version and procedure", "write rpc:100000,*,3")
	}
	k := &rpcCall{anyVersion: true, anyProcedure: true}
	for i, t := range p {
		if i > 0 && t.Text == "*" {
			continue
		}
		n, ok := parseAnyUint(t.Text, 32)
		if !ok {
			return fail(t, "%q is no number", "", t.Text)
		}
		switch i {
		case 0:
			k.program = uint32(n)
		case 1:
			k.version, k.anyVersion = uint32(n), false
		case 2:
			k.procedure, k.anyProcedure = uint32(n), false
		}
	}
	b.check(k)
	b.needsPkt = true
	return nil
}

// quietTx asks that a transaction or flow be left out of the logs.
type quietTx struct {
	what  string
	scope string
}

func (k *quietTx) apply(in *Inspector, c *Context, tx protocol.Tx) {
	if tx != nil {
		tx.Inspection().Logged = [2]bool{true, true}
	}
	in.verdict.Unlogged = true
}

// configure reads "logging disable, type tx, scope tx".
func (b *builder) configure(_, value syntax.Token) error {
	k := &quietTx{}
	for i, t := range value.Split(',') {
		word, rest, _ := strings.Cut(t.Text, " ")
		rest = strings.TrimSpace(rest)
		switch {
		case i == 0 && word == "logging" && rest == "disable", i == 0 && word == "tracking":
		case word == "type" && (rest == "tx" || rest == "flow"):
			k.what = rest
		case word == "scope" && (rest == "tx" || rest == "flow" || rest == "packet"):
			k.scope = rest
		default:
			return fail(t, "unknown setting %q", "write config:logging disable, type tx, scope tx", t.Text)
		}
	}
	if k.what == "" || k.scope == "" {
		return fail(value, "type or scope is missing", "write config:logging disable, type tx, scope tx")
	}
	b.rule.effects = append(b.rule.effects, k)
	b.config = true
	return nil
}
