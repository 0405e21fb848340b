package rule

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Document renders docs/RULES.md: every keyword by family.
func Document(specs []protocol.Spec) []byte {
	var b bytes.Buffer
	b.WriteString("# Rules\n\nMade by `masugata-gate rules keywords --output markdown` (`make generate`); do not edit. A rule that cannot be honoured is refused with file, line and column, never weakened.\n")
	families := map[string][]KeywordInfo{}
	var order []string
	for _, k := range Keywords(specs) {
		if families[k.Family] == nil {
			order = append(order, k.Family)
		}
		families[k.Family] = append(families[k.Family], k)
	}
	for _, f := range order {
		fmt.Fprintf(&b, "\n## %s\n\n| keyword | what it is |\n|---|---|\n", f)
		for _, k := range families[f] {
			names := "`" + cell(k.Use) + "`"
			for _, a := range k.Aliases {
				names += ", `" + cell(a) + "`"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", names, cell(k.Doc))
		}
	}
	documentHooks(&b, specs)
	return b.Bytes()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// documentHooks lists what rule headers may name behind a protocol, and its
// events.
func documentHooks(b *bytes.Buffer, specs []protocol.Spec) {
	b.WriteString("\n## Protocols\n\n| protocol | hooks (`alert http1:request_line …`) | events (`app-layer-event`) |\n|---|---|---|\n")
	for i := range specs {
		s := &specs[i]
		hooks := make([]string, 0, len(s.RuleHooks()))
		for h := range s.RuleHooks() {
			hooks = append(hooks, h)
		}
		slices.Sort(hooks)
		fmt.Fprintf(b, "| %s | %s | %s |\n", s.ID, strings.Join(hooks, ", "), strings.Join(s.Events, ", "))
	}
}
