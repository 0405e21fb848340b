package inline

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
)

// TestNames: a name is news once in a while, another name at once, and however
// many come, few are kept.
func TestNames(t *testing.T) {
	a := &alerts{names: names{on: true}}
	in := &Inspection{workers: []*worker{{sink: a}}}
	cam, addr := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0, 1}}, netip.MustParseAddr("203.0.113.7")
	now := time.Now().UnixNano()
	note := func(name string, after time.Duration) int {
		a.noteName(cam, addr, []byte(name), now+int64(after))
		return len(in.FetchNames())
	}
	if note("a.example", 0) != 1 || note("a.example", time.Minute) != 0 || note("b.example", time.Minute) != 1 || note("b.example", time.Hour) != 1 {
		t.Error("what is news is not told, or what is not")
	}
	if note("", 0) != 0 || note(string(make([]byte, 300)), 0) != 0 {
		t.Error("what is no name is told")
	}
	buf := []byte("same.example")
	a.noteName(cam, addr, buf, now)
	if n := testing.AllocsPerRun(100, func() { a.noteName(cam, addr, buf, now) }); n != 0 {
		t.Errorf("a known name costs %v allocations", n)
	}
	for i := range 3 * maxNames {
		a.noteName(cam, netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), fmt.Appendf(nil, "n%d.example", i), now)
	}
	if len(a.names.list) > maxNames || len(in.FetchNames()) > maxNames {
		t.Error("more names are kept than there is room for")
	}
	in.NoteNames(false)
	if note("c.example", 2*time.Hour) != 0 {
		t.Error("names are gathered though nobody wants them")
	}
}
