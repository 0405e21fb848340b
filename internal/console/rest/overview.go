package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func (s *server) registerOverview() {
	add(s, op{id: "get-overview", method: http.MethodGet, path: "/overview", tag: "overview", summary: "The state of everything"}, s.getOverview)
	add(s, op{id: "get-status", method: http.MethodGet, path: "/status", tag: "overview", summary: "How the control plane does"}, s.getStatus)
}

func (s *server) getOverview(ctx context.Context, _ *nothing) (Overview, error) {
	now := s.Now().UTC()
	counts, err := s.Inventory.Counts(ctx)
	if err != nil {
		return Overview{}, err
	}
	parts, err := s.Inventory.Parts(ctx)
	if err != nil {
		return Overview{}, err
	}
	open, err := s.Cases.OpenIncidents(ctx)
	if err != nil {
		return Overview{}, err
	}
	events, err := s.recent.bySeverity(ctx, s.Events, now)
	if err != nil {
		return Overview{}, err
	}
	return Overview{
		Layers: s.layers(parts, open, now), Parts: s.partNumbers(parts, now),
		Devices: DeviceNumbers{
			Total: counts.Devices, WithAgent: counts.DevicesWithAgent,
			Attacking: counts.DevicesAttacking, Contained: counts.DevicesContained,
		},
		Events24h: events, IncidentsOpen: counts.IncidentsOpen, ActionsLive: counts.ActionsLive,
		StoppedPackets: counts.StoppedPackets, StoppedBytes: counts.StoppedBytes,
		Rates: Rates{EventsPerSecond: s.EventRate()}, Time: now,
	}, nil
}

func (s *server) partNumbers(parts []model.Part, now time.Time) PartNumbers {
	var n PartNumbers
	for i := range parts {
		p := &parts[i]
		if p.Revoked {
			continue
		}
		if p.Role == model.RoleGate {
			n.Gates++
		} else {
			n.Agents++
		}
		if !s.online(p, now) {
			n.Offline++
		}
	}
	return n
}

// maxGaps bounds the gaps that the overview names for each layer.
const maxGaps = 20

// layers gives the state of the four layers. A protection of a part that is
// silent counts as not active: nobody knows whether it works.
func (s *server) layers(parts []model.Part, open []model.Incident, now time.Time) []LayerState {
	layers := make([]LayerState, 4)
	for i := range layers {
		layers[i] = LayerState{Layer: model.Layer(i + 1), Gaps: []CoverageGap{}}
	}
	cover := func(part model.PartID, online bool, c model.Coverage) {
		if c.Layer < 1 || int(c.Layer) > len(layers) {
			return
		}
		l := &layers[c.Layer-1]
		l.Coverage.Total++
		if c.Active && online {
			l.Coverage.Active++
			return
		}
		if c.Active {
			c.Reason = "the part is not heard of"
		}
		if len(l.Gaps) < maxGaps {
			l.Gaps = append(l.Gaps, CoverageGap{Part: part, Protection: c.Protection, Reason: c.Reason})
		}
	}
	for i := range parts {
		if parts[i].Revoked {
			continue
		}
		online := s.online(&parts[i], now)
		for _, c := range parts[i].Coverage {
			cover(parts[i].ID, online, c)
		}
	}
	for _, c := range s.Coverage() {
		cover("control", true, c)
	}
	attacked := countIncidents(layers, open)
	for i := range layers {
		layers[i].State = layerState(&layers[i], attacked[i])
	}
	return layers
}

// countIncidents adds the incidents to their layers and says which layers
// have one that nothing holds yet.
func countIncidents(layers []LayerState, open []model.Incident) (attacked [4]bool) {
	for i := range open {
		for _, l := range open[i].Layers {
			if l < 1 || int(l) > len(layers) {
				continue
			}
			layers[l-1].OpenIncidents++
			if open[i].State == model.IncidentOpen && open[i].Severity >= model.SeverityHigh {
				attacked[l-1] = true
			}
		}
	}
	return attacked
}

func layerState(l *LayerState, attacked bool) string {
	switch {
	case attacked:
		return "attack"
	case l.OpenIncidents > 0 || l.Coverage.Active < l.Coverage.Total:
		return "attention"
	}
	return "ok"
}

// recentEvents keeps the count of the last 24 hours for some seconds, so that
// many open dashboards cost one search.
type recentEvents struct {
	mu     sync.Mutex
	at     time.Time
	counts map[string]uint64
}

const recentFor = 5 * time.Second

func (r *recentEvents) bySeverity(ctx context.Context, events Events, now time.Time) (map[string]uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts != nil && now.Sub(r.at) < recentFor {
		return r.counts, nil
	}
	top, err := events.Top(ctx, "since:24h", "severity", 5)
	if err != nil {
		return nil, err
	}
	counts := map[string]uint64{"info": 0, "low": 0, "medium": 0, "high": 0, "critical": 0}
	for _, t := range top {
		counts[t.Value] = t.Count
	}
	r.at, r.counts = now, counts // never changed from here on: callers share it
	return counts, nil
}

func (s *server) getStatus(ctx context.Context, _ *nothing) (SystemStatus, error) {
	st := SystemStatus{
		Version: s.Version, Started: s.started, Time: s.Now().UTC(), Healthy: true,
		Inner: map[string]string{}, CAPin: s.CAPin, Link: s.LinkAddress,
	}
	if s.Status != nil {
		st.Inner = s.Status(ctx)
	}
	if err := s.Healthy(ctx); err != nil {
		st.Healthy, st.Problem = false, err.Error()
	}
	return st, nil
}
