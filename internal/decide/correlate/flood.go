package correlate

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// minBits are the shortest destination prefixes that an action for all
// devices may have without a person's word; beyond them it is only proposed.
const (
	minBits4 = 24
	minBits6 = 48
)

// sharedPPS is what a rate limit leaves each device where others use the
// target in an ordinary way: enough for a browser's or a camera's own use.
const sharedPPS = 20

// flood takes a flood.outbound or spoof.source event of an agent or gate.
func (c *Correlator) flood(e *model.Event, now time.Time) {
	if e.Flood == nil || !e.Flood.Shape.Dst.IsValid() {
		return // without a target there is nothing to join or to stop
	}
	i := c.incidentAt(e.Flood.Shape.Dst)
	if i == nil {
		i = c.openFlood(e, now)
	}
	src := i.sources[e.Device]
	fresh := src == nil
	if fresh && len(i.sources) >= maxDevices {
		c.note(i, e, now) // it is not named, but answered
		c.answerFlood(i, e, now)
		return
	}
	if fresh {
		src = &source{}
		i.sources[e.Device] = src
		i.Devices = append(i.Devices, e.Device)
	}
	src.last, src.over = later(src.last, now), false
	c.note(i, e, now)
	c.tellSighting(i, e, src, fresh)
	c.answerFlood(i, e, now)
}

// incidentAt finds the open flood incident aimed at the same place.
func (c *Correlator) incidentAt(dst netip.Prefix) *incident {
	for _, i := range c.incidents {
		if i.Kind == model.IncidentDDoSOutbound && i.Shape.Dst.Overlaps(dst) && goesOn(i) {
			return i
		}
	}
	return nil
}

func goesOn(i *incident) bool {
	return i.State == model.IncidentOpen || i.State == model.IncidentContained
}

func (c *Correlator) openFlood(e *model.Event, now time.Time) *incident {
	c.makeRoom(now)
	target := model.PrefixText(e.Flood.Shape.Dst)
	i := &incident{
		Incident: model.Incident{
			ID: model.NewID(now), Kind: model.IncidentDDoSOutbound,
			Title:    fmt.Sprintf("Devices of this network flood %s", target),
			Severity: model.SeverityCritical, State: model.IncidentOpen,
			Target: target, Vector: e.Flood.Vector, Shape: e.Flood.Shape,
			Opened: now, Updated: now, Technique: "T1498",
		},
		sources: make(map[model.DeviceID]*source),
	}
	c.incidents[i.ID] = i
	c.tell(i, model.StoryLine{Time: e.Time, Code: "incident.opened", Event: e.ID,
		Params: map[string]string{"device": string(e.Device), "target": target, "vector": string(e.Flood.Vector)},
		Text:   fmt.Sprintf("%s began to flood %s (%s).", e.Device, target, e.Flood.Vector)})
	return i
}

// makeRoom ends the oldest incident when as many as allowed are open.
func (c *Correlator) makeRoom(now time.Time) {
	var oldest *incident
	open := 0
	for _, i := range c.incidents {
		if !goesOn(i) {
			continue
		}
		open++
		if oldest == nil || i.Updated.Before(oldest.Updated) {
			oldest = i
		}
	}
	if open >= c.cfg.MaxOpen {
		c.endIncident(oldest, now)
	}
}

// note adds an event to an incident.
func (c *Correlator) note(i *incident, e *model.Event, now time.Time) {
	i.EventCount++
	if len(i.Events) < maxEvents {
		i.Events = append(i.Events, e.ID)
	}
	if e.Layer != 0 && !slices.Contains(i.Layers, e.Layer) {
		i.Layers = append(i.Layers, e.Layer)
		slices.Sort(i.Layers)
	}
	i.Updated = now
	c.dirtyIncidents[i.ID] = true
}

// tell adds a line to the story, up to its bound. What was seen, which many
// devices can make many lines of, leaves room for what was done.
func (c *Correlator) tell(i *incident, l model.StoryLine) {
	room := maxStory
	if l.Event.IsZero() && l.Code != "flood.ended" {
		room *= 2
	}
	if len(i.Story) < room {
		i.Story = append(i.Story, l)
	}
	c.dirtyIncidents[i.ID] = true
}

