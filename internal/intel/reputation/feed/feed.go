package feed

import (
	"fmt"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Bounds that Options leave at zero.
const (
	DefaultMaxLine    = 64 << 10
	DefaultMaxEntries = 10_000_000
)

// Reader gives the claims of one feed in the feed's order. It is for one
// goroutine.
type Reader interface {
	// Next sets *c to the next claim. It returns nil, io.EOF after the last one, a
	// *Refusal for an entry that is refused (call Next again for what follows), or
	// another error that ends the feed. The strings of a claim are its own and
	// may be kept.
	Next(c *reputation.Claim) error
}

// Refusal is why an entry was not taken.
type Refusal struct {
	Line    int    // line of the entry, or its number in formats without lines; from 1
	Text    string // the entry, or its beginning
	Problem string // what is wrong; the same words for all entries with the same problem
	Mend    string // what to write or do instead; may be empty
}

// Error implements error.
func (r *Refusal) Error() string {
	s := fmt.Sprintf("line %d: %q: %s", r.Line, r.Text, r.Problem)
	if r.Mend != "" {
		s += "; " + r.Mend
	}
	return s
}

// Options say what a feed is. The zero value is usable.
type Options struct {
	// Source stands in each claim: its ID, and its Kind for entries that do not say
	// theirs. Without a Kind the format's own one is taken (Format.Kind).
	Source reputation.Source
	// Now is the time of reading in seconds since 1970, from which entries with a
	// duration count; 0 is unknown, and such entries then have no end.
	Now uint32
	// Name is the trail's or the list's own name, "mirai": it becomes the note of
	// entries that have none.
	Name string
	// Below takes each name of plain lists and hosts files with all names below it.
	Below bool
	// Mapping tells what the columns and words of a feed mean; the formats csv,
	// jsonl, iprep and dataset use it (see Format.About).
	Mapping map[string]string
	// MaxLine is the longest line in bytes; a longer one is refused.
	MaxLine int
	// MaxEntries is how many entries, taken or refused, are read before the feed ends
	// with an error.
	MaxEntries int

	told bool // Source.Kind was given
}

// Format is one format that Open reads.
type Format struct {
	Name       string          // as Open takes it
	About      string          // what it is, in a sentence
	Extensions []string        // endings of file names that are mostly of this format, with the dot
	Kind       reputation.Kind // of entries whose kind neither they nor the source tell

	open func(io.Reader, *Options) (Reader, error)
}

// Open reads a feed of the given format from r. Nothing is read before the first
// Next, except by formats whose head is needed. The error lists the formats
// when there is none such.
func Open(format string, r io.Reader, o Options) (Reader, error) {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	o.Name = note(o.Name)
	var names []string
	for _, f := range Formats() {
		if f.Name == format {
			if o.told = o.Source.Kind > reputation.KindNone && o.Source.Kind < reputation.NumKinds; !o.told {
				o.Source.Kind = f.Kind
			}
			return f.open(r, &o)
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("unknown feed format %q: write one of %s", format, strings.Join(names, ", "))
}

// bound ends a feed that has too many entries.
func bound(o *Options, n int) error {
	if n > o.MaxEntries {
		return fmt.Errorf("more than %d entries: raise the feed's bound if this is right", o.MaxEntries)
	}
	return nil
}
