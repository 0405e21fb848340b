package gate

import (
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/model"
)

// narrow is a data path with room for few rules and trusted devices; it does
// what configure asks and nothing else.
type narrow struct {
	datapath.Datapath // nil: what the test does not expect panics
	room              int
	full              bool // no place for a trusted device
	rules             []datapath.Rule
	blocked           []netip.Prefix
	refuses           error // of SetBlocklist
	spared            []datapath.DeviceKey
	own               map[datapath.DeviceKey]datapath.Ceilings
}

func (n *narrow) SetInside([]netip.Prefix, bool) error            { return nil }
func (n *narrow) SetFailMode(datapath.FailMode) error             { return nil }
func (n *narrow) Heartbeat() error                                { return nil }
func (n *narrow) Totals() (datapath.Totals, error)                { return datapath.Totals{}, nil }
func (n *narrow) ReadFlows(func(*datapath.FlowCounter)) error     { return nil }
func (n *narrow) ReadDevices(func(*datapath.DeviceCounter)) error { return nil }
func (n *narrow) ReadHits(func(*datapath.RuleHits)) error         { return nil }

func (n *narrow) TakeRefusals(func(*datapath.Refusal)) error { return nil }

func (n *narrow) SetSpared(d []datapath.DeviceKey) error {
	n.spared = d
	return nil
}

func (n *narrow) SetBlocklist(p []netip.Prefix) error {
	if n.refuses == nil {
		n.blocked = p
	}
	return n.refuses
}

func (n *narrow) SetCeilings(k datapath.DeviceKey, c datapath.Ceilings) error {
	n.own[k] = c
	return nil
}

func (n *narrow) SetTrusted([]datapath.DeviceKey) error {
	if n.full {
		return errors.New("device table is full")
	}
	return nil
}

func (n *narrow) SetRules(rules []datapath.Rule) error {
	if len(rules) > n.room {
		return &datapath.RuleError{Rule: rules[n.room].ID, Err: errors.New("no room")}
	}
	n.rules = rules
	return nil
}

func narrowGate(t *testing.T, n *narrow) *Gate {
	n.own = make(map[datapath.DeviceKey]datapath.Ceilings)
	cfg := Default()
	cfg.State = filepath.Join(t.TempDir(), "state")
	g := newGate(cfg, slog.New(slog.DiscardHandler), "test")
	g.dp = n
	g.desk = block.New(g.deskConfig())
	return g
}

// TestRefusedRulesLeaveTheRestInForce: what the data path has no room for must
// not keep what it has room for from being enforced.
func TestRefusedRulesLeaveTheRestInForce(t *testing.T) {
	n := &narrow{room: 2}
	g := narrowGate(t, n)
	var actions []model.Action
	for i := range 5 {
		actions = append(actions, model.Action{ID: model.ID{byte(i + 1)}, Kind: model.ActionDrop, Mode: model.ModeEnforce,
			Shape: model.Shape{Proto: 17, DstPort: uint16(i + 1)}})
	}
	g.desk.SetActions(actions, nil, time.Now())
	fates := g.enforce()
	applied := 0
	for _, f := range fates {
		if f.Applied {
			applied++
		} else if !strings.Contains(f.Block.Error, "no room") {
			t.Errorf("refused with %q", f.Block.Error)
		}
	}
	if len(n.rules) != 2 || applied != 2 || len(fates) != 5 {
		t.Errorf("%d rules in force, %d of %d told as applied; want 2 of 5", len(n.rules), applied, len(fates))
	}
	if g.lastErr != "" {
		t.Errorf("the write counts as failed: %s", g.lastErr)
	}
}

// TestConfigurationIsTriedAgain: what a full table keeps from being in force is
// said in the coverage and comes into force when there is room.
func TestConfigurationIsTriedAgain(t *testing.T) {
	n := &narrow{room: 9, full: true}
	g := narrowGate(t, n)
	now := time.Now()
	if g.configure(now) == nil {
		t.Fatal("no error")
	}
	missing := func() (reason string) {
		for _, c := range g.coverage() {
			if c.Protection == "configuration" {
				reason = c.Reason
			}
		}
		return reason
	}
	if !strings.Contains(missing(), "table is full") {
		t.Errorf("coverage says %q", missing())
	}
	n.full = false
	g.scan(now.Add(retryEvery / 2))
	if missing() == "" {
		t.Error("tried again too soon")
	}
	g.scan(now.Add(retryEvery))
	if missing() != "" {
		t.Errorf("coverage still says %q", missing())
	}
}

// TestOwnCeilingsGo: a device whose own limits were taken out of the policy
// gets everybody's.
func TestOwnCeilingsGo(t *testing.T) {
	n := &narrow{room: 9}
	g := narrowGate(t, n)
	cam := flood.Device{MAC: [6]byte{2, 0, 0, 0, 10, 1}}
	g.policy.DeviceLimits = map[model.DeviceID]model.FloodLimits{block.DeviceID(cam): {SYN: 100000}}
	if err := g.configure(time.Now()); err != nil {
		t.Fatal(err)
	}
	all, key := n.own[datapath.DeviceKey{}], datapath.DeviceKey(cam)
	if n.own[key] == all {
		t.Fatal("no ceilings of its own")
	}
	g.policy.DeviceLimits = nil
	if err := g.configure(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n.own[key] != all {
		t.Errorf("ceilings %v, want %v", n.own[key], all)
	}
}
