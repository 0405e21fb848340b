package gate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// reporter is what the gate needs of the link.
type reporter interface {
	Submit(e *model.Event) // never waits for the network
	Nudge()                // report the state at once
	Run(ctx context.Context) error
	Status() client.Status
}

// maxSet bounds one set: the tails of the largest reputation set fit.
const maxSet = 32 << 20

// IdentityDir is where the identity of a gate with the given state folder is.
func IdentityDir(state string) string { return filepath.Join(state, "identity") }

// openLink prepares the link when the gate has enrolled; without an identity
// the gate protects alone.
func (g *Gate) openLink() error {
	id, err := identity.Open(IdentityDir(g.cfg.State))
	if errors.Is(err, identity.ErrNotEnrolled) {
		g.log.Warn("not enrolled: the gate protects alone and reports to nobody")
		return nil
	}
	if err != nil {
		return err
	}
	g.part = id.Part()
	g.spool, err = spool.Open(spool.Config{Dir: filepath.Join(g.cfg.State, "spool"), MaxBytes: g.cfg.Control.SpoolBytes, Sync: spool.SyncBatches})
	if err != nil {
		return err
	}
	link, err := client.New(client.Config{
		Endpoint: g.cfg.Control.Endpoint, Identity: id, Spool: g.spool, Software: g.version, Log: g.log,
		ReportEvery: g.cfg.Control.ReportEvery, State: g.partState,
		Sets: map[string]func(uint64, []byte) error{
			wire.SetPolicy: g.setPolicy, wire.SetActions: g.setActions, wire.SetReputation: g.setReputation, wire.SetReputationTails: g.setReputationTails,
		},
		Differences: map[string]func(payload, difference []byte) ([]byte, error){
			wire.SetReputation: edge.Apply, wire.SetReputationTails: edge.ApplyTails,
		},
		MaxSet: maxSet,
	})
	if err != nil {
		g.closeLink()
		return fmt.Errorf("link: %w", err)
	}
	g.link = link
	return nil
}

func (g *Gate) closeLink() {
	if g.spool == nil {
		return
	}
	if err := g.spool.Close(); err != nil {
		g.log.Error("close spool", "error", err)
	}
}

// partState is what the gate says of itself to the control plane.
func (g *Gate) partState() *wire.PartState {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &g.totals
	return &wire.PartState{
		Software: g.version, Started: g.started,
		Coverage: g.coverage(), Actions: g.desk.Statuses(), Devices: g.devices.changed(time.Now()),
		Counters: map[string]uint64{
			"forwarded_packets": t.Forwarded, "forwarded_bytes": t.ForwardedBytes,
			"dropped_packets":           t.DroppedRule + t.DroppedBlocklist + t.DroppedCeiling + t.DroppedFail + t.DroppedSpoofed,
			"dropped_rule_packets":      t.DroppedRule,
			"dropped_blocklist_packets": t.DroppedBlocklist,
			"dropped_ceiling_packets":   t.DroppedCeiling,
			"dropped_fail_packets":      t.DroppedFail,
			"dropped_spoofed_packets":   t.DroppedSpoofed,
			"malformed_packets":         t.Malformed,
			"uncounted_device_packets":  t.DeviceTableFull,
			"uncounted_flow_packets":    t.FlowTableFull,
			"scans_late":                g.loop.Late,
		},
	}
}
