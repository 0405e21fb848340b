package quic

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// TestNoAllocation holds packets after the first, whose keys are derived.
func TestNoAllocation(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	one := seal(version1, packet.ToServer, 0, make([]byte, 100))
	fields := parsetest.Fields(Spec().ID)
	run := func() {
		f.Send(packet.ToServer, one)
		f.Ask(fields)
		f.Parser.Sweep()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
