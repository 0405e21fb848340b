package gate

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/afxdp"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

func TestModesOfInspection(t *testing.T) {
	one, two := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 1}}, datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 2}, VLAN: 7}
	type modes = map[datapath.DeviceKey]model.Mode
	for name, tt := range map[string]struct {
		limit  model.Mode
		policy model.Policy
		want   inline.Modes
	}{
		"no policy":               {"enforce", model.Policy{}, inline.Modes{All: "observe", Devices: modes{one: "enforce"}}},
		"no policy, limited":      {"observe", model.Policy{}, inline.Modes{All: "observe", Devices: modes{one: "observe"}}},
		"a policy":                {"enforce", model.Policy{InspectMode: "off"}, inline.Modes{All: "off", Devices: modes{}}},
		"a policy, limited":       {"observe", model.Policy{InspectMode: "enforce"}, inline.Modes{All: "observe", Devices: modes{}}},
		"of one device":           {"enforce", model.Policy{InspectDevices: map[model.DeviceID]model.Mode{"mac-020000000a02.v7": "off"}}, inline.Modes{All: "observe", Devices: modes{one: "enforce", two: "off"}}},
		"of all and of a device":  {"enforce", model.Policy{InspectMode: "enforce", InspectDevices: map[model.DeviceID]model.Mode{"mac-020000000a01": "observe"}}, inline.Modes{All: "enforce", Devices: modes{one: "observe"}}},
		"of a device of no shape": {"enforce", model.Policy{InspectMode: "observe", InspectDevices: map[model.DeviceID]model.Mode{"x": "off"}}, inline.Modes{All: "observe", Devices: modes{}}},
	} {
		cfg := Default()
		cfg.Inspection.Devices, cfg.Inspection.Limit = map[string]model.Mode{deviceMAC: model.ModeEnforce}, tt.limit
		if d := cmp.Diff(tt.want, cfg.modes(&tt.policy)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestSignedPolicySetsInspection: the mode of the policy holds at once, and
// what it leaves undone is told.
func TestSignedPolicySetsInspection(t *testing.T) {
	g := narrowGate(t, &narrow{room: 1})
	file := filepath.Join(t.TempDir(), "test.rules")
	if err := os.WriteFile(file, []byte(testRules), 0o644); err != nil {
		t.Fatal(err)
	}
	g.cfg.Inspection.Enabled, g.cfg.Inspection.Rules = true, []string{file}
	g.openInspection()
	if g.inspection == nil {
		t.Fatal(g.inspectErr)
	}
	stops := func() (bool, string) {
		for _, c := range g.coverage() {
			if c.Protection == "inspection.block" {
				return c.Active, c.Reason
			}
		}
		return false, "nothing is said"
	}
	p := model.Policy{FloodMode: model.ModeObserve, KillMode: model.ModeObserve, InspectMode: model.ModeEnforce,
		InspectDevices: map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeOff}}
	if err := g.setPolicy(1, wire.EncodePolicy(&p)); err != nil {
		t.Fatal(err)
	}
	if s := g.inspection.Status(); s.Mode != model.ModeEnforce || s.Own != 1 {
		t.Errorf("status %+v", s)
	}
	p.InspectMode = model.ModeObserve
	if err := g.setPolicy(2, wire.EncodePolicy(&p)); err != nil {
		t.Fatal(err)
	}
	if ok, why := stops(); ok || !strings.Contains(why, "policy") {
		t.Errorf("stops %v: %s", ok, why)
	}
	g.cfg.Inspection.Limit = model.ModeOff
	p.InspectMode = model.ModeEnforce
	if err := g.setPolicy(3, wire.EncodePolicy(&p)); err != nil {
		t.Fatal(err)
	}
	if ok, why := stops(); ok || !strings.Contains(why, "limit") || g.inspection.Status().Mode != model.ModeOff {
		t.Errorf("stops %v: %s", ok, why)
	}
}

// TestNobodyCanInspect: with the sockets taken, fail mode open forwards and
// says so, closed lets nothing through.
func TestNobodyCanInspect(t *testing.T) {
	for mode, passes := range map[string]bool{"open": true, "closed": false} {
		t.Run(mode, func(t *testing.T) {
			w := inspected(t, model.ModeEnforce, testRules)
			w.cfg.FailMode = mode
			taken, err := within(w.gate, func() (io.Closer, error) {
				return afxdp.Open(afxdp.Config{Inside: "in", Outside: "out", Bind: func(datapath.Side, int, int, int) error { return nil }})
			})
			if err != nil {
				t.Skipf("needs AF_XDP: %v", err)
			}
			defer taken.Close()
			stop := w.start(testLog(t), nil)
			defer func() { stop() }()
			w.serve(80, answerHTTP)
			if _, err := w.get("/"); (err == nil) != passes {
				t.Errorf("GET /: %v", err)
			}
			s := w.until("counted", func(s Status) bool {
				return passes && s.Totals.Uninspected > 0 || !passes && s.Totals.DroppedFail > 0
			})
			for _, c := range s.Coverage {
				if c.Protection == "inspection" && !c.Active && strings.Contains(c.Reason, "fail_mode "+mode) {
					return
				}
			}
			t.Errorf("coverage %+v", s.Coverage)
		})
	}
}

// TestUnreadableRulesAtTheStart: no rules, no inspection: the fail mode holds,
// and the gate says which file.
func TestUnreadableRulesAtTheStart(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.FailMode = "closed"
	w.cfg.Inspection.Rules = []string{filepath.Join(t.TempDir(), "nowhere.rules")}
	stop := w.start(slog.New(slog.DiscardHandler), nil)
	defer func() { stop() }()
	w.serve(80, answerHTTP)
	if got, err := w.get("/"); err == nil {
		t.Errorf("fail mode closed, but answered: %q", got)
	}
	for _, c := range w.status().Coverage {
		if c.Protection == "inspection" && strings.Contains(c.Reason, "nowhere.rules") {
			return
		}
	}
	t.Errorf("coverage %+v", w.status().Coverage)
}
