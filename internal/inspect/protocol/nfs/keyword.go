package nfs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func keywords() []protocol.Keyword {
	return []protocol.Keyword{{
		Name: "nfs_procedure", Aliases: []string{"nfs.procedure"}, Dirs: protocol.ToServerOnly, On: []protocol.ID{protocol.NFS}, Stage: protocol.StageStart,
		Doc: "procedure of NFS: a number, >5, <5, 3<>8 (both ends included) or a name (getattr)", Compile: compileProcedure,
	}}
}

func compileProcedure(arg string) (protocol.Test, error) {
	s := strings.TrimSpace(arg)
	if name, not := strings.CutPrefix(s, "!"); nameOfAny(strings.TrimLeft(name, "= ")) {
		return named(strings.TrimLeft(name, "= "), not), nil
	}
	low, high, not, err := span(s)
	if err != nil {
		return nil, err
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && (t.procedure >= low && t.procedure <= high) != not
	}, nil
}

// span reads a comparison as a range with both ends included.
func span(s string) (low, high uint32, not bool, err error) {
	const top = 1<<32 - 1
	number := func(s string) uint32 {
		n, e := strconv.ParseUint(strings.TrimSpace(s), 0, 32)
		if e != nil && err == nil {
			err = fmt.Errorf("nfs_procedure: %q is neither a procedure's name nor a number from 0 to 4294967295", s)
		}
		return uint32(n)
	}
	if a, b, ok := strings.Cut(s, "<>"); ok {
		low, high = number(a), number(b)
		if err == nil && low >= high {
			err = fmt.Errorf("nfs_procedure: %q is empty; write the lower number first", s)
		}
		return low, high, false, err
	}
	for _, op := range []string{">=", "<=", "!=", ">", "<", "!", "="} {
		rest, ok := strings.CutPrefix(s, op)
		if !ok {
			continue
		}
		n := number(rest)
		switch op {
		case ">=":
			return n, top, false, err
		case "<=":
			return 0, n, false, err
		case ">":
			return min(n, top-1) + 1, top, n == top, err
		case "<":
			return 0, max(n, 1) - 1, n == 0, err
		case "=":
			return n, n, false, err
		}
		return n, n, true, err
	}
	if a, b, ok := strings.Cut(s, "-"); ok {
		return number(a), number(b), false, err
	}
	n := number(s)
	return n, n, false, err
}

func nameOfAny(s string) bool {
	for version := uint32(2); version <= 4; version++ {
		if _, ok := procedureNumber(version, s); ok {
			return true
		}
	}
	return false
}

// named tests for a name, which means another number in every version.
func named(name string, not bool) protocol.Test {
	var numbers [5]uint32
	var known [5]bool
	for version := uint32(2); version <= 4; version++ {
		numbers[version], known[version] = procedureNumber(version, name)
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		if !ok || t.version >= uint32(len(known)) {
			return false
		}
		return (known[t.version] && numbers[t.version] == t.procedure) != not
	}
}
