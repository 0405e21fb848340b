package control

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// minFree is the share of its disk that the data folder needs free.
const minFree = 0.05

// coverage holds what was last measured of the control plane's own
// protections. Safe for concurrent use.
type coverage struct {
	now   atomic.Pointer[[]model.Coverage]
	audit atomic.Pointer[model.Coverage]
}

func (c *coverage) list() []model.Coverage {
	if l := c.now.Load(); l != nil {
		return *l
	}
	return nil
}

// verifyAudit reads the whole audit trail and notes whether it is unbroken.
func (p *plane) verifyAudit(ctx context.Context) {
	audit := model.Coverage{Layer: model.LayerControl, Protection: "audit.chain", Active: true}
	if _, err := p.state.VerifyAudit(ctx); err != nil {
		audit.Active, audit.Reason = false, err.Error()
		p.log.Error("the audit trail does not hold", "error", err)
	}
	p.coverage.audit.Store(&audit)
}

// measureCoverage looks whether the control and data layers are protected: the
// audit trail unbroken when it was last read, the event store able to keep
// what comes.
func (p *plane) measureCoverage(ctx context.Context) {
	list := []model.Coverage{
		{Layer: model.LayerControl, Protection: "identity.mtls", Active: true},
		{Layer: model.LayerControl, Protection: "sets.signed", Active: true},
	}
	room := model.Coverage{Layer: model.LayerData, Protection: "events.room", Active: true}
	var fs unix.Statfs_t
	switch err := unix.Statfs(p.cfg.Data, &fs); {
	case err != nil:
		room.Active, room.Reason = false, err.Error()
	case float64(fs.Bavail) < minFree*float64(fs.Blocks):
		room.Active = false
		room.Reason = fmt.Sprintf("under %.0f %% of the disk is free: make room or lower events.retention", 100*minFree)
	}
	durable := model.Coverage{Layer: model.LayerData, Protection: "events.durable", Active: true}
	if err := p.healthy(ctx); err != nil {
		durable.Active, durable.Reason = false, err.Error()
	}
	if audit := p.coverage.audit.Load(); audit != nil {
		list = append(list, *audit)
	}
	list = append(list, durable, room)
	p.coverage.now.Store(&list)
}
