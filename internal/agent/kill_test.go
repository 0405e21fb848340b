package agent

import (
	"context"
	"log/slog"
	"os/exec"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/model"
)

const testDevice = model.DeviceID("mac-020000000a01")

type killRig struct {
	*killing
	events chan *model.Event
}

func newKillRig(t *testing.T, allow bool) killRig {
	cfg := DefaultConfig()
	cfg.AllowKill = allow
	r := killRig{newKilling(&cfg, slog.New(slog.DiscardHandler), process.NewHasher(0)), make(chan *model.Event, 8)}
	r.device = func() model.DeviceID { return testDevice }
	r.submit = func(e *model.Event) { r.events <- e }
	r.nudge = func() {}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go r.run(ctx)
	return r
}

// settled waits for the status of an action.
func (r killRig) settled(t *testing.T, id model.ID) model.PartStatus {
	t.Helper()
	for range 300 {
		if st, ok := r.statuses()[id]; ok {
			return st
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the action was not carried out")
	return model.PartStatus{}
}

func victimProcess(t *testing.T) (*exec.Cmd, *model.ProcessEvidence) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var e *model.ProcessEvidence
	for range 200 { // until the program is in place
		var err error
		if e, err = process.Evidence(uint32(cmd.Process.Pid)); err == nil && len(e.Args) > 0 && e.Args[0] == "sleep" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	sum, err := process.NewHasher(0).Executable(e.PID, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	e.SHA256 = sum
	return cmd, e
}

func killAction(e *model.ProcessEvidence) model.Action {
	now := time.Now()
	return model.Action{ID: model.NewID(now), Kind: model.ActionKillProcess, Mode: model.ModeEnforce,
		Scope: model.Scope{Device: testDevice}, Process: e, Expires: now.Add(time.Minute)}
}

func TestKillNeedsPolicyAndConfiguration(t *testing.T) {
	for _, c := range []struct {
		name    string
		allow   bool
		policy  model.Mode
		change  func(*model.Action)
		applied bool
		ignored bool
	}{
		{name: "allowed", allow: true, policy: model.ModeEnforce, applied: true},
		{name: "approved by a person", allow: true, policy: model.ModePropose, applied: true},
		{name: "policy observes", allow: true, policy: model.ModeObserve},
		{name: "no policy yet", allow: true, ignored: true},
		{name: "configuration forbids", policy: model.ModeEnforce},
		{name: "action observes", allow: true, policy: model.ModeEnforce, change: func(a *model.Action) { a.Mode = model.ModeObserve }},
		{name: "other device", allow: true, policy: model.ModeEnforce, ignored: true, change: func(a *model.Action) { a.Scope.Device = "mac-020000000a02" }},
		{name: "every device", allow: true, policy: model.ModeEnforce, ignored: true, change: func(a *model.Action) { a.Scope.Device = "" }},
		{name: "expired", allow: true, policy: model.ModeEnforce, ignored: true, change: func(a *model.Action) { a.Expires = time.Now().Add(-time.Second) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newKillRig(t, c.allow)
			cmd, e := victimProcess(t)
			a := killAction(e)
			if c.change != nil {
				c.change(&a)
			}
			r.setMode(c.policy)
			r.setActions([]model.Action{a})
			if c.ignored {
				time.Sleep(100 * time.Millisecond)
				if len(r.statuses()) != 0 || !alive(e) {
					t.Fatal("an action that is not for this device was carried out")
				}
				return
			}
			st := r.settled(t, a.ID)
			if st.Applied != c.applied || (st.Error == "") != c.applied {
				t.Fatalf("status %+v", st)
			}
			if !c.applied {
				if !alive(e) {
					t.Fatal("the process was killed")
				}
				return
			}
			if err := cmd.Wait(); err == nil || alive(e) {
				t.Fatal("the process lives")
			}
			if ev := <-r.events; ev.Kind != model.KindProcessKilled || ev.Process.PID != e.PID {
				t.Fatalf("event %+v", ev)
			}
		})
	}
}

func TestPolicyThatComesLaterReleasesTheAction(t *testing.T) {
	r := newKillRig(t, true)
	_, e := victimProcess(t)
	a := killAction(e)
	r.setActions([]model.Action{a})
	r.setMode(model.ModeObserve)
	if r.settled(t, a.ID).Applied || !alive(e) {
		t.Fatal("killed although policy only observes")
	}
	r.setMode(model.ModeEnforce)
	for range 300 {
		if r.statuses()[a.ID].Applied {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the action was not tried again")
}
