package listed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// guessFrom is how much of a file is looked at to tell its format.
const guessFrom = 16 << 10

// trust is what the lists of ReadFiles are worth: the caller chose them.
const trust = 100

// ReadFiles makes a set of files: either one set as control planes sign it,
// with its tails beside it (FILE.tails) when there are any, or lists in any
// format that package feed can tell, each of which counts as a source of its
// own that is always right. now is in seconds since 1970. warn is told of lists
// with entries that were not taken. The error names the file and the mend.
func ReadFiles(files []string, now uint32, warn func(format string, args ...any)) (*edge.Set, error) {
	if len(files) == 1 {
		set, err := readSet(files[0], warn)
		if set != nil || err != nil {
			return set, err
		}
	}
	l := ledger.New(ledger.Config{})
	for _, file := range files {
		if err := readList(l, file, now, warn); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return FromLedger(l, now, warn)
}

// FromLedger makes a set of all that a ledger lists at a time, with its tails.
func FromLedger(l *ledger.Ledger, now uint32, warn func(format string, args ...any)) (*edge.Set, error) {
	each := func(yield func(reputation.Object, reputation.Brief) bool) { l.Each(now, yield) }
	snap, err := edge.Build(each, edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: 1, Issued: now, Expires: now + 1}})
	if err != nil {
		return nil, err
	}
	if snap.NoRoom > 0 {
		warn("%d entries have no room in a set and are left out; give fewer lists", snap.NoRoom)
	}
	set, err := edge.Open(snap.Payload, now, 0)
	if err != nil {
		return nil, err
	}
	return set.WithTails(snap.Tails)
}

// readSet reads a set; it gives nil without an error for what is none. Its life
// is no matter: captures are old.
func readSet(file string, warn func(string, ...any)) (*edge.Set, error) {
	payload, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set, err := edge.Open(payload, 0, 0)
	var bad *edge.Error
	if errors.As(err, &bad) && (bad.Reason == edge.Foreign || bad.Reason == edge.Truncated) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	tails, err := os.ReadFile(file + ".tails")
	switch {
	case err == nil:
		if set, err = set.WithTails(tails); err != nil {
			return nil, fmt.Errorf("%s.tails: %w", file, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		warn("%s.tails is not there: without it only addresses are found for sure, and names, URLs and files are left out", file)
	default:
		return nil, err
	}
	return set, nil
}

// readList adds a list to the ledger as a source of its own.
func readList(l *ledger.Ledger, file string, now uint32, warn func(string, ...any)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, guessFrom)
	head, err := in.Peek(guessFrom)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	format := feed.Guess(head)
	if format == "" {
		return errors.New("neither a reputation set nor a list in a format that can be told; masugata reputation import --check says more")
	}
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	src := reputation.Source{Name: file, Trust: trust}
	src.ID = l.Source(src)
	if src.ID == 0 {
		return errors.New("too many lists are given at once")
	}
	r, err := feed.Open(format, in, feed.Options{Source: src, Now: now, Name: name})
	if err != nil {
		return err
	}
	m, err := l.Merge(src.ID, now)
	if err != nil {
		return err
	}
	refused, err := addAll(m, r)
	if err != nil {
		m.Abort()
		return err
	}
	m.Commit()
	if refused > 0 {
		warn("%s: %d entries were not taken (format %s); masugata reputation import --check %s shows them", file, refused, format, file)
	}
	return nil
}

// addAll adds the claims of a feed, and counts those that are not taken.
func addAll(m *ledger.Import, r feed.Reader) (refused int, err error) {
	var c reputation.Claim
	for {
		err := r.Next(&c)
		if err == nil {
			err = m.Add(&c)
		}
		var unread *feed.Refusal
		var unkept *ledger.Refusal
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return refused, nil
		case errors.As(err, &unread) || errors.As(err, &unkept):
			refused++
		default:
			return refused, err
		}
	}
}
