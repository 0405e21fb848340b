package gate

import (
	"context"
	"errors"

	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/model"
	"time"
)

// openInspection compiles the rules, before the data path is touched. Rules
// that cannot be read leave the gate without inspection: the fail mode says
// what becomes of the traffic, and the gate says that it does.
func (g *Gate) openInspection() {
	if !g.cfg.Inspection.Enabled {
		return
	}
	in, err := inline.New(g.cfg.inspection(&g.policy, g.log))
	if err != nil {
		g.noInspection(err)
		return
	}
	g.inspection = in
}

func (g *Gate) noInspection(err error) {
	g.inspection, g.inspectErr = nil, err.Error()
	g.log.Error("traffic is not inspected", "error", err)
}

// attachInspection has the data path hand over what is to be inspected. When
// nobody can inspect it, the fail mode holds from the first packet on.
func (g *Gate) attachInspection() error {
	if !g.cfg.Inspection.Enabled {
		return g.kernel.SetInspection(false)
	}
	v, err := g.kernel.Verdicts()
	if err != nil {
		return err
	}
	if g.inspection != nil {
		if err := g.inspection.Attach(v, g.kernel); err != nil {
			g.noInspection(errors.Join(err, g.inspection.Discard()))
		}
	}
	if g.inspection == nil {
		v.Forget()
		v.Gone()
		err = g.kernel.SetFailMode(failModes[g.cfg.FailMode])
	}
	return errors.Join(err, g.kernel.SetInspection(true))
}

// inspect runs an inspection. When it fails, the fail mode holds, and the
// gate goes on without it.
func (g *Gate) inspect(ctx context.Context, in *inline.Inspection) error {
	err := in.Run(ctx)
	if err == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inspectErr = err.Error()
	g.log.Error("inspection ended", "error", err)
	if ctx.Err() == nil {
		g.degraded("inspection", g.inspectionMissing(), model.SeverityHigh)
	}
	return nil
}

// reloadInspection puts the rules of a new configuration into force, or has an
// inspection that is missing begin again. It takes as long as compiling them
// does, so it must not hold mu.
func (g *Gate) reloadInspection() {
	g.mu.Lock()
	in, missing, cfg := g.inspection, g.inspectErr != "", g.cfg.inspection(&g.policy, g.log)
	g.mu.Unlock()
	switch {
	case missing:
		select {
		case g.again <- struct{}{}:
		default: // it is asked for already
		}
	case in != nil:
		if err := in.Reload(cfg); err != nil {
			g.log.Error("new rules not in force; the former ones hold", "error", err)
		}
	}
}

// inspectAgain begins an inspection that could not begin, or that failed, anew:
// rules, sockets, engines. It gives the one to run, or nil when it fails again.
// Call it where Run was called: the sockets are opened in that network
// namespace.
func (g *Gate) inspectAgain() *inline.Inspection {
	g.mu.Lock()
	missing, cfg := g.inspectErr != "", g.cfg.inspection(&g.policy, g.log)
	g.mu.Unlock()
	if !missing {
		return nil // an earlier reload was enough
	}
	in, err := inline.New(cfg)
	if err == nil {
		v, e := g.kernel.Verdicts()
		if err = e; err == nil {
			err = in.Attach(v, g.kernel)
		}
		if err != nil {
			err = errors.Join(err, in.Discard())
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.inspectErr = err.Error()
		g.log.Error("traffic is still not inspected", "error", err)
		return nil
	}
	g.reportAlerts(time.Now()) // of the former one
	in.SetModes(g.cfg.modes(&g.policy))
	g.inspection, g.inspectErr, g.contacts.named = in, "", false
	g.inspectListed()
	g.log.Info("traffic is inspected")
	return in
}

// keepInspection keeps what changes only with a restart.
func (c *InspectionConfig) keepInspection(old *InspectionConfig) (changed bool) {
	changed = c.Enabled != old.Enabled || c.Flows != old.Flows || c.Memory != old.Memory || c.Workers != old.Workers || c.Eve.Path != old.Eve.Path
	c.Enabled, c.Flows, c.Memory, c.Workers, c.Eve = old.Enabled, old.Flows, old.Memory, old.Workers, old.Eve
	return changed
}
