package agent

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/model"
)

// maxActions bounds the statuses that are kept.
const maxActions = 256

// killing carries out kill_process actions of the signed set, once each.
type killing struct {
	killer *process.Killer
	log    Log
	allow  bool // the device's own configuration
	device func() model.DeviceID
	submit func(*model.Event)
	nudge  func()
	wake   chan struct{}

	mu      sync.Mutex
	mode    model.Mode // policy's; empty until one came: actions wait for it
	actions []model.Action
	status  map[model.ID]model.PartStatus
}

func newKilling(cfg *Config, log Log, hasher *process.Hasher) *killing {
	return &killing{
		killer: &process.Killer{Protected: cfg.KillProtected, Hasher: hasher},
		log:    log, allow: cfg.AllowKill, wake: make(chan struct{}, 1), status: map[model.ID]model.PartStatus{},
	}
}

// setMode takes policy's word; actions that it held back are tried again.
func (k *killing) setMode(m model.Mode) {
	k.mu.Lock()
	if m != k.mode {
		k.mode = m
		for id, st := range k.status {
			if !st.Applied {
				delete(k.status, id)
			}
		}
	}
	k.mu.Unlock()
	k.signal()
}

// setActions takes the present set; statuses of actions that left it go.
func (k *killing) setActions(all []model.Action) {
	var mine []model.Action
	device := k.device()
	keep := map[model.ID]bool{}
	for _, a := range all {
		if a.Kind == model.ActionKillProcess && a.Scope.Device == device && device != "" && len(mine) < maxActions {
			mine = append(mine, a)
			keep[a.ID] = true
		}
	}
	k.mu.Lock()
	k.actions = mine
	for id := range k.status {
		if !keep[id] {
			delete(k.status, id)
		}
	}
	k.mu.Unlock()
	k.signal()
}

func (k *killing) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// statuses gives what became of each action.
func (k *killing) statuses() map[model.ID]model.PartStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make(map[model.ID]model.PartStatus, len(k.status))
	for id, st := range k.status {
		out[id] = st
	}
	return out
}

func (k *killing) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
			k.pass(time.Now())
		}
	}
}

func (k *killing) pass(now time.Time) {
	k.mu.Lock()
	mode := k.mode
	var todo []model.Action
	if mode == "" {
		k.mu.Unlock()
		return
	}
	for _, a := range k.actions {
		if _, done := k.status[a.ID]; !done && (a.Expires.IsZero() || a.Expires.After(now)) {
			todo = append(todo, a)
		}
	}
	k.mu.Unlock()
	for i := range todo {
		st := k.carryOut(&todo[i], mode)
		k.mu.Lock()
		k.status[todo[i].ID] = st
		k.mu.Unlock()
		k.nudge()
	}
}

// carryOut kills, or says why not.
func (k *killing) carryOut(a *model.Action, mode model.Mode) model.PartStatus {
	var killed []uint32
	err := k.permitted(a, mode)
	if err == nil {
		killed, err = k.killer.Kill(a.Process)
	}
	now := time.Now()
	if errors.Is(err, process.ErrGone) {
		err = nil // what was wanted is so
	}
	st := model.PartStatus{Applied: err == nil, At: now}
	if err != nil {
		st.Error = err.Error()
		k.log.Warn("process not killed", "action", a.ID.String(), "error", st.Error)
		k.submit(killEvent(model.KindActionFailed, a, k.device(), now, "", st.Error))
		return st
	}
	if len(killed) > 0 {
		k.log.Info("process killed", "action", a.ID.String(), "path", a.Process.Path, "pid", a.Process.PID, "count", len(killed))
		ev := killEvent(model.KindProcessKilled, a, k.device(), now, a.Process.Path+" was ended", "")
		ev.Count = uint32(len(killed))
		k.submit(ev)
	}
	return st
}

var (
	errNotAllowed = errors.New("this device's configuration does not allow it (allow_kill: false)")
	errPolicy     = errors.New("policy only observes (kill_mode)")
	errObserve    = errors.New("the action only observes")
)

func (k *killing) permitted(a *model.Action, mode model.Mode) error {
	switch {
	case !k.allow:
		return errNotAllowed
	case a.Mode != model.ModeEnforce:
		return errObserve
	case mode != model.ModeEnforce && mode != model.ModePropose: // proposed ones come only when approved
		return errPolicy
	}
	return nil
}

func killEvent(kind model.Kind, a *model.Action, device model.DeviceID, now time.Time, what, failure string) *model.Event {
	e := &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: device, Layer: model.LayerDevice,
		Kind: kind, Severity: model.SeverityMedium, Rule: "action:" + a.ID.String(), Count: 1, Process: a.Process}
	if a.Process != nil {
		e.Subject = a.Process.Path
		what += " (process " + strconv.FormatUint(uint64(a.Process.PID), 10) + ")"
	}
	if failure != "" {
		e.Explanation = "The process could not be ended: " + failure + "."
		e.Advice = "The gate's block still holds; end the process by hand or allow it in policy."
		return e
	}
	e.Explanation = what + " because of action " + a.ID.String() + ": " + a.Reason
	return e
}
