package gate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/model"
)

// techniqueFlood is "Network Denial of Service" in ATT&CK.
const techniqueFlood = "T1498"

// submit hands an event to the link, if there is one.
func (g *Gate) submit(e *model.Event) {
	e.Count = max(e.Count, 1)
	if g.link != nil {
		g.link.Submit(e)
	}
}

// report tells what the detector said of a flood.
func (g *Gate) report(v *flood.Verdict) {
	now := time.Now()
	dev := block.DeviceID(v.Device)
	e := &model.Event{
		ID: model.NewID(now), Time: v.First, Last: v.Last, Device: dev, Layer: model.LayerNetwork,
		Kind: model.KindFloodOutbound, Severity: model.SeverityHigh, Subject: target(v), Rule: "flood." + string(v.Vector),
		Observables: observables(v), Technique: techniqueFlood, Flood: block.Evidence(v),
	}
	switch v.Phase {
	case flood.Started:
		e.Explanation = fmt.Sprintf("%s began to flood %s: %s, %.0f packets a second where %.0f are ordinary.",
			dev, target(v), v.Shape, v.PPS, v.BaselinePPS)
		e.Advice = advice(v)
		g.log.Warn("flood detected", "device", dev, "vector", v.Vector, "shape", v.Shape.String(), "pps", int(v.PPS),
			"first", v.First, "detected", v.Detected, "after", v.Detected.Sub(v.First), "devices", v.Devices)
	case flood.Widened:
		e.Explanation = fmt.Sprintf("The flood from %s changed; it is now %s.", dev, v.Shape)
		g.log.Info("flood changed", "device", dev, "shape", v.Shape.String())
	case flood.Going:
		e.Explanation = fmt.Sprintf("%s still floods %s: %d packets so far.", dev, target(v), v.Packets)
	case flood.Ended:
		e.Kind, e.Severity = model.KindFloodEnded, model.SeverityMedium
		e.Explanation = fmt.Sprintf("The flood from %s against %s is over after %v and %d packets.",
			dev, target(v), v.Last.Sub(v.First).Round(time.Second), v.Packets)
		g.log.Info("flood ended", "device", dev, "vector", v.Vector, "packets", v.Packets, "last", v.Last)
	}
	g.submit(e)
}

func target(v *flood.Verdict) string {
	if !v.Shape.Dst.IsValid() {
		return "many addresses"
	}
	return model.PrefixText(v.Shape.Dst)
}

func advice(v *flood.Verdict) string {
	if v.Vector == model.VectorSpoofed {
		return "Take the device off the network, reset it, update its firmware and change its password. Turn on anti_spoof."
	}
	return "Take the device off the network, reset it, update its firmware and change its password."
}

func observables(v *flood.Verdict) []model.Observable {
	var o []model.Observable
	if v.Shape.Dst.IsValid() && v.Shape.Dst.IsSingleIP() {
		o = append(o, model.Observable{Type: model.ObservableIP, Value: v.Shape.Dst.Addr().String()})
	}
	if v.Shape.DstPort != 0 {
		o = append(o, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(v.Shape.DstPort))})
	}
	return o
}

// reportFates tells which blocks came into force and which could not.
func (g *Gate) reportFates(fates []block.Fate) {
	for i := range fates {
		f := &fates[i]
		b := &f.Block
		e := &model.Event{
			ID: model.NewID(time.Now()), Time: b.Applied, Last: b.Applied, Device: b.Source, Layer: model.LayerNetwork,
			Kind: model.KindActionApplied, Severity: model.SeverityMedium, Subject: b.ID.String(), Rule: "gate.block",
			Explanation: b.Reason, Flood: b.Evidence,
		}
		if b.Local {
			e.Severity = model.SeverityHigh // so that the control plane hears at once
		}
		if !f.Applied {
			e.Kind, e.Severity, e.Explanation = model.KindActionFailed, model.SeverityHigh, b.Error
			e.Time, e.Last = b.Failed, b.Failed
			g.log.Error("block not applied", "action", b.ID, "author", b.Author, "error", b.Error)
		} else {
			g.log.Info("block applied", "action", b.ID, "author", b.Author, "device", b.Device, "mode", b.Mode,
				"shape", b.Shape.String(), "applied", b.Applied)
		}
		g.submit(e)
	}
	if len(fates) > 0 && g.link != nil {
		g.link.Nudge()
	}
}

