package inspection

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/host/tap"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// The bounds of a device: all tables together stay below 4 MiB.
const (
	maxFlows    = 512
	streamBytes = 1 << 20
	streamDepth = 256 << 10 // of each direction
	pendingMost = 64 << 10  // of one direction, out of order
)

// flows is the configuration of the flow table. Flows are taken up in their
// middle, since the agent may start after them, and bytes are looked at with the
// packet that carries them, also when nothing can be stopped: an alert must not
// wait until enough has gathered.
func flows() flow.Config {
	c := flow.Default()
	c.MaxFlows = maxFlows
	s := &c.Stream
	s.Midstream, s.BypassOnDepth, s.Inline = true, true, true
	s.Memory, s.MaxPending, s.MaxSegments, s.Depth = streamBytes, pendingMost, 256, streamDepth
	c.Defrag.MaxTrackers, c.Defrag.MaxFragments, c.Defrag.Memory = 32, 128, 128<<10
	return c
}

func newEngine(set *rule.Set, sink engine.Sink, inline bool) (*engine.Engine, error) {
	o := packet.DefaultOptions()
	o.Checksums = packet.CheckNone // what the device sends has none yet: the network card makes them
	return engine.New(engine.Config{Rules: set, Flow: flows(), Decoder: o, Sink: sink, Settings: engine.Settings{},
		Inspect: rule.InspectorConfig{FlowMemory: maxFlows, HostMemory: maxFlows, IPS: inline}})
}

// loggedRefusals is how many refused rules are logged one by one.
const loggedRefusals = 10

// compile compiles the rules with this device's addresses as HOME_NET.
func (i *Inspection) compile(w *wanted, own []netip.Prefix) (*rule.Set, error) {
	sources := make([]rule.Source, len(w.files))
	for n, f := range w.files {
		sources[n] = rule.Source{Name: f.Name, Text: []byte(f.Text)}
	}
	o := rule.Options{OnlyParsed: true}
	o.AddressVars, o.PortVars = rule.StockVariables(home(own))
	set, refused, err := rule.Compile(sources, o)
	if err != nil {
		return nil, errors.New("rules: " + err.Error())
	}
	for n, r := range refused {
		if n == loggedRefusals {
			i.cfg.Log.Warn("more rules refused", "count", len(refused)-n)
			break
		}
		i.cfg.Log.Warn("rule refused", "file", r.File, "line", r.Line, "rule", r.SID, "problem", r.Problem)
	}
	n := len(set.Rules())
	i.note(func(s *Status) { s.Rules, s.Refused, s.Version = n, len(refused), w.version })
	if n == 0 {
		return nil, errors.New("none of the rules can be honoured here (" + strconv.Itoa(len(refused)) + " refused)")
	}
	i.cfg.Log.Info("rules in force", "version", w.version, "rules", n, "refused", len(refused))
	return set, nil
}

// home is HOME_NET: the device's own addresses.
func home(own []netip.Prefix) string {
	var list []string
	for _, p := range own {
		list = append(list, p.Addr().String())
	}
	if len(list) == 0 {
		return ""
	}
	return "[" + strings.Join(list, ",") + "]"
}

// filter is what of the interfaces' traffic the rules can match.
func filter(set *rule.Set, interfaces []int) *tap.Filter {
	reach := set.Reach()
	return &tap.Filter{Interfaces: interfaces, TCP: spans(reach.TCP), UDP: spans(reach.UDP), Other: reach.Other}
}

func spans(in []rule.Ports) []tap.Ports {
	out := make([]tap.Ports, len(in))
	for i, p := range in {
		out[i] = tap.Ports(p)
	}
	return out
}
