package txlist

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// tx is a transaction that shows nothing.
type tx struct {
	inspection protocol.Inspection
}

func (t *tx) Clear(number uint64)                                        { t.inspection.Reset(number) }
func (t *tx) Stage(packet.Direction) protocol.Stage                      { return protocol.StageDone }
func (t *tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }
func (t *tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool)  { return 0, false }
func (t *tx) Files(packet.Direction) []*protocol.File                    { return nil }
func (t *tx) Inspection() *protocol.Inspection                           { return &t.inspection }
func (t *tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

func TestSweepKeepsOrderAndNumbers(t *testing.T) {
	var l List[tx, *tx]
	for range 4 {
		l.New()
	}
	l.Live()[1].inspection.Done = true
	l.Live()[2].inspection.Done = true
	l.Sweep()
	if l.New().inspection.Number != 4 || l.Next() != 5 || len(l.Txs()) != 3 {
		t.Fatalf("%d transactions, next %d", len(l.Txs()), l.Next())
	}
	for i, want := range []uint64{0, 3, 4} {
		if got := l.Txs()[i].Inspection().Number; got != want || l.Live()[i].inspection.Number != want {
			t.Errorf("transaction %d has number %d, want %d", i, got, want)
		}
	}
	l.Reset()
	if len(l.Txs()) != 0 || l.New().inspection.Number != 0 {
		t.Error("not reset")
	}
}

func TestNoAllocations(t *testing.T) {
	var l List[tx, *tx]
	run := func() {
		for range 8 {
			l.New().inspection.Done = true
		}
		l.Sweep()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
