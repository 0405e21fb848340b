package modbus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// span is a comparison with a number or with a range of addresses.
type span struct {
	given    bool
	op       byte // '=', '<', '>' or '-' for between
	from, to uint32
}

// match says whether a number passes.
func (s *span) match(v uint32) bool { return s.overlaps(v, v) }

// overlaps says whether some number from first to last passes.
func (s *span) overlaps(first, last uint32) bool {
	switch s.op {
	case '=':
		return s.from >= first && s.from <= last
	case '<':
		return first < s.from
	case '>':
		return last > s.from
	default:
		return s.from < last && first < s.to
	}
}

// want is the compiled argument of the modbus keyword.
type want struct {
	unit        span
	access      access
	address     span
	value       span
	category    category
	hasCategory bool
	function    uint8
	sub         uint16
	hasSub      bool
}

func keyword() protocol.Keyword {
	return protocol.Keyword{
		Name: "modbus", Dirs: protocol.ToServerOnly, On: []protocol.ID{protocol.Modbus}, Stage: protocol.StageStart,
		Doc: "unit, function (a number or a group) with subfunction, or access (read or write) with table, address and value, of a request",
		Compile: func(arg string) (protocol.Test, error) {
			w, err := compile(arg)
			if err != nil {
				return nil, err
			}
			return func(tx protocol.Tx, d packet.Direction) bool {
				t, ok := tx.(*Tx)
				return ok && d == packet.ToServer && t.request.there && w.match(&t.request)
			}, nil
		},
	}
}

func (w *want) match(m *message) bool {
	if w.unit.given && !w.unit.match(uint32(m.unit)) {
		return false
	}
	switch {
	case w.access != 0:
		return w.matchAccess(m)
	case w.hasCategory:
		return m.category()&w.category != 0
	case w.function != 0:
		return m.function == w.function && (!w.hasSub || m.hasSub && m.sub == w.sub)
	}
	return true
}

func (w *want) matchAccess(m *message) bool {
	a := m.access()
	tables := w.access & accessTables
	if a&w.access&(accessRead|accessWrite) == 0 || tables != 0 && a&tables == 0 {
		return false
	}
	if !w.address.given {
		return true
	}
	first, last, ok := m.addresses()
	if !ok || !w.address.overlaps(first, last) {
		return false
	}
	if !w.value.given {
		return true
	}
	v, ok := m.written(w.address.from)
	return ok && w.value.match(uint32(v))
}

// compile reads the argument: parts divided by commas, each a word with what
// belongs to it.
func compile(arg string) (*want, error) {
	w := &want{}
	parts := strings.Split(strings.Trim(arg, `" `), ",")
	for i, part := range parts {
		word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		rest = strings.TrimSpace(rest)
		var err error
		switch {
		case word == "unit" && i == 0:
			err = w.unit.parse(rest)
		case word == "function" && !w.chosen():
			err = w.parseFunction(rest)
		case word == "subfunction" && w.function != 0 && !w.hasSub:
			var n uint64
			n, err = strconv.ParseUint(rest, 10, 16)
			w.sub, w.hasSub = uint16(n), true
		case word == "access" && !w.chosen():
			err = w.parseAccess(rest)
		case word == "address" && w.access != 0 && !w.address.given:
			err = w.address.parse(rest)
		case word == "value" && w.address.given && !w.value.given:
			err = w.parseValue(rest)
		default:
			return nil, fmt.Errorf("%q is out of place; write unit N, function N, subfunction N, or access read|write TABLE, address N, value N", strings.TrimSpace(part))
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *want) chosen() bool { return w.access != 0 || w.hasCategory || w.function != 0 }

func (w *want) parseFunction(text string) error {
	if n, err := strconv.ParseUint(text, 10, 8); err == nil {
		if n == 0 {
			return fmt.Errorf("0 is not a function")
		}
		w.function = uint8(n)
		return nil
	}
	name, not := strings.CutPrefix(text, "!")
	switch strings.TrimSpace(name) {
	case "assigned":
		w.category = categoryAssigned
	case "unassigned":
		w.category = categoryUnassigned
	case "public":
		w.category = categoryAssigned | categoryUnassigned
	case "user":
		w.category = categoryUser
	case "reserved":
		w.category = categoryReserved
	case "all":
		w.category = categoryAll
	default:
		return fmt.Errorf("%q is neither a function number nor assigned, unassigned, public, user, reserved or all", text)
	}
	if not {
		w.category = categoryAll &^ w.category
	}
	w.hasCategory = true
	return nil
}

func (w *want) parseAccess(text string) error {
	kind, table, _ := strings.Cut(text, " ")
	switch kind {
	case "read":
		w.access = accessRead
	case "write":
		w.access = accessWrite
	default:
		return fmt.Errorf("%q is neither read nor write", kind)
	}
	switch table = strings.TrimSpace(table); {
	case table == "":
	case table == "coils":
		w.access |= accessCoils
	case table == "holding":
		w.access |= accessHolding
	case table == "discretes" && kind == "read":
		w.access |= accessDiscretes
	case table == "input" && kind == "read":
		w.access |= accessInput
	default:
		return fmt.Errorf("%q cannot be accessed so; write coils or holding, or (to read) discretes or input", table)
	}
	return nil
}

func (w *want) parseValue(text string) error {
	if w.address.op != '=' || w.access&accessWrite == 0 {
		return fmt.Errorf("a value needs write access and one address")
	}
	return w.value.parse(text)
}

// parse reads N, <N, >N or N<>M.
func (s *span) parse(text string) error {
	s.given, s.op = true, '='
	a, b, between := strings.Cut(text, "<>")
	switch {
	case between:
		s.op = '-'
	case strings.HasPrefix(text, "<"), strings.HasPrefix(text, ">"):
		s.op, a = text[0], text[1:]
	}
	from, err := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	to := uint64(0)
	if err == nil && between {
		to, err = strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not a number or a range such as 5, <5, >5 or 1<>5", text)
	}
	s.from, s.to = uint32(from), uint32(to)
	return nil
}
