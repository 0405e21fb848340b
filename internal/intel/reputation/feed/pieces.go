package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Bounds of documents that are read piece by piece.
const (
	maxPiece = 4 << 20 // bytes of one object of a document
	maxDepth = 100     // of what is passed over
)

// guard ends a document of which one piece takes too many bytes.
type guard struct {
	r    io.Reader
	left int
}

func (g *guard) Read(b []byte) (int, error) {
	if g.left <= 0 {
		return 0, fmt.Errorf("an object of more than %d MB in the document", maxPiece>>20)
	}
	n, err := g.r.Read(b[:min(len(b), g.left)])
	g.left -= n
	return n, err
}

// pieces reads a JSON document token by token and keeps one object of it at a
// time.
type pieces struct {
	d *json.Decoder
	g guard
}

func newPieces(r io.Reader) *pieces {
	p := &pieces{g: guard{r: &limited{r, maxDocument}}}
	p.d = json.NewDecoder(&p.g)
	return p
}

// token gives the next token; the document's end is an error of its own.
func (p *pieces) token() (json.Token, error) {
	p.g.left = maxPiece
	t, err := p.d.Token()
	return t, notJSON(err)
}

func (p *pieces) more() bool {
	p.g.left = maxPiece
	return p.d.More()
}

// decode reads one value into v. A value of the wrong form is a *Refusal, after
// which reading can go on.
func (p *pieces) decode(v any) error {
	p.g.left = maxPiece
	err := p.d.Decode(v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &Refusal{Problem: "a member of the wrong form", Mend: wrong.Field + " cannot be a " + wrong.Value}
	}
	return notJSON(err)
}

// expect reads one delimiter.
func (p *pieces) expect(want json.Delim) error {
	p.g.left = maxPiece
	return expect(p.d, want)
}

// skip passes over one value.
func (p *pieces) skip() error {
	for depth := 0; ; {
		t, err := p.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("objects nested more than %d deep at byte %d", maxDepth, p.d.InputOffset())
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// outcome is a claim, or why there is none.
type outcome struct {
	claim reputation.Claim
	err   error
	entry int
	text  string
}

// piecewise reads formats in which an entry gives several claims and refusals.
type piecewise struct {
	o     *Options
	fill  func(*piecewise) error // adds the outcomes of further entries; io.EOF at the end
	queue []outcome
	at    int
	entry int    // number of the entry
	text  string // of the entry, as refusals show it
	count int
}

// Next implements Reader.
func (p *piecewise) Next(c *reputation.Claim) error {
	for p.at == len(p.queue) {
		p.queue, p.at = p.queue[:0], 0
		if err := p.fill(p); err != nil {
			return p.refused(err, p.entry, p.text)
		}
	}
	out := p.queue[p.at]
	p.queue[p.at] = outcome{}
	p.at++
	if *c = out.claim; out.err == nil {
		out.err = settle(c, p.o)
	}
	if out.err != nil {
		return p.refused(out.err, out.entry, out.text)
	}
	p.count++
	return bound(p.o, p.count)
}

// refused makes the *Refusal of an entry; other errors end the feed.
func (p *piecewise) refused(err error, entry int, text string) error {
	err = refusal(err, entry, []byte(text))
	if _, ok := err.(*Refusal); ok {
		p.count++
		if bad := bound(p.o, p.count); bad != nil {
			return bad
		}
	}
	return err
}

// begin starts an entry.
func (p *piecewise) begin(text string) {
	p.entry++
	p.text = text
}

// base is the claim that an entry's own words are put into.
func (p *piecewise) base() reputation.Claim {
	return reputation.Claim{Source: p.o.Source.ID, Kind: p.o.Source.Kind, Note: p.o.Name}
}

func (p *piecewise) give(c reputation.Claim, o reputation.Object) {
	c.Object = o
	if o.Type == reputation.TypeFile || o.Type == reputation.TypeTLSH {
		c.Kind = ofFile(p.o, c.Kind)
	}
	p.queue = append(p.queue, outcome{c, nil, p.entry, p.text})
}

func (p *piecewise) refuse(err error) {
	p.queue = append(p.queue, outcome{reputation.Claim{}, err, p.entry, p.text})
}

// ofFile is what a file is that belongs to something bad: malware, unless the
// source's kind was chosen.
func ofFile(o *Options, k reputation.Kind) reputation.Kind {
	switch k {
	case reputation.KindSuspicious, reputation.KindC2, reputation.KindDistribution, reputation.KindBot, reputation.KindExploit:
		if !o.told || k != o.Source.Kind {
			return reputation.KindMalware
		}
	}
	return k
}

// errNot ends a feed that is not what it should be.
func errNot(what string) error { return errors.New("not a " + what) }
