package line

import (
	"bytes"
	"testing"
)

// lines reads text in pieces of n bytes.
func lines(text string, n, limit int) (out []string) {
	var r Reader
	for data := []byte(text); len(data) > 0; {
		k := min(n, len(data))
		for piece := data[:k]; len(piece) > 0; {
			line, end, rest, ok := r.Next(piece, limit)
			if !ok {
				break
			}
			out = append(out, string(line)+[]string{"~", "$", "#"}[end])
			piece = rest
		}
		data = data[k:]
	}
	return append(out, string(r.Rest()))
}

func TestLinesInAnyPieces(t *testing.T) {
	want := []string{"one#", "two$", "#", "a\rb#", "rest"}
	for n := 1; n < 20; n++ {
		got := lines("one\r\ntwo\n\r\na\rb\r\nrest", n, 100)
		if len(got) != len(want) {
			t.Fatalf("pieces of %d: %q", n, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("pieces of %d: %q", n, got)
			}
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte("one\r\ntwo\nthree four five\r\r\n\r"), uint8(3), uint8(4))
	f.Fuzz(func(t *testing.T, data []byte, n, limit uint8) {
		var r Reader
		var out []byte
		for rest := data; len(rest) > 0; {
			k := min(int(n)+1, len(rest))
			for piece := rest[:k]; len(piece) > 0; {
				before := len(piece)
				text, end, after, ok := r.Next(piece, int(limit)+2)
				if !ok {
					break
				}
				if len(after) == before && len(text) == 0 {
					t.Fatal("no progress")
				}
				out = append(out, text...)
				out = append(out, "\r\n"[2-end.Len():]...)
				piece = after
			}
			rest = rest[k:]
		}
		out = append(out, r.Rest()...)
		if !bytes.Equal(out, data) {
			t.Errorf("%q became %q", data, out)
		}
	})
}
