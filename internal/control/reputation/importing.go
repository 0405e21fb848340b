package reputation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// keptRefusals is how many refused entries of a feed are shown.
const keptRefusals = 20

// maxReasons is how many different reasons of refusals are counted.
const maxReasons = 100

// shownText bounds the text of a refused entry that is shown, in bytes.
const shownText = 120

// taken counts what became of the entries of a copy.
type taken struct {
	read, refused int
	own           int // entries that are, hold or lie inside something of the operator's
	format        string
	refusals      []rest.ReputationRefusal // the first
	reasons       map[string]int           // how many for what
	change        ledger.Change
}

func (t *taken) refuse(r rest.ReputationRefusal) {
	t.refused++
	if _, known := t.reasons[r.Problem]; known || len(t.reasons) < maxReasons {
		t.reasons[r.Problem]++
	}
	if len(t.refusals) < keptRefusals {
		r.Text = strings.ToValidUTF8(r.Text[:min(len(r.Text), shownText)], "�")
		t.refusals = append(t.refusals, r)
	}
}

// intake takes the claims of one source.
type intake struct {
	s     *Service
	imp   *ledger.Import
	batch []intel.Claim
	taken taken
}

// intakeBatch is how many claims are handed to the ledger while it is locked.
const intakeBatch = 1024

func (s *Service) newIntake(imp *ledger.Import) *intake {
	return &intake{s: s, imp: imp, batch: make([]intel.Claim, 0, intakeBatch), taken: taken{reasons: map[string]int{}}}
}

// stage reads a copy into an import that is not in force yet. The caller holds
// work, and commits or aborts the import.
func (s *Service) stage(ctx context.Context, d *Feed, id intel.SourceID, path string) (*intake, error) {
	s.mu.Lock()
	imp, err := s.ledger.Import(id, s.seconds())
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	in := s.newIntake(imp)
	src := d.source()
	src.ID = id
	err = fetch.Read(path, func(name string, r io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return in.read(d, src, name, r)
	})
	if err == nil {
		err = in.flush()
	}
	if err != nil {
		in.abort()
		return nil, err
	}
	s.mu.RLock()
	in.taken.change = in.imp.Change()
	s.mu.RUnlock()
	return in, nil
}

func (in *intake) commit() {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.imp.Commit()
}

func (in *intake) abort() {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.imp.Abort()
}

// guessFrom is how much of a file is looked at to guess its format.
const guessFrom = 16 << 10

// openFeed reads a file with the format of the feed, or with the one it looks
// like. A file without a byte is no reader and no error.
func openFeed(d *Feed, src intel.Source, now uint32, name string, r io.Reader) (feed.Reader, string, error) {
	in := bufio.NewReaderSize(r, guessFrom)
	head, err := in.Peek(guessFrom)
	if len(head) == 0 {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, d.Format, err
	}
	format := d.Format
	if format == "" {
		if format = feed.Guess(head); format == "" {
			return nil, "", errors.New("its format cannot be told; set format")
		}
	}
	title := strings.TrimSuffix(name, filepath.Ext(name))
	if d.TAXII != "" || d.MISP != "" {
		title = "" // the files' names are ours or numbers
	}
	fr, err := feed.Open(format, in, feed.Options{Source: src, Now: now, Name: title,
		Below: d.Below, Mapping: d.Mapping})
	return fr, format, err
}

func (in *intake) read(d *Feed, src intel.Source, name string, r io.Reader) error {
	fr, format, err := openFeed(d, src, in.s.seconds(), name, r)
	in.taken.format = format
	if err != nil || fr == nil {
		return err
	}
	var c intel.Claim
	for {
		err := fr.Next(&c)
		var refusal *feed.Refusal
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &refusal):
			in.taken.refuse(rest.ReputationRefusal{Line: refusal.Line, Text: refusal.Text, Problem: refusal.Problem, Mend: refusal.Mend})
			continue
		case err != nil:
			return err
		}
		c.Source = src.ID
		in.taken.read++
		if in.s.own.has(&c.Object) {
			in.taken.own++
		}
		if in.batch = append(in.batch, c); len(in.batch) == cap(in.batch) {
			if err := in.flush(); err != nil {
				return err
			}
		}
	}
}

// flush hands the ledger what has been read.
func (in *intake) flush() error {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.s.tune()
	for i := range in.batch {
		err := in.imp.Add(&in.batch[i])
		var refusal *ledger.Refusal
		switch {
		case err == nil:
		case errors.As(err, &refusal):
			in.taken.refuse(rest.ReputationRefusal{Text: refusal.Object, Problem: refusal.Problem, Mend: refusal.Mend})
		default:
			return err
		}
	}
	in.batch = in.batch[:0]
	return nil
}

const (
	// leastToShrink is how many entries a feed must have had for a loss of most
	// of them to say anything.
	leastToShrink = 10
)

// The codes of doubts.
const (
	doubtUnreadable = "unreadable"
	doubtShrunk     = "shrunk"
	doubtOwn        = "own"
	doubtBenign     = "benign"
	doubtBefore     = "before"
)

// suspect says why a copy should not be applied without a person's word, or nil.
func (c *HoldConfig) suspect(d *Feed, t *taken) *rest.ReputationDoubt {
	ch := t.change
	switch {
	case t.read == 0 && t.refused > 0:
		return &rest.ReputationDoubt{Code: doubtUnreadable, N: t.refused}
	case ch.Before >= leastToShrink && float64(ch.Before-ch.After)*100 >= c.ShrinkPercent*float64(ch.Before):
		return &rest.ReputationDoubt{Code: doubtShrunk, N: ch.After, Was: ch.Before}
	case d.speaksFor():
		return nil
	case t.own > 0:
		return &rest.ReputationDoubt{Code: doubtOwn, N: t.own}
	case ch.Benign > 0 && float64(ch.Benign)*100 > c.BenignPercent*float64(ch.After):
		return &rest.ReputationDoubt{Code: doubtBenign, N: ch.Benign}
	}
	return nil
}

// doubtWords says a doubt in words; "" for none.
func doubtWords(d *rest.ReputationDoubt) string {
	if d == nil {
		return ""
	}
	switch d.Code {
	case doubtUnreadable:
		return fmt.Sprintf("none of its %d entries can be read", d.N)
	case doubtShrunk:
		return fmt.Sprintf("has %d entries where it had %d", d.N, d.Was)
	case doubtOwn:
		return fmt.Sprintf("lists %d of your own addresses or names", d.N)
	case doubtBenign:
		return fmt.Sprintf("lists %d things that warninglists name", d.N)
	}
	return "held back before the last start"
}
