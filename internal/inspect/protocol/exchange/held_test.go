package exchange

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// TestHeldStays takes messages of three bytes off pieces, and checks that what
// was taken is still the same when the rest is held.
func TestHeldStays(t *testing.T) {
	const d = packet.ToClient
	var h Held
	for _, step := range []struct {
		give string
		take []string
		left int
	}{
		{"ab", nil, 2},
		{"cde", []string{"abc"}, 2},
		{"fghijk", []string{"def", "ghi"}, 2},
		{"l", []string{"jkl"}, 0},
		{"mnop", []string{"mno"}, 1},
	} {
		data := h.Join(d, []byte(step.give))
		var taken [][]byte
		for ; len(data) >= 3; data = data[3:] {
			taken = append(taken, data[:3])
		}
		h.Keep(d, data)
		if len(taken) != len(step.take) || h.Len(d) != step.left {
			t.Fatalf("after %q: %q taken, %d held", step.give, taken, h.Len(d))
		}
		for i, want := range step.take {
			if string(taken[i]) != want {
				t.Errorf("after %q: %q was %q", step.give, taken[i], want)
			}
		}
	}
	h.Drop(d)
	if got := h.Join(d, []byte("x")); h.Len(d) != 0 || string(got) != "x" {
		t.Errorf("after Drop: %q", got)
	}
}
