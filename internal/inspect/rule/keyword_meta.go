package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func metaKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "meta", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("msg", `"TEXT"`, "what the alert says", (*builder).message),
		k("sid", "NUMBER", "number of the rule, unique in its group", number32(func(b *builder) *uint32 { return &b.meta.SID })),
		k("gid", "NUMBER", "group of the rule number, 1 when not given", number32(func(b *builder) *uint32 { return &b.meta.GID })),
		k("rev", "NUMBER", "version of the rule", number32(func(b *builder) *uint32 { return &b.meta.Rev })),
		k("classtype", "NAME", "class from classification.config, which gives the priority", (*builder).classtype),
		k("priority", "1-255", "importance, 1 is highest; overrides the class's", (*builder).setPriority),
		k("reference", "SYSTEM,ID", "where to read more", (*builder).reference),
		k("metadata", "KEY VALUE, …", "what outputs write with the alert", (*builder).metadata),
		k("target", "src_ip|dest_ip", "which side is attacked", (*builder).target),
		k("requires", "feature NAME, version >= 7.0.0, keyword NAME", "the rule is skipped where this does not hold", (*builder).requires),
	}
}

func number32(at func(*builder) *uint32) func(b *builder, name, value syntax.Token) error {
	return func(b *builder, name, value syntax.Token) error {
		n, ok := parseUint(value.Text, 32)
		if !ok || n == 0 && name.Text != "gid" {
			return fail(value, "%s %q is no number of 1 to 4294967295", "", name.Text, value.Text)
		}
		if err := b.once(name); err != nil {
			return err
		}
		*at(b) = uint32(n)
		return nil
	}
}

// once refuses a keyword that a rule has already.
func (b *builder) once(name syntax.Token) error {
	if b.said[name.Text] {
		return fail(name, "a second %s", "keep one", name.Text)
	}
	if b.said == nil {
		b.said = map[string]bool{}
	}
	b.said[name.Text] = true
	return nil
}

func (b *builder) message(name, value syntax.Token) error {
	t, not, err := value.Quoted()
	if err != nil {
		return err
	}
	if err := b.once(name); err != nil {
		return err
	}
	if not {
		return fail(value, "a message cannot be negated", "take the ! away")
	}
	b.meta.Message = strings.Clone(t.Words())
	return nil
}

func (b *builder) classtype(_, value syntax.Token) error {
	name := strings.ToLower(value.Unquote().Text)
	c, ok := b.c.classes[name]
	if !ok {
		// Suricata warns and keeps the rule at the lowest priority: so do we.
		b.meta.Classification = ""
		return nil
	}
	b.meta.Classification = c.text
	if !b.priority {
		b.meta.Priority = c.priority
	}
	return nil
}

func (b *builder) setPriority(_, value syntax.Token) error {
	n, ok := parseUint(value.Unquote().Text, 8)
	if !ok || n == 0 {
		return fail(value, "priority %q is no number of 1 to 255", "", value.Text)
	}
	b.meta.Priority, b.priority = uint8(n), true
	return nil
}

func (b *builder) reference(_, value syntax.Token) error {
	system, id, ok := value.Unquote().Cut(',')
	if !ok || system.Text == "" || id.Text == "" {
		return fail(value, "a reference needs a system and an id", "write reference:cve,2024-1234 or reference:url,example.org/a")
	}
	prefix, known := b.c.references[strings.ToLower(system.Text)]
	if !known {
		prefix = strings.ToLower(system.Text) + " "
	}
	b.meta.References = append(b.meta.References, b.c.intern(prefix+id.Text))
	return nil
}

func (b *builder) metadata(_, value syntax.Token) error {
	for _, t := range value.Unquote().Split(',') {
		key, val, _ := strings.Cut(t.Text, " ")
		if key == "" {
			continue
		}
		b.meta.Metadata = append(b.meta.Metadata, [2]string{b.c.intern(key), b.c.intern(strings.TrimSpace(val))})
	}
	return nil
}

func (b *builder) target(_, value syntax.Token) error {
	switch value.Unquote().Text {
	case "src_ip":
		b.meta.Target = TargetSource
	case "dest_ip":
		b.meta.Target = TargetDestination
	default:
		return fail(value, "unknown target %q", "write src_ip or dest_ip", value.Text)
	}
	return nil
}

// features of Suricata that `requires: feature` may ask for and that we have.
var features = []string{"true", "ja3", "ja4", "file_store", "output::file-store"}

// requires understands "feature a, version >= 7.0.3 < 8 | >= 9, keyword x".
func (b *builder) requires(_, value syntax.Token) error {
	for _, t := range value.Unquote().Split(',') {
		what, rest, _ := strings.Cut(t.Text, " ")
		rest = strings.TrimSpace(rest)
		met := false
		switch what {
		case "feature":
			for _, f := range features {
				met = met || f == rest
			}
		case "keyword":
			name, not := strings.CutPrefix(rest, "!")
			k := b.c.keywords.find(strings.TrimSpace(name))
			met = (k != nil && !k.refused) != not
		case "version":
			var err error
			if met, err = versionMet(t, rest); err != nil {
				return err
			}
		default:
			// Requirements of later versions that we do not know are not met.
		}
		b.skipped = b.skipped || !met
	}
	return nil
}

// speaksVersion is the version of the rule language that `requires` compares
// with: we have the keywords of Suricata 8.
var speaksVersion = [3]int{8, 0, 0}

func versionMet(t syntax.Token, text string) (bool, error) {
	for _, alternative := range strings.Split(text, "|") {
		all := strings.TrimSpace(alternative) != ""
		rest := strings.TrimSpace(alternative)
		for rest != "" {
			op := rest[:len(rest)-len(strings.TrimLeft(rest, "<>=!"))]
			rest = strings.TrimSpace(rest[len(op):])
			number := rest
			if i := strings.IndexAny(rest, " <>="); i >= 0 {
				number = rest[:i]
			}
			rest = strings.TrimSpace(rest[len(number):])
			v, ok := parseVersion(number)
			if !ok {
				return false, fail(t, "%q is no version", "write version >= 7.0.3", number)
			}
			met, known := compareVersion(op, v)
			if !known {
				return false, fail(t, "unknown comparison %q", "write >=, >, <= or <", op)
			}
			all = all && met
		}
		if all {
			return true, nil
		}
	}
	return false, nil
}

func parseVersion(s string) (v [3]int, ok bool) {
	s, _, _ = strings.Cut(s, "-")
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return v, false
	}
	for i, p := range parts {
		n, good := parseUint(p, 16)
		if !good {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

func compareVersion(op string, v [3]int) (met, known bool) {
	c := 0
	for i := range v {
		if c == 0 {
			c = speaksVersion[i] - v[i]
		}
	}
	switch op {
	case ">=":
		return c >= 0, true
	case ">":
		return c > 0, true
	case "<=":
		return c <= 0, true
	case "<":
		return c < 0, true
	case "=", "==":
		return c == 0, true
	}
	return false, false
}
