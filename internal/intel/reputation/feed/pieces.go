package feed

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
)

// maxPiece is how many bytes one object of a document may have.
const maxPiece = 4 << 20

// pieces reads a JSON document and keeps the members that are wanted of one object
// of it at a time.
type pieces struct {
	*jsonscan.Scanner
	room  []byte // texts of the object that is read
	wrong error  // its first member of the wrong form
}

func newPieces(r io.Reader) *pieces {
	return &pieces{Scanner: jsonscan.New(&limited{r, maxDocument}, maxPiece)}
}

// object forgets the texts of the object before.
func (p *pieces) object() {
	p.Piece()
	p.room, p.wrong = p.room[:0], nil
}

// keep copies b to where it stays until the next object.
func (p *pieces) keep(b []byte) []byte {
	n := len(p.room)
	p.room = append(p.room, b...)
	return p.room[n:len(p.room):len(p.room)]
}

// text reads a member that must be text. null is none; a value of another form is
// passed over and remembered in wrong.
func (p *pieces) text(member string, to *[]byte) error {
	return p.member(member, '"', func() error {
		b, err := p.Text()
		*to = p.keep(b)
		return err
	})
}

// loose reads a value that makers write as text, number or truth.
func (p *pieces) loose(member string, to *[]byte) error {
	ch, err := p.Peek()
	if err != nil || ch == '"' || ch == '{' || ch == '[' || ch == 'n' {
		return p.text(member, to)
	}
	b, err := p.Scalar()
	*to = p.keep(b)
	return err
}

// truth reads a member that must be true or false.
func (p *pieces) truth(member string, to *bool) error {
	ch, err := p.Peek()
	if err != nil || ch != 't' && ch != 'f' {
		return p.other(member, ch, err)
	}
	b, err := p.Scalar()
	*to = string(b) == "true"
	return err
}

// number reads a member that must be a number.
func (p *pieces) number(member string, to *float64) error {
	ch, err := p.Peek()
	if err != nil || ch != '-' && (ch < '0' || ch > '9') {
		return p.other(member, ch, err)
	}
	b, err := p.Scalar()
	if err != nil {
		return err
	}
	v, bad := strconv.ParseFloat(string(b), 64)
	if *to = v; bad != nil && p.wrong == nil {
		p.wrong = wrongForm(member, "number")
	}
	return nil
}

// list reads each value of a member that must be an array.
func (p *pieces) list(member string, each func() error) error {
	return p.member(member, '[', func() error {
		if err := p.Array(); err != nil {
			return err
		}
		for {
			if ok, err := p.Item(); !ok {
				return err
			}
			if err := each(); err != nil {
				return err
			}
		}
	})
}

// members reads each member of a value that must be an object.
func (p *pieces) members(member string, each func(name []byte) error) error {
	return p.member(member, '{', func() error {
		if err := p.Object(); err != nil {
			return err
		}
		for {
			name, ok, err := p.Key()
			if !ok {
				return err
			}
			if err := each(name); err != nil {
				return err
			}
		}
	})
}

// member reads a value that begins with want.
func (p *pieces) member(member string, want byte, read func() error) error {
	ch, err := p.Peek()
	if err == nil && ch == want {
		return read()
	}
	return p.other(member, ch, err)
}

// other passes over a value of another form than it should have; null is none.
func (p *pieces) other(member string, begins byte, err error) error {
	if err != nil {
		return notJSON(err)
	}
	if begins != 'n' && p.wrong == nil {
		p.wrong = wrongForm(member, formOf(begins))
	}
	return p.Skip()
}

func wrongForm(member, form string) error {
	return &Refusal{Problem: "a member of the wrong form", Mend: member + " cannot be " + form}
}

// formOf names what a value is by its first byte.
func formOf(begins byte) string {
	switch begins {
	case '"':
		return "text"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "true or false"
	}
	return "this number"
}

// notJSON makes the end of a document before its end an error of its own: a
// truncated feed must not look like a short one.
func notJSON(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
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
	entry int       // number of the entry
	parts [3][]byte // of the entry, as refusals show it; good until the next fill
	count int
}

// Next implements Reader.
func (p *piecewise) Next(c *reputation.Claim) error {
	for p.at == len(p.queue) {
		p.queue, p.at = p.queue[:0], 0
		if err := p.fill(p); err != nil {
			return p.refused(err, p.entry, p.text())
		}
	}
	out := p.queue[p.at]
	p.queue[p.at] = outcome{}
	p.at++
	if *c = out.claim; out.err == nil {
		out.err = settle(c, p.o)
	}
	if out.err != nil {
		if out.text == "" {
			out.text = out.claim.Object.String()
		}
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

// begin starts an entry, which refusals show by its parts.
func (p *piecewise) begin(parts ...[]byte) {
	p.entry++
	p.parts = [3][]byte{}
	copy(p.parts[:], parts)
}

// text is the entry as refusals show it.
func (p *piecewise) text() string { return excerpt(bytes.Join(p.parts[:], []byte(" "))) }

// base is the claim that an entry's own words are put into.
func (p *piecewise) base() reputation.Claim {
	return reputation.Claim{Source: p.o.Source.ID, Kind: p.o.Source.Kind, Note: p.o.Name}
}

func (p *piecewise) give(c reputation.Claim, o reputation.Object) {
	c.Object = o
	if o.Type == reputation.TypeFile || o.Type == reputation.TypeTLSH {
		c.Kind = ofFile(p.o, c.Kind)
	}
	p.queue = append(p.queue, outcome{c, nil, p.entry, ""})
	if host, ok := ofHost(&c); ok {
		p.queue = append(p.queue, outcome{host, nil, p.entry, ""})
	}
}

func (p *piecewise) refuse(err error) {
	p.queue = append(p.queue, outcome{reputation.Claim{}, err, p.entry, p.text()})
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
