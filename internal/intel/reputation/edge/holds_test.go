package edge

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// TestHolds: a set says what it holds, also after a
// difference, and does not count the marks that say so.
func TestHolds(t *testing.T) {
	file := func(digits int) reputation.Object {
		return reputation.Object{Type: reputation.TypeFile, Text: strings.Repeat("a", digits)}
	}
	name := reputation.Object{Type: reputation.TypeDomain, Text: "evil.example"}
	payload := func(version uint64, objects ...reputation.Object) []byte {
		snap, err := Build(func(yield func(reputation.Object, reputation.Brief) bool) {
			for _, o := range objects {
				if !yield(o, reputation.Brief{Score: 95}) {
					return
				}
			}
		}, Config{Header: Header{Class: ClassLarge, Version: version, Issued: 1, Expires: 9}})
		if err != nil {
			t.Fatal(err)
		}
		if snap.Kept != len(objects) {
			t.Errorf("%d kept of %d", snap.Kept, len(objects))
		}
		return snap.Payload
	}
	check := func(what string, b []byte, n int, want Holds) {
		t.Helper()
		s, err := Open(b, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() != n || s.Holds() != want {
			t.Errorf("%s: %d entries, holds %v; want %d, %v", what, s.Len(), s.Holds(), n, want)
		}
	}
	check("nothing", payload(1), 0, 0)
	names := payload(1, name)
	check("no files", names, 1, HoldsNames)
	both := payload(2, name, file(32), file(64))
	check("two digests", both, 3, HoldsNames|HoldsMD5|HoldsSHA256)
	delta, err := Delta(names, both)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Apply(names, delta)
	if err != nil {
		t.Fatal(err)
	}
	check("after a difference", next, 3, HoldsNames|HoldsMD5|HoldsSHA256)
	check("one", payload(1, file(40)), 1, HoldsSHA1)
}
