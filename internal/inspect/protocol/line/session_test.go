package line

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// TestSession passes over the ends of long lines and what a gap has broken, in
// each direction on its own.
func TestSession(t *testing.T) {
	var s Session
	var got []string
	say := func(d packet.Direction, text string) {
		for data := []byte(text); ; {
			line, rest, ok := s.Next(d, data, 4)
			if !ok {
				return
			}
			got, data = append(got, string(line)), rest
		}
	}
	say(packet.ToServer, "ab\r\nlong line\r\nc")
	say(packet.ToClient, "x\n")
	s.Gap(packet.ToServer)
	say(packet.ToServer, "lost\r\nd\r\n")
	s.Reset()
	say(packet.ToServer, "e\r\n")
	want := []string{"ab", "long", "x", "d", "e"}
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestFold(t *testing.T) {
	for _, x := range []struct {
		text                    string
		begins, opens, contains bool
	}{
		{"", false, true, false},
		{"SM", false, true, false},
		{"SmtP", true, true, true},
		{"smtps", true, false, true},
		{"esmtp", false, false, true},
		{"smt\x10", false, false, false},
	} {
		b := []byte(x.text)
		if Begins(b, "smtp") != x.begins || Opens(b, "smtp") != x.opens || Contains(b, "smtp") != x.contains {
			t.Errorf("%q: %v %v %v", x.text, Begins(b, "smtp"), Opens(b, "smtp"), Contains(b, "smtp"))
		}
	}
}