// tellSighting tells once per device what its agent saw and what a gate saw.
func (c *Correlator) tellSighting(i *incident, e *model.Event, src *source, fresh bool) {
	target := i.Target
	pps := fmt.Sprintf("%.0f", e.Flood.PPS)
	if fresh && len(i.sources) > 1 {
		c.tell(i, model.StoryLine{Time: e.Time, Code: "device.joined", Event: e.ID,
			Params: map[string]string{"device": string(e.Device)}, Text: fmt.Sprintf("%s joined in.", e.Device)})
	}
	switch {
	case e.Layer == model.LayerDevice && !src.fromAgent:
		src.fromAgent = true
		path := "an unknown process"
		if p := e.Flood.Process; p != nil && p.Path != "" {
			path = p.Path
		}
		c.tell(i, model.StoryLine{Time: e.Time, Code: "flood.seen.agent", Event: e.ID,
			Params: map[string]string{"device": string(e.Device), "process": path, "pps": pps, "target": target},
			Text:   fmt.Sprintf("The agent on %s saw %s send %s packets a second to %s.", e.Device, path, pps, target)})
	case e.Layer == model.LayerNetwork && !src.fromGate:
		src.fromGate = true
		c.tell(i, model.StoryLine{Time: e.Time, Code: "flood.seen.gate", Event: e.ID,
			Params: map[string]string{"device": string(e.Device), "pps": pps, "target": target, "part": string(e.Reporter)},
			Text:   fmt.Sprintf("%s counted %s packets a second from %s to %s.", e.Reporter, pps, e.Device, target)})
	}
}

// answerFlood makes, widens or renews the actions against what e saw.
func (c *Correlator) answerFlood(i *incident, e *model.Event, now time.Time) {
	if a := c.actionFor(i, e.Flood.Shape); a != nil {
		c.renew(a, now)
		if !a.Shape.Covers(e.Flood.Shape) && a.State.Live() {
			a.Shape = a.Shape.Join(e.Flood.Shape)
			c.liveChanged = true
			c.dirtyActions[a.ID] = true
		}
	} else if len(i.Actions) < maxActions {
		c.decideBlock(i, e, now)
	}
	if p := e.Flood.Process; p != nil && p.Path != "" && e.Layer == model.LayerDevice {
		c.decideKill(i, e, p, now)
	}
}

// actionFor finds the incident's network action, also one that a person took
// back, for the same traffic.
func (c *Correlator) actionFor(i *incident, s model.Shape) *model.Action {
	for _, id := range i.Actions {
		a := c.actions[id]
		if a != nil && !isOver(a.State) && stops(a, s) {
			return a
		}
	}
	for n := range i.undone {
		if stops(&i.undone[n], s) {
			return &i.undone[n]
		}
	}
	return nil
}

// stops says whether an action is the network's answer to such traffic.
func stops(a *model.Action, s model.Shape) bool {
	return !isLocal(a) && a.Kind != model.ActionKillProcess && (a.Shape.Covers(s) || a.Shape.SameTraffic(s))
}

// looseText is a shape in words without its lengths.
func looseText(s model.Shape) string {
	s.LenMin, s.LenMax = 0, 0
	return s.String()
}

func (c *Correlator) renew(a *model.Action, now time.Time) {
	if c.prolong(a, now) {
		c.liveChanged = true
	}
}

// prolong gives a live action its life again when half of it is over.
func (c *Correlator) prolong(a *model.Action, now time.Time) bool {
	if !a.State.Live() || a.Expires.Sub(now) > c.policy.BlockTTL/2 {
		return false
	}
	a.Expires = now.Add(c.policy.BlockTTL)
	c.dirtyActions[a.ID] = true
	return true
}

// decideBlock makes the one action for all devices against a flood's shape.
// Where other devices use the same target in an ordinary way it leaves each a
// trickle instead of nothing.
func (c *Correlator) decideBlock(i *incident, e *model.Event, now time.Time) {
	a := &model.Action{
		ID: model.NewID(now), Kind: model.ActionDrop, Shape: e.Flood.Shape,
		Author:  "correlator",
		Reason:  fmt.Sprintf("%s flood against %s, first seen from %s", e.Flood.Vector, i.Target, e.Device),
		Events:  []model.ID{e.ID},
		Created: now, Expires: now.Add(c.policy.BlockTTL), Incident: i.ID,
	}
	if e.Flood.OtherDevices > 0 {
		a.Kind, a.PPS = model.ActionRateLimit, sharedPPS
	}
	a.Mode = c.modeOf(a)
	c.tell(i, model.StoryLine{Time: now, Code: "shape.learned", Event: e.ID,
		Params: map[string]string{"shape": a.Shape.String()}, Text: fmt.Sprintf("The attack's shape: %s.", a.Shape)})
	c.start(i, a, now)
}

