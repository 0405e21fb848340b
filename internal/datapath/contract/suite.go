package contract

import (
	"bytes"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
)

// Implementation is what the suite needs of an implementation.
type Implementation struct {
	// Open puts a new data path between InsidePort and OutsidePort in the
	// namespace of the calling thread, or adopts the one that is there. The
	// state that outlives processes lies under dir, which the caller removes.
	Open func(t *testing.T, dir string) datapath.Datapath
	// Abandon runs Open and prepare in another process that is then killed,
	// with SIGKILL, while the calling thread's namespace stays. nil: the
	// implementation does not outlive its process.
	Abandon func(t *testing.T, dir string)
}

// AbandonedRules are what Abandon's process has to install before it dies:
// the suite then checks that they hold.
func AbandonedRules() []datapath.Rule {
	return []datapath.Rule{{ID: 77, Device: camera, Verdict: datapath.VerdictDrop}}
}

// bench is one test's rig with the data path in the middle.
type bench struct {
	*Rig
	*testing.T
	dp datapath.Datapath
}

// Run runs every test of the contract.
func Run(t *testing.T, impl Implementation) {
	tests := []struct {
		name string
		test func(*bench)
	}{
		{"ForwardsEverythingUnmodified", testForward},
		{"CarriesTCP", testTCP},
		{"CountsFlows", testFlows},
		{"CountsAnswers", testAnswers},
		{"CountsDevices", testDevices},
		{"DropRule", testDrop},
		{"RuleShapes", testShapes},
		{"LimitRule", testLimit},
		{"CountRule", testCount},
		{"Precedence", testPrecedence},
		{"Deadline", testDeadline},
		{"SetRulesKeepsHits", testKeepHits},
		{"SetRulesRefusesMalformed", testRefuse},
		{"ManyRules", testManyRules},
		{"Blocklist", testBlocklist},
		{"AntiSpoof", testAntiSpoof},
		{"Ceilings", testCeilings},
		{"FailModes", testFailModes},
		{"Malformed", testMalformed},
		{"ReadsDoNotAllocate", testAllocations},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{Rig: NewRig(t), T: t}
			b.dp = impl.Open(t, t.TempDir())
			t.Cleanup(func() {
				if err := b.dp.Detach(); err != nil {
					t.Errorf("detach: %v", err)
				}
			})
			must(t, b.dp.Heartbeat())
			tt.test(b)
		})
	}
	t.Run("Restart", func(t *testing.T) { testRestart(t, impl) })
	if impl.Abandon != nil {
		t.Run("Killed", func(t *testing.T) { testKilled(t, impl) })
	}
}

// passes says of one outward frame whether it arrived unmodified.
func (b *bench) passes(frame []byte) bool {
	b.Helper()
	got := b.Outward(b, frame)
	if len(got) > 1 || (len(got) == 1 && !bytes.Equal(got[0], frame)) {
		b.Fatalf("sent %x, arrived %x", frame, got)
	}
	return len(got) == 1
}

func (b *bench) wantPass(what string, frame []byte) {
	b.Helper()
	if !b.passes(frame) {
		b.Errorf("%s: was stopped", what)
	}
}

func (b *bench) wantStop(what string, frame []byte) {
	b.Helper()
	if b.passes(frame) {
		b.Errorf("%s: passed", what)
	}
}

// repeat sends n copies of the frame and gives how many arrived.
func (b *bench) repeat(n int, frame []byte) int {
	b.Helper()
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = frame
	}
	return len(b.Outward(b, frames...))
}

func (b *bench) flows() map[datapath.FlowKey]datapath.FlowCounter {
	b.Helper()
	out := map[datapath.FlowKey]datapath.FlowCounter{}
	must(b, b.dp.ReadFlows(func(f *datapath.FlowCounter) {
		if _, twice := out[f.FlowKey]; twice {
			b.Errorf("flow %v given twice", f.FlowKey)
		}
		out[f.FlowKey] = *f
	}))
	return out
}

func (b *bench) device(key datapath.DeviceKey) (found datapath.DeviceCounter) {
	b.Helper()
	must(b, b.dp.ReadDevices(func(d *datapath.DeviceCounter) {
		if d.DeviceKey == key {
			found = *d
		}
	}))
	return found
}

func (b *bench) hits(id datapath.RuleID) (found datapath.RuleHits) {
	b.Helper()
	must(b, b.dp.ReadHits(func(h *datapath.RuleHits) {
		if h.ID == id {
			found = *h
		}
	}))
	return found
}

func (b *bench) totals() datapath.Totals {
	b.Helper()
	t, err := b.dp.Totals()
	must(b, err)
	return t
}

func (b *bench) setRules(rules ...datapath.Rule) {
	b.Helper()
	must(b, b.dp.SetRules(rules))
}

func near(t time.Time) bool {
	d := time.Since(t)
	return d > -time.Second && d < 10*time.Second
}
