package number

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// which of several values must pass.
type which uint8

const (
	anyValue which = iota
	allValues
	allOrAbsent
	anyOrAbsent
	times     // a number of times
	oneValue  // the one at an index
	oneOrNone // the one at an index, or the index is out of bounds
	howMany   // nothing but their number counts
)

// Several is a compiled comparison with several values.
type Several struct {
	test     Test
	which    which
	often    Test // times, howMany
	index    int  // oneValue; below 0 from the end
	from, to int  // slice of the values; below 0 from the end
	slice    bool
}

// ParseSeveral compiles "VALUE[,INDEX[,FROM:TO]]" or "count COMPARISON". INDEX
// is any (the default), all, all_or_absent, or_absent, nbCOMPARISON, a number
// (below 0 from the end) or oob_orNUMBER.
func ParseSeveral(arg string, bits int, names map[string]uint64) (Several, error) {
	parts := strings.Split(arg, ",")
	if len(parts) > 3 {
		return Several{}, fmt.Errorf("%q has too many parts; write value,index,from:to", arg)
	}
	first := strings.TrimSpace(parts[0])
	if rest, ok := strings.CutPrefix(first, "count"); ok && len(parts) == 1 {
		t, err := Parse(rest, 32, nil)
		return Several{which: howMany, often: t}, err
	}
	t, err := Parse(first, bits, names)
	s := Several{test: t}
	if err == nil && len(parts) > 1 {
		err = s.parseIndex(strings.ToLower(strings.TrimSpace(parts[1])))
	}
	if err == nil && len(parts) > 2 {
		err = s.parseSlice(strings.TrimSpace(parts[2]))
	}
	return s, err
}

func (s *Several) parseIndex(arg string) (err error) {
	switch arg {
	case "any", "":
	case "all":
		s.which = allValues
	case "all_or_absent":
		s.which = allOrAbsent
	case "or_absent":
		s.which = anyOrAbsent
	default:
		if rest, ok := strings.CutPrefix(arg, "nb"); ok {
			s.which = times
			s.often, err = Parse(rest, 32, nil)
			return err
		}
		rest, orNone := strings.CutPrefix(arg, "oob_or")
		s.which = oneValue
		if orNone {
			s.which = oneOrNone
		}
		if s.index, err = index(rest); err != nil {
			return fmt.Errorf("%q is not an index; write any, all, nb>2, or a number such as 0 or -1", arg)
		}
	}
	return nil
}

func (s *Several) parseSlice(arg string) (err error) {
	from, to, ok := strings.Cut(arg, ":")
	if s.from, err = index(from); err == nil && ok {
		s.to, err = index(to)
	}
	if err != nil || !ok {
		return fmt.Errorf("%q is not a slice of values; write from:to, such as 1:4 or 0:-1", arg)
	}
	s.slice = true
	return nil
}

func index(s string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	return int(n), err
}

// bounds turns the slice into positions among n values, and says whether both
// are within them.
func (s *Several) bounds(n int) (from, to int) {
	if !s.slice {
		return 0, n
	}
	from, to = s.from, s.to
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	if from < 0 || to < 0 || from > n || to > n || from > to {
		return 0, 0
	}
	return from, to
}

// Match tests the values of a field of tx, as Tx.Uint gives them.
func (s *Several) Match(tx protocol.Tx, f protocol.Field, d packet.Direction) bool {
	if s.which == anyValue && !s.slice {
		return s.first(tx, f, d)
	}
	n := 0
	for n < math.MaxInt16 {
		if _, ok := tx.Uint(f, d, n); !ok {
			break
		}
		n++
	}
	from, to := s.bounds(n)
	switch s.which {
	case howMany:
		return s.often.Match(uint64(n))
	case oneValue, oneOrNone:
		return s.at(tx, f, d, from, to)
	}
	hits := 0
	for i := from; i < to; i++ {
		if v, _ := tx.Uint(f, d, i); s.test.Match(v) {
			hits++
		}
	}
	return s.verdict(hits, to-from)
}

func (s *Several) verdict(hits, of int) bool {
	switch s.which {
	case allValues:
		return of > 0 && hits == of
	case allOrAbsent:
		return hits == of
	case anyOrAbsent:
		return of == 0 || hits > 0
	case times:
		return s.often.Match(uint64(hits))
	default:
		return hits > 0
	}
}

func (s *Several) first(tx protocol.Tx, f protocol.Field, d packet.Direction) bool {
	for i := 0; i < math.MaxInt16; i++ {
		v, ok := tx.Uint(f, d, i)
		if !ok {
			return false
		}
		if s.test.Match(v) {
			return true
		}
	}
	return false
}

func (s *Several) at(tx protocol.Tx, f protocol.Field, d packet.Direction, from, to int) bool {
	i := from + s.index
	if s.index < 0 {
		i = to + s.index
	}
	if i < from || i >= to {
		return s.which == oneOrNone
	}
	v, _ := tx.Uint(f, d, i)
	return s.test.Match(v)
}

// Keyword makes a protocol.Keyword out of a field with several values, which
// the transactions of protocol id answer by Tx.Uint.
func Keyword(id protocol.ID, f protocol.Field, name string, bits int, names map[string]uint64, dirs protocol.Dirs, doc string, aliases ...string) protocol.Keyword {
	return protocol.Keyword{
		Name: name, Aliases: aliases, Dirs: dirs, On: []protocol.ID{id}, Stage: protocol.StageDone, Doc: doc,
		Compile: func(arg string) (protocol.Test, error) {
			s, err := ParseSeveral(arg, bits, names)
			if err != nil {
				return nil, err
			}
			return func(tx protocol.Tx, d packet.Direction) bool { return s.Match(tx, f, d) }, nil
		},
	}
}

// MatchOne compares a single value, whatever the index says.
func (s *Several) MatchOne(v uint64) bool { return s.test.Match(v) }
