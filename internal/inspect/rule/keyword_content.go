package rule

import (
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func contentKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		w := keyword{name: name, family: "payload", use: use, doc: doc, run: run}
		if use == "" {
			w.arg = argNone
		}
		return w
	}
	fast := k("fast_pattern", "", "this content decides whether the rule is looked at; only, FROM,LENGTH", (*builder).fastPattern)
	fast.arg, fast.use = argMay, "[only|FROM,LENGTH]"
	absent := k("absent", "", "the buffer is not there; or_else: or the rest of its tests hold", (*builder).absent)
	absent.arg, absent.use = argMay, "[or_else]"
	return []keyword{
		k("content", `[!]"TEXT|0d 0a|"`, "bytes that must occur (!: must not)", (*builder).content),
		k("uricontent", `[!]"TEXT"`, "content of the normalised URI, the old way", (*builder).uricontent),
		k("nocase", "", "letters of the content in any case", contentFlag(func(o *payload.Op) { o.NoCase = true })),
		k("rawbytes", "", "taken and without effect: contents are raw", contentFlag(func(*payload.Op) {})),
		k("startswith", "", "the content is at the begin of the buffer", contentFlag(func(o *payload.Op) { o.StartsWith = true })),
		k("endswith", "", "the content is at the end of the buffer", contentFlag(func(o *payload.Op) { o.EndsWith = true })),
		k("depth", "BYTES", "the content lies within that many bytes from offset on", contentNumber(0, 65535, func(o *payload.Op) *payload.Value { return &o.Depth })),
		k("offset", "BYTES", "the content begins there or later", contentNumber(0, 65535, func(o *payload.Op) *payload.Value { return &o.Offset })),
		k("distance", "BYTES", "bytes between the last match and this one, at least", contentNumber(-1<<20, 1<<20, func(o *payload.Op) *payload.Value { return &o.Distance })),
		k("within", "BYTES", "the content lies within that many bytes behind the last match", contentNumber(-1<<20, 1<<20, func(o *payload.Op) *payload.Value { return &o.Within })),
		fast, absent,
		k("replace", `"TEXT"`, "changes the content inline, same length", (*builder).replace),
		k("pcre", `[!]"/EXPRESSION/FLAGS"`, "a regular expression; flags i m s x A E G R and those that name a buffer (U I P Q H D M C S Y V W)", (*builder).pcre),
		k("isdataat", "[!]BYTES[,relative]", "there are that many bytes", (*builder).isDataAt),
		k("bsize", "NUMBER or comparison", "size of the buffer", (*builder).bsize),
		k("dsize", "NUMBER or comparison", "size of the packet's payload", (*builder).dsize),
		k("entropy", "[bytes N,] [offset N,] value COMPARISON", "Shannon entropy of the buffer", (*builder).entropy),
		k("asn1", "bitstring_overflow, double_overflow, oversize_length N, …", "malformed ASN.1", (*builder).asn1),
	}
}

func (b *builder) content(_, value syntax.Token) error {
	t, not, err := value.Quoted()
	if err != nil {
		return err
	}
	bytes, err := t.Bytes()
	if err != nil {
		return err
	}
	if len(bytes) == 0 {
		return fail(value, "an empty content", "write at least one byte")
	}
	b.add(payload.Op{Kind: payload.Content, Bytes: bytes, Negated: not})
	return nil
}

func (b *builder) uricontent(name, value syntax.Token) error {
	spec := b.c.modifiers["http_uri"]
	if spec == nil {
		return fail(name, "uricontent needs HTTP, which is not loaded", "")
	}
	if err := b.oldHTTP(name); err != nil {
		return err
	}
	wanted, current := b.wanted, b.current
	b.wanted, b.current = &use{kind: useField, spec: spec, at: name}, nil
	if _, _, bare := value.Quoted(); bare != nil {
		value.Text = `"` + value.Text + `"`
	}
	err := b.content(name, value)
	b.wanted, b.current = wanted, current
	return err
}

func contentFlag(set func(*payload.Op)) func(*builder, syntax.Token, syntax.Token) error {
	return func(b *builder, name, _ syntax.Token) error {
		o, err := b.lastContent(name)
		if err == nil {
			set(o)
		}
		return err
	}
}

