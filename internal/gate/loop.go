package gate

import (
	"context"
	"errors"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/model"
)

// scanLoop scans every flood.Tick at absolute times until ctx ends; scans
// that were missed are left out.
func (g *Gate) scanLoop(ctx context.Context) {
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		g.scan(time.Now())
		next = next.Add(flood.Tick)
		if late := time.Since(next); late > 0 {
			missed := late/flood.Tick + 1
			next = next.Add(missed * flood.Tick)
			g.mu.Lock()
			g.loop.Late += uint64(missed)
			g.mu.Unlock()
		}
		timer.Reset(time.Until(next))
	}
}

// scan reads all counters, judges them, and puts what follows into force.
func (g *Gate) scan(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.dp.Heartbeat(); err != nil {
		g.fault("heartbeat", err)
	}
	g.det.Begin(now)
	g.beginContacts(now)
	g.read(now)
	g.tellContacts(now)
	verdicts := g.det.End()
	for i := range verdicts {
		g.desk.Flood(&verdicts[i], now)
	}
	g.desk.Tick(now)
	fates := g.enforce()
	for i := range verdicts {
		g.report(&verdicts[i])
	}
	g.reportFates(fates)
	if now.Sub(g.told) >= time.Second {
		g.told = now
		g.tellings.turn(now, func(k tellingKey, more uint64) { g.submit(moreEvent(k, more, now)) })
		g.reportAlerts(now)
		g.reportRefusals(now)
	}
	g.devices.tick(now)
	g.reconfigure(now)
	g.lateTails(now)
	g.retryBlocklist(now)
	g.loop.Scans++
	g.loop.LastScan = time.Since(now)
	g.loop.WorstFor = max(g.loop.WorstFor, g.loop.LastScan)
}

func (g *Gate) read(now time.Time) {
	g.loop.Flows, g.loop.Devices = 0, 0
	if err := g.dp.ReadFlows(g.takeFlow); err != nil {
		g.fault("read flows", err)
	}
	if err := g.dp.ReadDevices(func(c *datapath.DeviceCounter) { g.takeDevice(c, now) }); err != nil {
		g.fault("read devices", err)
	}
	if err := g.dp.ReadHits(g.takeHits); err != nil {
		g.fault("read hits", err)
	}
	t, err := g.dp.Totals()
	if err != nil {
		g.fault("read totals", err)
		return
	}
	crowded := t.DeviceTableFull > g.totals.DeviceTableFull && g.loop.Scans > 0 // of before this process says nothing of now
	g.totals = t
	if crowded {
		g.crowd(now)
	}
}

// crowd notes that more devices send than are counted, and tells it when it
// begins.
func (g *Gate) crowd(now time.Time) {
	begins := now.Sub(g.crowded) > crowdedFor
	g.crowded = now
	if begins {
		g.log.Warn("protection missing", "protection", "device.count", "reason", g.crowdText())
		g.degraded("device.count", g.crowdText(), model.SeverityHigh)
	}
}

func (g *Gate) takeFlow(c *datapath.FlowCounter) {
	g.loop.Flows++
	g.convert = flood.Flow{
		Device: flood.Device(c.Device), Dst: c.Dst, Proto: c.Proto, DstPort: c.DstPort,
		Packets: c.Packets, Bytes: c.Bytes, Syn: c.Syn, BareAck: c.BareAck, HTTPRequests: c.HTTPRequests,
		BackPackets: c.BackPackets, BackBytes: c.BackBytes,
		LenMin: c.LenMin, LenMax: c.LenMax, SrcPortMin: c.SrcPortMin, SrcPortMax: c.SrcPortMax,
		TCPFlagsOr: c.TCPFlagsOr, TCPFlagsAnd: c.TCPFlagsAnd, First: c.First, Last: c.Last,
	}
	g.det.Flow(&g.convert)
	g.takeContact(c)
}

func (g *Gate) takeDevice(c *datapath.DeviceCounter, now time.Time) {
	g.loop.Devices++
	g.counts = flood.Counts{Device: flood.Device(c.DeviceKey), LastSpoofed: c.LastSpoofed, First: c.First, Last: c.Last}
	for i := range g.counts.Packets {
		g.counts.Packets[i] = c.Classes[i].Packets
	}
	g.det.Device(&g.counts)
	if fresh := g.devices.count(c, now); fresh != nil {
		g.reportDevice(fresh)
	}
}

func (g *Gate) takeHits(h *datapath.RuleHits) {
	if id, fresh := g.desk.Hit(h); id != 0 && fresh > 0 {
		g.det.Hit(id, fresh)
	}
}

// enforce writes the rules if they changed, and gives what came of it.
func (g *Gate) enforce() []block.Fate {
	if !g.desk.Dirty() {
		return nil
	}
	err := g.writeRules()
	applied := time.Now()
	g.desk.Installed(err, applied)
	g.lastErr = ""
	if err != nil {
		g.lastErr = err.Error()
		g.log.Error("rules not written; the former ones hold", "error", err)
		g.retryAt(applied)
	}
	fates := g.desk.Fates(err)
	if g.desk.Unsaved() {
		g.keeper.put(g.desk.Blocks())
		g.desk.Saved()
	}
	return fates
}

// maxRefused is how many rules one write leaves out; more go with the next.
const maxRefused = 32

// writeRules writes the rules, leaving out what the data path refuses: one
// rule that it cannot take must not keep the others away.
func (g *Gate) writeRules() error {
	for n := 0; ; n++ {
		err := g.dp.SetRules(g.desk.Rules())
		var refused *datapath.RuleError
		if err == nil || n == maxRefused || !errors.As(err, &refused) || !g.desk.Refuse(refused.Rule, err, time.Now()) {
			return err
		}
		g.log.Warn("rule refused by the data path", "error", err)
	}
}

// retryAt makes the rules be written again in a second.
func (g *Gate) retryAt(now time.Time) {
	time.AfterFunc(time.Until(now.Add(time.Second)), func() {
		g.mu.Lock()
		g.desk.Retry()
		g.mu.Unlock()
	})
}

// fault logs what the data path could not do, at most once in ten seconds.
func (g *Gate) fault(op string, err error) {
	g.faults++
	if now := time.Now(); now.Sub(g.faultLogged) > 10*time.Second {
		g.faultLogged = now
		g.log.Error("data path", "operation", op, "error", err, "count", g.faults)
		g.faults = 0
	}
}
