package payload

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/pcre"
)

// Transform changes a buffer before it is inspected. It never changes after
// ParseTransform and is shared by goroutines.
type Transform struct {
	Name  string // as in the rule: "to_lowercase"
	Arg   string // as in the rule, without quotes
	apply func(t *Transform, in []byte, w *Workspace) []byte
	bytes []byte       // xor: the key
	from  int          // from_base64, subslice: where to begin
	count int          // from_base64, subslice: how many bytes; unpackers: the most
	ends  bool         // subslice: there is a count
	mode  Base64Mode   // from_base64
	expr  *pcre.Regexp // pcrexform

	library *Library
}

// Chain is the transforms of one buffer in order.
type Chain []Transform

// Workspace is the memory of one transformed buffer. The zero value is ready.
type Workspace struct {
	a, b  []byte // what the running transform writes to, and its input perhaps
	wrote bool   // the last transform wrote to a
	unpackers
	regexp regexpState
}

// MaxTransformed bounds what a transform gives.
const MaxTransformed = 16 << 20

// Key is the same for chains that do the same, so that results can be shared.
func (c Chain) Key() string {
	var s strings.Builder
	for i := range c {
		s.WriteString("|" + c[i].Name + ":" + c[i].Arg)
	}
	return s.String()
}
