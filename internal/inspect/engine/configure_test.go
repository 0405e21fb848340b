package engine_test

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
)

func TestFlowConfigMemory(t *testing.T) {
	stock := flow.Default().Stream
	for _, c := range []struct {
		sessions, data string
		wantSessions   int
		wantMemory     int
		wrong          bool
	}{
		{"36kb", "1mb", 36 << 10 / flow.SessionBytes, 1 << 20, false},
		{"1b", "0", 1, stock.Memory, false},
		{"0", "64kb", stock.MaxSessions, 1 << 16, false},
		{"64mb", "1kb", 64 << 20 / flow.SessionBytes, stock.Memory, true},
		{"much", "1mb", stock.MaxSessions, 1 << 20, true},
	} {
		f, err := engine.FlowConfig(engine.Settings{"stream.memcap": c.sessions, "stream.reassembly.memcap": c.data}, false)
		if (err != nil) != c.wrong {
			t.Errorf("%+v: %v", c, err)
		}
		if f.Stream.MaxSessions != c.wantSessions || f.Stream.Memory != c.wantMemory {
			t.Errorf("%+v: %d sessions, %d bytes", c, f.Stream.MaxSessions, f.Stream.Memory)
		}
	}
}