func contentNumber(lo, hi int64, at func(*payload.Op) *payload.Value) func(*builder, syntax.Token, syntax.Token) error {
	return func(b *builder, name, value syntax.Token) error {
		o, err := b.lastContent(name)
		if err != nil {
			return err
		}
		if at(o).Set {
			return fail(name, "a second %s for one content", "keep one", name.Text)
		}
		v, err := b.value(value.Unquote(), lo, hi)
		if err != nil {
			return err
		}
		*at(o) = v
		return nil
	}
}

func (b *builder) fastPattern(name, value syntax.Token) error {
	o, err := b.lastContent(name)
	if err != nil {
		return err
	}
	for i := range b.lastUse.ops {
		if b.lastUse.ops[i].FastPattern && i != b.lastOp {
			return fail(name, "a second fast_pattern", "keep one a buffer")
		}
	}
	placed := o.Offset.Set || o.Depth.Set || o.Distance.Set || o.Within.Set
	if only := value.Text == "only"; o.Negated && (placed || only) || placed && only {
		return fail(name, "fast_pattern on a content that is negated or has a place", "choose another content")
	}
	o.FastPattern = true
	switch v := value.Text; {
	case v == "" || v == "only":
		return nil
	default:
		from, length, _ := value.Cut(',')
		f, ok1 := parseUint(from.Text, 16)
		n, ok2 := parseUint(length.Text, 16)
		if !ok1 || !ok2 || n == 0 || int(f+n) > len(o.Bytes) {
			return fail(value, "fast_pattern:%s does not lie within the content", "write fast_pattern, fast_pattern:only or fast_pattern:FROM,LENGTH", v)
		}
		o.ChopFrom, o.ChopLen = int(f), int(n)
	}
	return nil
}

func (b *builder) absent(name, value syntax.Token) error {
	if b.wanted == nil || b.wanted.kind != useField {
		return fail(name, "absent does not stand right behind a sticky buffer", "write http.referer; absent;")
	}
	orElse := value.Text == "or_else"
	if value.Text != "" && !orElse {
		return fail(value, "unknown option %q", "write absent; or absent:or_else;", value.Text)
	}
	b.add(payload.Op{Kind: payload.Absent, OrElse: orElse})
	return nil
}

// replace is only meaningful inline; contents are not changed by this engine,
// so a rule that relies on it must not load.
func (b *builder) replace(name, _ syntax.Token) error {
	return fail(name, "replace is not supported: packets are dropped or rejected, never changed", "use the action drop or reject")
}

// locations are the pcre flags that name a buffer.
var locations = map[byte]string{
	'U': "http_uri", 'I': "http_raw_uri", 'P': "http_client_body", 'Q': "http_server_body", 'H': "http_header",
	'D': "http_raw_header", 'M': "http_method", 'C': "http_cookie", 'S': "http_stat_code", 'Y': "http_stat_msg",
	'V': "http_user_agent", 'W': "http_host", 'Z': "http_raw_host",
}

func (b *builder) pcre(_, value syntax.Token) error {
	t, not := value.Not()
	t = t.Unquote()
	if i := strings.IndexByte(t.Text, '/'); i > 0 {
		t = syntax.Token{Text: t.Text[i:], At: t.At + i}
	}
	re, err := b.c.regexp(strings.ReplaceAll(t.Text, `\;`, `;`))
	if err != nil {
		return fail(t, "%s", "", err.Error())
	}
	op := payload.Op{Kind: payload.PCRE, Expr: re, Negated: not, Relative: re.Relative}
	if re.Location == 0 {
		if op.Relative && !b.anyMatched(b.buffer()) {
			return fail(value, "pcre with the flag R has no content or pcre before it", "take the R away")
		}
		b.add(op)
		return nil
	}
	spec := b.c.modifiers[locations[re.Location]]
	if spec == nil {
		return fail(value, "pcre: flag %c needs HTTP, which is not loaded", "", re.Location)
	}
	if op.Relative && !slices.ContainsFunc(b.uses, (*use).matched) {
		return fail(value, "pcre with the flag R has no content or pcre before it", "take the R away")
	}
	if err := b.oldHTTP(value); err != nil {
		return err
	}
	if b.wanted != nil || b.current != nil && b.current.kind == useField {
		u := b.buffer()
		if re.Location == 'Q' && u.spec.Field == protocol.FileData {
			b.add(op) // of HTTP it is the same
			return nil
		}
		if u.spec != spec {
			return fail(value, "pcre: flag %c names another buffer than the sticky one in force", "take the flag away", re.Location)
		}
	}
	b.put(b.place(&use{kind: useField, spec: spec, at: value}), op)
	return nil
}

