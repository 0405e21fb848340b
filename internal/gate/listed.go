package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/model"
)

// ruleReputation stands in the place of a rule in events about things of bad
// reputation.
const ruleReputation = "reputation"

// neverListed are the addresses that are never taken as bad: neither those of
// inner networks, nor what the policy protects. Call it with mu held.
func (g *Gate) neverListed() []netip.Prefix {
	return slices.Concat(neverBlocked, g.cfg.Home.Prefixes, g.policy.Protected)
}

// inspectListed tells the inspection what is of bad reputation and what is done
// about it. Call it with mu held.
func (g *Gate) inspectListed() {
	if g.inspection != nil {
		g.inspection.SetListing(inline.Listing{Set: g.blocklist.sure, Kept: g.neverListed(), Regards: g.reputationRegards()})
	}
}

// listedMissing says why names, URLs and files of bad reputation pass; "" when
// they do not, or nothing but the policy lets them. Call it with mu held.
func (g *Gate) listedMissing() string {
	switch {
	case !g.cfg.Inspection.Enabled:
		return "inspection.enabled is false, so only addresses of bad reputation are stopped"
	case g.inspectErr != "":
		return uninspected[g.cfg.FailMode] + g.inspectErr
	case g.blocklist.set == nil:
		return "no reputation set came from the control plane yet"
	case g.cfg.modes(&g.policy).All == model.ModeOff:
		return "inspection is off, so nobody looks for names, URLs and files"
	}
	return ""
}

// reportHits tells what of bad reputation the inspection met: what is new at
// once, what goes on once in repeatTold. Call it with mu held.
func (g *Gate) reportHits(now time.Time) {
	list, lost := g.inspection.FetchHits()
	for _, h := range list {
		g.hits.add(h)
	}
	told := 0
	g.hits.due(now, &g.tellings, func(h *inline.Hit) {
		g.submit(hitEvent(h))
		if told++; told <= maxAlertsLogged {
			g.log.Info("met in traffic: of bad reputation", "type", h.Kind.String(), "value", h.Value, "device", deviceName(h.Device),
				"peer", h.Server, "blocked", h.Blocked, "count", h.Count)
		}
	})
	if told > maxAlertsLogged {
		g.log.Info("more of bad reputation met", "count", told-maxAlertsLogged)
	}
	if lost += g.hits.lost; lost > 0 {
		g.hits.lost = 0
		g.log.Warn("more things of bad reputation met than are kept", "count", lost)
	}
}

// lastHits tells what is not told yet, when the gate stops. Call it with mu
// held.
func (g *Gate) lastHits() {
	g.hits.all(func(h *inline.Hit) { g.submit(hitEvent(h)) })
}

// observableOf is how events call a thing of bad reputation.
func observableOf(h *inline.Hit) model.ObservableType {
	switch h.Kind {
	case engine.SubjectAddress:
		return model.ObservableIP
	case engine.SubjectName:
		return model.ObservableDomain
	case engine.SubjectURL:
		return model.ObservableURL
	case engine.SubjectJA4:
		return model.ObservableJA4
	case engine.SubjectCert:
		return model.ObservableCert
	}
	switch len(h.Value) {
	case 2 * 16:
		return model.ObservableMD5
	case 2 * 20:
		return model.ObservableSHA1
	}
	return model.ObservableSHA256
}

// severityOfScore is how grave it is to meet a thing of a score.
func severityOfScore(score uint8) model.Severity {
	switch {
	case score >= 90:
		return model.SeverityHigh
	case score >= 75:
		return model.SeverityMedium
	}
	return model.SeverityLow
}

// hitEvent is the event of a hit: what is listed is its subject and its first
// observable.
func hitEvent(h *inline.Hit) *model.Event {
	e := &model.Event{
		ID: model.NewID(h.First), Time: h.First, Last: h.Last, Device: deviceName(h.Device), Layer: model.LayerNetwork,
		Kind: model.KindListedSeen, Severity: severityOfScore(h.Score), Subject: h.Value, Rule: ruleReputation, Count: h.Count,
		Observables: []model.Observable{{Type: observableOf(h), Value: h.Value}},
	}
	add := func(t model.ObservableType, v string) {
		if o := (model.Observable{Type: t, Value: v}); v != "" && !slices.Contains(e.Observables, o) {
			e.Observables = append(e.Observables, o)
		}
	}
	add(model.ObservableSHA256, h.SHA256)
	for _, a := range [2]netip.Addr{h.Client, h.Server} {
		if a.IsValid() {
			add(model.ObservableIP, a.String())
		}
	}
	if h.ServerPort != 0 {
		add(model.ObservablePort, strconv.Itoa(int(h.ServerPort)))
	}
	add(model.ObservableProto, spokenOf(h.App, h.Proto))
	e.Advice = "Ask why it is listed (masugata reputation explain), and look whether the device has been taken over: what else it speaks with, and whether it is up to date. If it is harmless, allow it (masugata reputation allow)."
	if h.Inward && h.Kind != engine.SubjectFile && h.Kind != engine.SubjectCert { // anybody outside can have it said of the device
		e.Severity = model.SeverityLow
		e.Advice = "Nothing, unless it is harmless: then allow it (masugata reputation allow). The device was asked from outside; see to it that it cannot be reached from there."
	}
	did := "The gate let it pass, because the policy only observes."
	if h.Blocked {
		e.Kind, did = model.KindListedBlocked, "The gate stopped it."
	}
	e.Explanation = fmt.Sprintf("%s, which reputation lists with a score of %d or more. %s", hitWords(h), h.Score, did)
	return e
}

// hitWords say what happened.
func hitWords(h *inline.Hit) string {
	between := fmt.Sprintf("%v and %v", h.Client, h.Server)
	switch h.Kind {
	case engine.SubjectAddress:
		if h.Where == "http.host" {
			return fmt.Sprintf("%v asked %v for what is at the address %s", h.Client, h.Server, h.Value)
		}
		return fmt.Sprintf("Traffic between %s: one of them is %s", between, h.Value)
	case engine.SubjectName:
		switch h.Where {
		case "dns.query":
			return fmt.Sprintf("%v asked %v for the name %s", h.Client, h.Server, h.Value)
		case "dns.answer":
			return fmt.Sprintf("%v asked %v for a name that stands for %s", h.Client, h.Server, h.Value)
		}
		return fmt.Sprintf("%v spoke with %v by the name %s", h.Client, h.Server, h.Value)
	case engine.SubjectURL:
		return fmt.Sprintf("%v asked %v for the URL %s", h.Client, h.Server, h.Value)
	case engine.SubjectFile:
		name := h.File
		if name == "" {
			name = "without a name"
		}
		return fmt.Sprintf("A file (%s) went between %s, with the digest %s", name, between, h.Value)
	case engine.SubjectJA4:
		return fmt.Sprintf("%v greeted %v as a program does whose TLS fingerprint is %s", h.Client, h.Server, h.Value)
	}
	return fmt.Sprintf("%v spoke with %v, which showed the certificate %s", h.Client, h.Server, h.Value)
}