// tooWide says whether only a person may stop so many destinations at once.
func tooWide(dst netip.Prefix) bool {
	if dst.Addr().Is4() {
		return dst.Bits() < minBits4
	}
	return dst.Bits() < minBits6
}

// decideKill makes the action that ends a flooding process, once a process.
func (c *Correlator) decideKill(i *incident, e *model.Event, p *model.ProcessEvidence, now time.Time) {
	for _, id := range i.Actions {
		if a := c.actions[id]; a != nil && a.Process != nil && a.Process.PID == p.PID && a.Process.Start == p.Start {
			c.renew(a, now)
			return
		}
	}
	if len(i.Actions) >= maxActions || c.killUndone(i, e.Device, p) {
		return
	}
	a := &model.Action{
		ID: model.NewID(now), Kind: model.ActionKillProcess, Scope: model.Scope{Device: e.Device}, Process: p,
		Author: "correlator", Reason: fmt.Sprintf("%s floods %s", p.Path, i.Target),
		Events: []model.ID{e.ID}, Created: now, Expires: now.Add(c.policy.BlockTTL), Incident: i.ID,
	}
	a.Mode = c.modeOf(a)
	c.start(i, a, now)
}

func (c *Correlator) killUndone(i *incident, d model.DeviceID, p *model.ProcessEvidence) bool {
	return slices.ContainsFunc(i.undone, func(a model.Action) bool {
		return a.Process != nil && a.Scope.Device == d && a.Process.Path == p.Path
	})
}

// floodEnded takes a part's word that a device's flood is over.
func (c *Correlator) floodEnded(e *model.Event, now time.Time) {
	for _, i := range c.incidents {
		src := i.sources[e.Device]
		if i.Kind != model.IncidentDDoSOutbound || src == nil || src.over {
			continue
		}
		if e.Flood != nil && e.Flood.Shape.Dst.IsValid() && !e.Flood.Shape.Dst.Overlaps(i.Shape.Dst) {
			continue
		}
		c.note(i, e, now)
		c.sourceOver(i, e.Device, src, now)
	}
}

func (c *Correlator) sourceOver(i *incident, d model.DeviceID, src *source, now time.Time) {
	src.over, src.last = true, now
	c.tell(i, model.StoryLine{Time: now, Code: "flood.ended", Params: map[string]string{"device": string(d)},
		Text: fmt.Sprintf("%s stopped flooding.", d)})
}

// tickIncident ends floods without news, then their actions, then the
// incident.
func (c *Correlator) tickIncident(i *incident, now time.Time) {
	if i.Kind != model.IncidentDDoSOutbound || !goesOn(i) {
		c.tickQuiet(i, now)
		return
	}
	quiet := true
	var last time.Time
	for d, src := range i.sources {
		if !src.over && now.Sub(src.last) >= c.cfg.EndAfter {
			c.sourceOver(i, d, src, now)
		}
		quiet = quiet && src.over
		last = later(last, src.last)
	}
	if !quiet {
		return
	}
	held := false
	for _, id := range i.Actions {
		a := c.actions[id]
		if a == nil || isOver(a.State) {
			continue
		}
		if now.Sub(later(last, a.LastHit)) < c.cfg.RetireAfter {
			held = true
			continue
		}
		c.end(a, model.ActionRetired, "cause gone", now)
	}
	if !held {
		c.endIncident(i, now)
	}
}

func (c *Correlator) endIncident(i *incident, now time.Time) {
	for _, id := range i.Actions {
		if a := c.actions[id]; a != nil && !isOver(a.State) {
			c.end(a, model.ActionRetired, "cause gone", now)
		}
	}
	for _, id := range i.Actions {
		if _, ok := c.undone[id]; ok {
			delete(c.undone, id)
			c.liveChanged = true
		}
	}
	i.State, i.Ended, i.Updated = model.IncidentEnded, now, now
	code, text := "incident.ended", "The attack is over; nothing of it is blocked any more."
	if s, ok := silenceOf(i.Kind); ok {
		code, text = "incident.quiet", s.text
	}
	c.tell(i, model.StoryLine{Time: now, Code: code, Text: text})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
