package feed

import (
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxDocument is how many bytes of a feed are read that is one JSON document.
const maxDocument = 512 << 20

// entryReader gives the claims of a feed whose entries come one by one from next,
// which fills in the claim and returns io.EOF at the end. Further objects of an
// entry go to also.
type entryReader struct {
	o     *Options
	next  func(e *entryReader, c *reputation.Claim) error
	count int
	entry int                // number of the entry that next gave
	text  string             // the entry as refusals show it
	more  []reputation.Claim // further claims of the last entry
}

// Next implements Reader.
func (e *entryReader) Next(c *reputation.Claim) error {
	for {
		if len(e.more) > 0 {
			*c, e.more = e.more[0], e.more[1:]
			if err := e.counted(); err != nil {
				return err
			}
			if err := settle(c, e.o); err != nil {
				return refusal(err, e.entry, []byte(e.text))
			}
			return nil
		}
		*c = reputation.Claim{Source: e.o.Source.ID, Kind: e.o.Source.Kind, Note: e.o.Name}
		err := e.next(e, c)
		if err == nil && c.Object.Type == reputation.TypeNone {
			continue
		}
		if err == nil {
			err = settle(c, e.o)
		}
		if err != nil {
			e.more = e.more[:0]
			if bad := e.counted(); bad != nil {
				return bad
			}
			return refusal(err, e.entry, []byte(e.text))
		}
		if host, ok := ofHost(c); ok {
			e.more = append(e.more, host)
		}
		return e.counted()
	}
}

// also adds a claim like c on another object.
func (e *entryReader) also(c *reputation.Claim, o reputation.Object) {
	more := *c
	more.Object = o
	e.more = append(e.more, more)
}

func (e *entryReader) counted() error {
	e.count++
	return bound(e.o, e.count)
}

// limited ends with an error what is longer than it may be.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("more than %d MB", maxDocument>>20)
	}
	n, err := l.r.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}
