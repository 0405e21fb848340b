package rule

import (
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// KeywordInfo describes a keyword for `rules keywords` and docs/RULES.md.
type KeywordInfo struct {
	Name    string
	Aliases []string
	Family  string // "payload", "http" …
	Use     string // how it is written: "depth:NUMBER", "http.uri; (buffer)"
	Doc     string // what it does, in one line
	Refused bool   // known, and always refused (Lua)
}

// argument says whether a keyword has one.
type argument uint8

const (
	argMust argument = iota
	argMay
	argNone
)

// keyword is one row of the table.
type keyword struct {
	name    string
	aliases []string
	family  string
	arg     argument
	use     string // the argument as it is written, "" for none
	doc     string
	refused bool
	run     func(b *builder, name, value syntax.Token) error
}

// keywordTable is every keyword by each of its names.
type keywordTable struct {
	rows   []keyword
	byName map[string]*keyword
	names  []string // sorted
}

func newKeywordTable(specs []protocol.Spec, fields []protocol.FieldSpec) *keywordTable {
	t := &keywordTable{byName: map[string]*keyword{}}
	t.rows = slices.Concat(metaKeywords(), flowKeywords(), contentKeywords(), numberKeywords(), bufferKeywords(),
		ipKeywords(), tcpKeywords(), icmpKeywords(), sctpKeywords(), eventKeywords(), fileKeywords(), memoryKeywords(), datasetKeywords(),
		applicationKeywords(), refusedKeywords())
	t.rows = append(t.rows, protocolKeywords(specs)...)
	t.rows = append(t.rows, fieldKeywords(fields)...)
	for i := range t.rows {
		k := &t.rows[i]
		for _, n := range append([]string{k.name}, k.aliases...) {
			if _, taken := t.byName[n]; !taken {
				t.byName[n] = k
				t.names = append(t.names, n)
			}
		}
	}
	slices.Sort(t.names)
	return t
}

// find gives the row of a name, in any case.
func (t *keywordTable) find(name string) *keyword {
	if k := t.byName[name]; k != nil {
		return k
	}
	return t.byName[strings.ToLower(name)]
}

// Keywords lists every keyword that rules may use with the given protocols,
// in the order in which docs/RULES.md shows them.
func Keywords(specs []protocol.Spec) []KeywordInfo {
	t := newKeywordTable(specs, protocol.Fields())
	out := make([]KeywordInfo, 0, len(t.rows))
	for i := range t.rows {
		k := &t.rows[i]
		if t.byName[k.name] != k {
			continue
		}
		use := k.name
		if k.use != "" {
			use += ":" + k.use
		}
		out = append(out, KeywordInfo{Name: k.name, Aliases: k.aliases, Family: k.family, Use: use, Doc: k.doc, Refused: k.refused})
	}
	return out
}

// protocolKeywords are those that protocols compile themselves.
func protocolKeywords(specs []protocol.Spec) []keyword {
	var out []keyword
	for i := range specs {
		for _, k := range specs[i].Keywords {
			out = append(out, protocolKeyword(k))
		}
	}
	return out
}

func protocolKeyword(k protocol.Keyword) keyword {
	row := keyword{name: k.Name, aliases: k.Aliases, family: familyOf(k.Name, k.On), use: "…", doc: k.Doc}
	if k.Optional {
		row.arg = argMay
	}
	row.run = func(b *builder, name, value syntax.Token) error {
		test, err := k.Compile(strings.Clone(value.Unquote().Text))
		if err != nil {
			return fail(value, "%s: %s", "", name.Text, err.Error())
		}
		return b.addStep(name, step{kind: stepTest, stage: k.Stage, dirs: k.Dirs, test: test}, k.On)
	}
	return row
}

// fieldKeywords are the buffers and numbers of transactions.
func fieldKeywords(specs []protocol.FieldSpec) []keyword {
	out := make([]keyword, 0, len(specs))
	for i := range specs {
		f := &specs[i]
		if f.Keyword == "" {
			continue
		}
		out = append(out, fieldKeyword(f))
		if f.Modifier != "" && !slices.Contains(f.Aliases, f.Modifier) {
			out = append(out, keyword{name: f.Modifier, family: familyOf(f.Keyword, f.On), arg: argNone, doc: "old modifier of a content for " + f.Keyword,
				run: func(b *builder, name, _ syntax.Token) error { return b.move(name, f) }})
		}
	}
	return out
}

func fieldKeyword(f *protocol.FieldSpec) keyword {
	k := keyword{name: f.Keyword, aliases: f.Aliases, family: familyOf(f.Keyword, f.On), doc: f.Doc}
	if f.Kind == protocol.KindUint {
		k.use = "NUMBER"
		if len(f.Names) > 0 {
			k.use = "NUMBER or name"
		}
		k.run = func(b *builder, name, value syntax.Token) error { return b.uintField(name, value, f) }
		return k
	}
	k.arg = argNone
	k.run = func(b *builder, name, _ syntax.Token) error {
		return b.sticky(&use{kind: useField, spec: f, at: name})
	}
	return k
}

// familyOf groups a protocol's keyword for the documentation.
func familyOf(name string, on []protocol.ID) string {
	if i := strings.IndexAny(name, "._"); i > 0 {
		return name[:i]
	}
	if len(on) > 0 {
		return on[0].String()
	}
	return name
}
