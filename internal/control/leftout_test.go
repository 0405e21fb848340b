package control

import (
	"crypto/sha256"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// TestBadActionIsLeftOut: one action that parts would refuse keeps no other
// away from gates and agents, and is told once.
func TestBadActionIsLeftOut(t *testing.T) {
	const device = model.DeviceID("mac-020000000001")
	kill := func(mode model.Mode) model.Action {
		return model.Action{ID: model.NewID(time.Now()), Kind: model.ActionKillProcess, Mode: mode, Scope: model.Scope{Device: device}, Process: &model.ProcessEvidence{PID: 7, Start: 9}}
	}
	good, bad, other := kill(model.ModeEnforce), kill("perhaps"), kill(model.ModeObserve)
	d := newTestDesk(t, newMemory())
	var told []string
	d.onLeftOut = func(a *model.Action, err error) { told = append(told, a.ID.String()+" "+err.Error()) }
	for range 2 { // the second time nothing is new
		if err := d.publish(t.Context(), []model.Action{good, bad, other}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []model.PartID{"gate-000000000001", "agent-000000000001"} {
		actions, _, err := wire.DecodeActions(d.sets.Latest(part, device, setActions).Payload)
		if err != nil || len(actions) != 2 || actions[0].ID != good.ID || actions[1].ID != other.ID {
			t.Errorf("%s is given %v, %v", part, actions, err)
		}
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], bad.ID.String()+" mode") {
		t.Errorf("told %q", told)
	}
}

// TestStoredSetWithBadAction: a set that an earlier version kept, with an
// action that this one refuses, does not keep the control plane from starting.
func TestStoredSetWithBadAction(t *testing.T) {
	const device = model.DeviceID("mac-020000000001")
	now := time.Now()
	good := model.Action{ID: model.NewID(now), Kind: model.ActionKillProcess, Mode: model.ModeEnforce, Scope: model.Scope{Device: device}}
	whole := wire.EncodeActions([]model.Action{{Kind: "old"}, good}, nil)
	for _, payload := range [][]byte{whole, append(whole[:len(whole):len(whole)], 0xff)} {
		m := newMemory()
		m.sets[setAgentActions] = model.SignedSet{Name: setAgentActions, Version: 7, Payload: payload, SHA256: sha256.Sum256(payload), Issued: now, Expires: now.Add(setLife)}
		signer, err := identity.OpenSigner(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		book, err := newSetBook(t.Context(), signer, m, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		actions, _, err := wire.DecodeActions(book.Latest("agent-000000000001", device, setActions).Payload)
		if err != nil || len(actions) != 1 || actions[0].ID != good.ID {
			t.Errorf("the agent is given %v, %v", actions, err)
		}
	}
}
