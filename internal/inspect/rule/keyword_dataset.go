package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func datasetKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "set", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("dataset", "isset|isnotset|set|unset,NAME,type TYPE[,load FILE][,state FILE][,save FILE][,memcap N][,hashsize N][,format csv|json|ndjson …]", "the buffer is in a set of values", (*builder).dataset),
		k("datarep", "NAME,>|<|==,NUMBER,type TYPE,load FILE", "the buffer's reputation in a list of values", (*builder).datarep),
		k("iprep", "any|src|dst|both,CATEGORY,COMPARISON[,NUMBER]", "reputation of an address", (*builder).iprep),
	}
}

// dataset is the hook of the keyword dataset.
type dataset struct {
	set     int // index into Set.memory.datasets
	command bitCommand
}

// datasetSpec is what rules and configuration say of a set.
type datasetSpec struct {
	name       string
	kind       memory.DatasetKind
	typed      bool
	load       string
	state      string
	save       string
	format     string
	valueKey   string
	arrayKey   string
	enrichment string
	removeKey  bool
	memcap     uint64
}

// options reads "type string, load file, …" into a spec.
func (s *datasetSpec) options(list []syntax.Token) error {
	for _, t := range list {
		word, rest, _ := strings.Cut(t.Text, " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "type":
			s.typed = true
			var ok bool
			if s.kind, ok = memory.ParseDatasetKind(rest); !ok {
				return fail(t, "unknown type %q", "write string, md5, sha256, ipv4 or ip", rest)
			}
		case "load":
			s.load = strings.Clone(rest)
		case "state":
			s.state = strings.Clone(rest)
		case "save":
			s.save = strings.Clone(rest)
		case "hashsize":
		case "memcap":
			n, _ := parseBytes(rest)
			s.memcap = n
		case "format":
			s.format = strings.Clone(rest)
		case "value_key":
			s.valueKey = strings.Clone(rest)
		case "array_key":
			s.arrayKey = strings.Clone(rest)
		case "context_key", "enrichment_key":
			s.enrichment = strings.Clone(rest)
		case "remove_key":
			s.removeKey = true
		default:
			return fail(t, "unknown option %q", didYouMean(word, []string{"type", "load", "state", "save", "memcap", "hashsize", "format", "value_key", "array_key", "context_key", "remove_key"}), word)
		}
	}
	return nil
}

// parseBytes reads a size such as 10mb.
func parseBytes(s string) (uint64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	factor := uint64(1)
	for suffix, f := range map[string]uint64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30} {
		if strings.HasSuffix(s, suffix) {
			s, factor = strings.TrimSuffix(s, suffix), f
		}
	}
	n, ok := parseUint(s, 40)
	return n * factor, ok
}

func (b *builder) setBuffer(name syntax.Token) error {
	if b.wanted == nil && (b.current == nil || b.current.kind == usePayload) {
		return fail(name, "%s has no sticky buffer before it", "write dns.query; dataset:isset,NAME,type string,load FILE", name.Text)
	}
	return nil
}

func (b *builder) dataset(name, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 2 {
		return fail(value, "dataset needs a command and a name", "write dataset:isset,NAME,type string,load FILE")
	}
	if err := b.setBuffer(name); err != nil {
		return err
	}
	var k bits
	if err := b.bitCommand(&k, p[0]); err != nil || k.command == bitToggle {
		return fail(p[0], "unknown command %q", "write isset, isnotset, set or unset", p[0].Text)
	}
	spec := datasetSpec{name: strings.Clone(p[1].Text)}
	if err := spec.options(p[2:]); err != nil {
		return err
	}
	set, err := b.c.memory.dataset(b.c, value, spec)
	if err != nil {
		return err
	}
	b.add(payload.Op{Kind: payload.HookOp, Hook: &dataset{set: set, command: k.command}})
	return nil
}

// datarep is the hook of the keyword datarep.
type datarep struct {
	set  int // index into Set.memory.datasets
	op   memory.CompareOp
	want uint16
}

func (b *builder) datarep(name, value syntax.Token) error {
	p := value.Split(',')
	if len(p) < 4 {
		return fail(value, "datarep needs a name, a comparison, a number and a type", "write datarep:NAME,>,100,type string,load FILE")
	}
	if err := b.setBuffer(name); err != nil {
		return err
	}
	n, ok := parseUint(p[2].Text, 16)
	if !ok {
		return fail(p[2], "%q is no number of 0 to 65535", "", p[2].Text)
	}
	k := &datarep{want: uint16(n)}
	if k.op, ok = memory.ParseCompare(p[1].Text); !ok || k.op >= memory.OpIsSet {
		return fail(p[1], "unknown comparison %q", "write >, <, >=, <=, == or !=", p[1].Text)
	}
	spec := datasetSpec{name: strings.Clone(p[0].Text)}
	if err := spec.options(p[3:]); err != nil {
		return err
	}
	var err error
	if k.set, err = b.c.memory.dataset(b.c, value, spec); err != nil {
		return err
	}
	b.add(payload.Op{Kind: payload.HookOp, Hook: k})
	return nil
}

// iprep asks for the reputation of an address.
type iprep memory.ReputationTest

func (k *iprep) holds(in *Inspector, _ *Context) bool {
	return in.set.memory.reputation.Test((*memory.ReputationTest)(k), &in.who)
}

func (b *builder) iprep(name, value syntax.Token) error {
	if b.c.memory.reputation == nil {
		return fail(name, "iprep needs reputation files, and none are configured", "set reputation-categories-file and reputation-files")
	}
	t, err := b.c.memory.reputation.ParseTest(value.Unquote().Text)
	if err != nil {
		return fail(value, "%s", "", err.Error())
	}
	b.check((*iprep)(&t))
	return nil
}

// Test looks the buffer up, or adds or removes it.
func (k *dataset) Test(buf []byte, st *payload.State) bool {
	s := st.Caller.(*Inspector).datasets[k.set]
	switch k.command {
	case bitIsSet:
		return s.Has(buf)
	case bitIsNotSet:
		return !s.Has(buf)
	case bitSet:
		return s.Add(buf)
	}
	return s.Remove(buf)
}

// Test compares the buffer's reputation.
func (k *datarep) Test(buf []byte, st *payload.State) bool {
	v, ok := st.Caller.(*Inspector).datasets[k.set].Reputation(buf)
	return ok && k.op.Compare(uint64(v), uint64(k.want))
}