func (g *Gate) reportDevice(d *model.Device) {
	g.log.Info("new device", "device", d.ID)
	g.submit(&model.Event{
		ID: model.NewID(d.FirstSeen), Time: d.FirstSeen, Last: d.FirstSeen, Device: d.ID, Layer: model.LayerNetwork,
		Kind: model.KindDeviceSeen, Severity: model.SeverityInfo, Subject: d.MAC, Rule: "device.seen",
		Observables: []model.Observable{{Type: model.ObservableMAC, Value: d.MAC}},
		Explanation: "A device appeared that this gate had not seen before.",
	})
}

// announce tells that the gate runs and what is missing.
func (g *Gate) announce() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.submit(&model.Event{
		ID: model.NewID(now), Time: now, Last: now, Layer: model.LayerNetwork, Kind: model.KindPartStarted,
		Severity: model.SeverityInfo, Subject: string(g.part), Rule: "part.started",
		Explanation: fmt.Sprintf("The gate started (version %s) with %d blocks in force.", g.version, len(g.desk.Rules())),
	})
	for _, c := range g.coverage() {
		if c.Active {
			continue
		}
		g.log.Warn("protection missing", "protection", c.Protection, "reason", c.Reason)
		severity := model.SeverityLow
		if c.Protection == "inspection" && g.inspectErr != "" {
			severity = model.SeverityHigh
		}
		g.degraded(c.Protection, c.Reason, severity)
	}
	g.log.Info("gate runs", "version", g.version, "inside", g.cfg.Ports.Inside, "outside", g.cfg.Ports.Outside,
		"mode", g.info.Mode, "adopted", g.info.Adopted, "blocks", len(g.desk.Rules()), "flood_mode", g.policy.FloodMode)
}

// degraded tells that a protection is missing.
func (g *Gate) degraded(protection, reason string, s model.Severity) {
	now := time.Now()
	g.submit(&model.Event{
		ID: model.NewID(now), Time: now, Last: now, Layer: model.LayerNetwork, Kind: model.KindPartDegraded,
		Severity: s, Subject: protection, Rule: "part.degraded", Explanation: reason,
	})
}

// crowdedFor is how long after it was last too small the device table counts
// as too small.
const crowdedFor = time.Minute

func (g *Gate) crowdText() string {
	return fmt.Sprintf("more devices send than ports.devices (%d) counts, so floods of the others are not told apart; "+
		"raise it, or look for a device that makes up MAC addresses or VLAN tags", g.cfg.Ports.Devices)
}

// coverage says which protections work. Call it with mu held.
func (g *Gate) coverage() []model.Coverage {
	say := func(name, missing string) model.Coverage {
		return model.Coverage{Layer: model.LayerNetwork, Protection: name, Active: missing == "", Reason: missing}
	}
	block, spoof, native, count := "", "", "", ""
	if time.Since(g.crowded) < crowdedFor {
		count = g.crowdText()
	}
	if g.policy.FloodMode != model.ModeEnforce {
		block = fmt.Sprintf("the flood mode is %s; set it to enforce to stop floods", g.policy.FloodMode)
	}
	if g.lastErr != "" {
		block = "the data path refused the rules: " + g.lastErr
	}
	if len(g.cfg.Home.Prefixes) == 0 {
		spoof = "home.prefixes names no addresses of the inside, so forged sources cannot be told"
	}
	for i, d := range g.info.Degraded {
		if i > 0 {
			native += "; "
		}
		native += d
	}
	c := []model.Coverage{
		say("flood.outbound", ""), say("flood.block", block), say("spoof.source", spoof),
		say("datapath.native", native), say("device.count", count), say("configuration", g.confErr),
	}
	if g.cfg.Inspection.Enabled {
		missing := g.inspectionMissing()
		stops := missing
		if stops == "" {
			stops = g.stoppingMissing()
		}
		c = append(c, say("inspection", missing), say("inspection.block", stops))
	}
	if g.link != nil && g.reputationRegards().All.Mode != model.ModeOff {
		c = append(c, say("reputation.block", g.reputationMissing(time.Now())), say("reputation.traffic", g.listedMissing()))
	}
	return c
}
