package reputation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// Checked is what became of the entries of one file.
type Checked struct {
	File     string                   `json:"file"`
	Format   string                   `json:"format"`
	Read     int                      `json:"read"`   // entries that are claims
	Stored   int                      `json:"stored"` // different objects of them
	Refused  int                      `json:"refused"`
	Problem  string                   `json:"problem,omitempty"` // why reading ended
	Reasons  map[string]int           `json:"reasons"`           // how many entries were refused for what
	Refusals []rest.ReputationRefusal `json:"refusals"`          // the first of them
	Seconds  float64                  `json:"seconds"`
}

// Check reads files as feeds would be read, into a ledger that is thrown away,
// and says what becomes of their entries. d gives format, kind and the like;
// d.File is a file, a folder with all below it, or a pattern.
func Check(ctx context.Context, d Feed, now func() time.Time, yield func(Checked) error) error {
	names, err := filesOf(d.File)
	if err != nil {
		return err
	}
	s := &Service{now: now, log: slog.New(slog.DiscardHandler), own: &ownThings{}, ledger: ledger.New(ledger.Config{})}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.Name = name // each file is a source of its own
		c, err := s.checkFile(&d, name)
		if err != nil {
			return err
		}
		if err := yield(c); err != nil {
			return err
		}
	}
	return nil
}

// filesOf are the files that a path names.
func filesOf(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		names, gerr := filepath.Glob(path)
		if gerr != nil || len(names) == 0 {
			return nil, err
		}
		return names, nil
	}
	if !st.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if names = append(names, name); len(names) > fetch.MaxFiles {
				err = fmt.Errorf("%s has more than %d files", path, fetch.MaxFiles)
			}
		}
		return err
	})
	return names, err
}

func (s *Service) checkFile(d *Feed, name string) (Checked, error) {
	f, err := os.Open(name)
	if err != nil {
		return Checked{}, err
	}
	defer f.Close()
	start := time.Now()
	src := d.source()
	src.ID = s.ledger.Source(src)
	imp, err := s.ledger.Import(src.ID, s.seconds())
	if err != nil {
		return Checked{}, err
	}
	in := s.newIntake(imp)
	err = in.read(d, src, fetch.ListName(name), f)
	if err == nil {
		err = in.flush()
	}
	c := Checked{File: name, Format: in.taken.format, Read: in.taken.read, Refused: in.taken.refused,
		Stored: imp.Change().After, Reasons: in.taken.reasons, Refusals: in.taken.refusals}
	var full *ledger.Full
	switch {
	case errors.As(err, &full):
		return c, err
	case err != nil:
		c.Problem = err.Error()
	}
	imp.Abort()
	s.ledger.Forget(src.ID)
	c.Seconds = time.Since(start).Seconds()
	return c, nil
}
