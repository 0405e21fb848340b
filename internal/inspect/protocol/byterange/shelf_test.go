package byterange

import (
	"bytes"
	"fmt"
	"testing"
)

// TestWhole puts parts together in and out of order, overlapping and cut short.
func TestWhole(t *testing.T) {
	want := []byte("0123456789abcdef")
	for _, parts := range [][][2]int{{{0, 8}, {8, 16}}, {{8, 16}, {0, 8}}, {{12, 16}, {0, 3}, {2, 13}}, {{4, 6}, {8, 10}, {0, 16}}} {
		var s Shelf
		for i, p := range parts {
			f := s.Open([]byte("host/a"), 16, int64(i))
			f.Write(uint64(p[0]), want[p[0]:p[1]])
			data, ok := f.Take()
			if last := i == len(parts)-1; ok != last || last && !bytes.Equal(data, want) {
				t.Errorf("%v: after part %d: %q, %v", parts, i, data, ok)
			}
		}
		if s.bytes != 0 || len(s.files) != 0 {
			t.Errorf("%d bytes and %d files are left", s.bytes, len(s.files))
		}
	}
}

// TestBounds checks that a shelf keeps to its bounds and forgets what is old.
func TestBounds(t *testing.T) {
	var s Shelf
	for i := range 3 * maxFiles {
		f := s.Open(fmt.Appendf(nil, "k%d", i), maxFile, int64(i))
		f.Write(maxFile-1, []byte("x"))
		f.Write(1<<40, []byte("x"))
		if len(s.files) > maxFiles || s.bytes > maxBytes {
			t.Fatalf("%d files, %d bytes", len(s.files), s.bytes)
		}
	}
	if s.Open([]byte("k"), maxFile+1, 0) != nil || s.Open([]byte("k"), 0, 0) != nil {
		t.Error("a file without a size, or too large, is kept")
	}
	f := s.Open([]byte("old"), 2, 0)
	f.Write(0, []byte("a"))
	g := s.Open([]byte("old"), 2, maxAge+1)
	g.Write(1, []byte("b"))
	if _, ok := g.Take(); ok {
		t.Error("a part that is too old still counts")
	}
	f.Write(0, []byte("a")) // forgotten: nothing happens
	h := s.Open([]byte("many"), maxFile, maxAge+1)
	for i := range uint64(2 * maxPieces) {
		h.Write(2*i, []byte("x"))
	}
	if _, ok := s.files["many"]; ok {
		t.Error("a file in too many pieces is kept")
	}
}

// FuzzShelf writes parts at random and checks the bounds.
func FuzzShelf(f *testing.F) {
	f.Add([]byte{0, 8, 8, 8}, uint16(16))
	f.Fuzz(func(t *testing.T, parts []byte, total uint16) {
		var s Shelf
		for i := 0; i+1 < len(parts); i += 2 {
			x := s.Open([]byte("k"), uint64(total), int64(i))
			if x == nil {
				return
			}
			x.Write(uint64(parts[i]), make([]byte, parts[i+1]))
			if data, ok := x.Take(); ok && len(data) != int(total) {
				t.Fatalf("%d bytes of %d", len(data), total)
			}
		}
	})
}
