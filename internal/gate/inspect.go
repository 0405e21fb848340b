package gate

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/model"
)

// maxAlertsLogged is how many alerts of a second are logged one by one.
const maxAlertsLogged = 10

// reportAlerts tells what the inspection found since the last time. Call it
// with mu held.
func (g *Gate) reportAlerts(now time.Time) {
	if g.inspection == nil {
		return
	}
	list, lost := g.inspection.Fetch()
	logged := 0
	for _, a := range list {
		g.submit(alertEvent(a))
		if logged++; logged > maxAlertsLogged {
			continue
		}
		g.log.Info("rule fired", "rule", a.SID, "message", a.Message, "device", deviceName(a.Device), "source", a.Src,
			"destination", a.Dst, "blocked", a.Blocked, "count", a.Count)
	}
	if logged > maxAlertsLogged {
		g.log.Info("more rules fired", "count", logged-maxAlertsLogged)
	}
	if lost > 0 {
		g.log.Warn("alerts of more kinds than are kept", "count", lost)
	}
	g.reportHits(now)
}

func deviceName(k datapath.DeviceKey) model.DeviceID {
	if k == (datapath.DeviceKey{}) {
		return ""
	}
	return model.NewDeviceID(k.MAC, k.VLAN)
}

// severities are those of rule priorities, from 1 on.
var severities = [...]model.Severity{1: model.SeverityHigh, 2: model.SeverityMedium, 3: model.SeverityLow}

func alertEvent(a *inline.Alert) *model.Event {
	e := &model.Event{
		ID: model.NewID(a.First), Time: a.First, Last: a.Last, Device: deviceName(a.Device), Layer: model.LayerNetwork,
		Kind: model.KindIntrusion, Subject: a.Message, Rule: fmt.Sprintf("%d:%d:%d", a.GID, a.SID, a.Rev), Count: a.Count,
	}
	if int(a.Priority) < len(severities) && a.Priority > 0 {
		e.Severity = severities[a.Priority]
	}
	for _, addr := range [2]netip.Addr{a.Src, a.Dst} {
		if addr.IsValid() {
			e.Observables = append(e.Observables, model.Observable{Type: model.ObservableIP, Value: addr.String()})
		}
	}
	if a.DstPort != 0 && (a.Proto == 6 || a.Proto == 17) {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(a.DstPort))})
	}
	if name := spokenOf(a.App, a.Proto); name != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableProto, Value: name})
	}
	if a.Class != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableClass, Value: a.Class})
	}
	what, did := a.Message, "The gate let it pass: the rule or the mode only observes."
	if a.Class != "" {
		what += " (" + a.Class + ")"
	}
	if a.Blocked {
		e.Kind, did = model.KindBlocked, "The gate stopped it."
	}
	e.Explanation = fmt.Sprintf("Traffic from %v to %v fits a rule of the inspection: %s. %s", a.Src, a.Dst, what, did)
	e.Advice = "Look whether the device that was attacked, or that attacks, is up to date, and whether it behaves differently since."
	return e
}

// uninspected says by fail mode what becomes of traffic while nobody inspects.
var uninspected = map[string]string{
	"open":             "traffic passes uninspected (fail_mode open): ",
	"closed":           "no traffic passes, because it cannot be inspected (fail_mode closed): ",
	"closed_untrusted": "only trusted devices' traffic passes, uninspected (fail_mode closed_untrusted): ",
}

// stoppingMissing says why inspection stops nothing; empty when it does. Call
// it with mu held.
func (g *Gate) stoppingMissing() string {
	m := g.cfg.modes(&g.policy)
	if m.All == model.ModeEnforce {
		return ""
	}
	says := "inspection.mode of the gate's configuration"
	switch {
	case g.policy.InspectMode == model.ModeEnforce:
		says = "inspection.limit of the gate's configuration"
	case g.policy.InspectMode != "":
		says = "inspection.mode of the policy"
	}
	return fmt.Sprintf("%s is %s; set it to enforce to stop what drop and reject rules name", says, m.All)
}

// spokenOf is the protocol of traffic: that of the application, else of IP.
func spokenOf(app string, proto uint8) string {
	if app != "" {
		return app
	}
	return map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}[proto]
}

// inspectionMissing says why traffic is not inspected; empty when it is, or
// is not to be. Call it with mu held.
func (g *Gate) inspectionMissing() string {
	if g.inspectErr != "" {
		return uninspected[g.cfg.FailMode] + g.inspectErr
	}
	if g.inspection == nil {
		return ""
	}
	s := g.inspection.Status()
	if s.Error != "" {
		return "the new rules could not be read, the former ones hold: " + s.Error
	}
	if s.Rules.Rules == 0 && s.Listing.Entries == 0 {
		return "inspection.rules names no rule and no reputation set is in force, so nothing is found"
	}
	return ""
}
