package control

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// TestAgentGetsOnlyItsOwnActions publishes actions on two devices and a block,
// and looks at what each part is given, also after a restart.
func TestAgentGetsOnlyItsOwnActions(t *testing.T) {
	const one, two, three = model.DeviceID("mac-020000000001"), model.DeviceID("mac-020000000002"), model.DeviceID("mac-020000000003")
	now := time.Now()
	kill := func(device model.DeviceID) model.Action {
		return model.Action{ID: model.NewID(now), Kind: model.ActionKillProcess, Mode: model.ModeEnforce, Scope: model.Scope{Device: device}, Process: &model.ProcessEvidence{PID: 7, Start: 9}}
	}
	block := model.Action{ID: model.NewID(now), Kind: model.ActionDrop, Mode: model.ModeEnforce, Shape: model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.10/32")}}
	first, second := kill(one), kill(two)

	m, dir := newMemory(), t.TempDir()
	signer, err := identity.OpenSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := newTestDesk(t, m)
	d.sets.signer = signer
	check := func(book *setBook, part model.PartID, device model.DeviceID, want ...model.ID) *wire.SignedSet {
		t.Helper()
		s := book.Latest(part, device, setActions)
		if s == nil {
			t.Fatalf("%s has no set", part)
		}
		actions, _, err := wire.DecodeActions(s.Payload)
		if err != nil {
			t.Fatal(err)
		}
		var got []model.ID
		for _, a := range actions {
			got = append(got, a.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s on %q is given %v, want %v", part, device, got, want)
		}
		if s.Name != setActions || len(s.Payload) > 0 && book.held(s.SHA256) == nil {
			t.Errorf("set %q of %s cannot be fetched", s.Name, part)
		}
		return s
	}
	all := func(book *setBook) {
		t.Helper()
		check(book, "gate-000000000001", "", first.ID, second.ID, block.ID)
		check(book, "agent-000000000001", one, first.ID)
		check(book, "agent-000000000002", two, second.ID)
		check(book, "agent-000000000003", three)
	}
	if s := d.sets.Latest("agent-000000000001", one, setActions); s != nil {
		t.Fatalf("a set before the first was published: %+v", s)
	}
	if err := d.publish(t.Context(), []model.Action{first, second, block}, nil); err != nil {
		t.Fatal(err)
	}
	all(d.sets)
	book, err := newSetBook(t.Context(), signer, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all(book)
	before := check(book, "agent-000000000001", one, first.ID).Version
	if err := d.publish(t.Context(), []model.Action{second}, nil); err != nil {
		t.Fatal(err)
	}
	if s := check(d.sets, "agent-000000000001", one); s.Version <= before {
		t.Errorf("version %d after %d: the agent would keep what it has", s.Version, before)
	}
}