// matched says whether a content or pcre of the buffer stands before.
func (u *use) matched() bool {
	for i := range u.ops {
		if k := u.ops[i].Kind; k == payload.Content || k == payload.PCRE {
			return true
		}
	}
	return false
}

// anyMatched is matched for the payload; sticky buffers also count what stands
// in others.
func (b *builder) anyMatched(u *use) bool {
	if u.kind == usePayload {
		return u.matched()
	}
	return slices.ContainsFunc(b.uses, (*use).matched)
}

func (b *builder) isDataAt(_, value syntax.Token) error {
	t := value.Unquote()
	t, not := t.Not()
	p := t.Split(',')
	if len(p) == 0 {
		return fail(value, "isdataat needs a number", "write isdataat:10 or isdataat:!1,relative")
	}
	op := payload.Op{Kind: payload.IsDataAt, Negated: not}
	for _, w := range p[1:] {
		switch w.Text {
		case "relative":
			op.Relative = true
		case "rawbytes":
		default:
			return fail(w, "unknown option %q", "write relative or rawbytes", w.Text)
		}
	}
	var err error
	if op.Offset, err = b.value(p[0], -1<<31, 1<<31); err != nil {
		return err
	}
	if not && op.Relative && op.Offset == payload.Number(1) && b.endsWith() {
		return nil
	}
	b.add(op)
	return nil
}

// endsWith turns "isdataat:!1,relative" right behind a content into its
// endswith, as Suricata does: it matters for negated contents.
func (b *builder) endsWith() bool {
	u := b.lastUse
	if u == nil || u != b.lastAny || b.lastOp != len(u.ops)-1 || b.wanted != nil {
		return false
	}
	u.ops[b.lastOp].EndsWith = true
	return true
}

func (b *builder) bsize(_, value syntax.Token) error {
	if b.wanted == nil && (b.current == nil || b.current.kind == usePayload) {
		return fail(value, "bsize has no sticky buffer before it", "use dsize for the packet's payload")
	}
	op, err := sizeOp(value.Unquote(), 62)
	if err != nil {
		return err
	}
	b.add(op)
	return nil
}

// sizeOp reads 10, >10, !10, 3<>9, 3-9, 10kb … for bsize.
func sizeOp(t syntax.Token, bits int) (payload.Op, error) {
	op := payload.Op{Kind: payload.BSize}
	s := strings.TrimSpace(t.Text)
	lo, hi, between := strings.Cut(s, "<>")
	if !between {
		lo, hi, between = strings.Cut(s, "-")
	}
	if between {
		op.Compare = payload.Between
		rest, not := strings.CutPrefix(lo, "!")
		if not {
			op.Compare = payload.NotBetween
		}
		a, err1 := number.Value(rest, bits)
		z, err2 := number.Value(hi, bits)
		if err1 != nil || err2 != nil || a >= z || z-a < 2 {
			return op, fail(t, "%q is no range", "write 3<>9 with at least one number between", t.Text)
		}
		op.Operand, op.Operand2 = payload.Number(int64(a)), payload.Number(int64(z))
		return op, nil
	}
	for _, c := range []struct {
		text string
		op   payload.Compare
	}{{">=", payload.GreaterEqual}, {"<=", payload.LessEqual}, {"!=", payload.NotEqual}, {"==", payload.Equal}, {">", payload.Greater}, {"<", payload.Less}, {"!", payload.NotEqual}, {"=", payload.Equal}, {"", payload.Equal}} {
		if rest, ok := strings.CutPrefix(s, c.text); ok {
			n, err := number.Value(rest, bits)
			if err != nil {
				return op, fail(t, "%q is no size", "write 10, >10, <10 or 3<>9", t.Text)
			}
			op.Compare, op.Operand = c.op, payload.Number(int64(n))
			return op, nil
		}
	}
	return op, nil
}

// uintField is a KindUint field with its comparison.
func (b *builder) uintField(name, value syntax.Token, f *protocol.FieldSpec) error {
	n, err := parseSeveral(value.Unquote().Text, f)
	if err != nil {
		return fail(value, "%s: %s", "", name.Text, err.Error())
	}
	return b.addStep(name, step{kind: stepUint, field: f.Field, stage: f.Stage, dirs: f.Dirs, multi: f.Multi, number: n}, f.On)
}
