package gate

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/model"
)

// InspectionConfig says what is looked for in the traffic that passes, and
// what happens then.
type InspectionConfig struct {
	Enabled bool `yaml:"enabled"`
	// Rules are files in Suricata's rule language, or patterns of files.
	Rules []string `yaml:"rules"`
	// Mode is off, observe (alerts only) or enforce (drop and reject rules stop
	// packets); Devices, by MAC address or device id, have their own. A signed
	// policy that names a mode replaces both.
	Mode    model.Mode            `yaml:"mode"`
	Devices map[string]model.Mode `yaml:"devices"`
	// Limit is the most that a mode does here, whoever names it: with observe no
	// policy makes this gate stop packets.
	Limit model.Mode `yaml:"limit"`
	// HomeNet is HOME_NET of the rules; empty: home.prefixes, and without those
	// the private IPv4 networks.
	HomeNet   []netip.Prefix    `yaml:"home_net"`
	Variables map[string]string `yaml:"variables"` // other groups that rules name
	Settings  map[string]string `yaml:"settings"`  // of the engine, by Suricata's dotted names
	Flows     int               `yaml:"flows"`     // most flows followed at a time
	Memory    int               `yaml:"memory"`    // most bytes of streams kept
	// Workers are the engines that share the traffic, each on a core; 0: one a
	// core.
	Workers int       `yaml:"workers"`
	Eve     EveConfig `yaml:"eve"`
}

// EveConfig says where records of what was seen are written.
type EveConfig struct {
	Path     string   `yaml:"path"`      // of eve.json; empty: none
	Types    []string `yaml:"types"`     // of records; empty: all
	MaxBytes int64    `yaml:"max_bytes"` // put aside when larger
	Keep     int      `yaml:"keep"`      // files put aside that are kept
}

func (c *Config) checkInspection(f *configfile.File) {
	in := &c.Inspection
	_, ok := strength[in.Mode]
	f.Check(ok, "inspection.mode", "%q: want off, observe or enforce", in.Mode)
	_, ok = strength[in.Limit]
	f.Check(ok, "inspection.limit", "%q: want off, observe or enforce", in.Limit)
	for name, m := range in.Devices {
		_, err := deviceKey(name)
		f.Check(err == nil, "inspection.devices", "%q: want a MAC address such as 02:00:00:00:0a:01 or a device id", name)
		_, ok := strength[m]
		f.Check(ok, "inspection.devices", "%s: %q: want observe, enforce or off", name, m)
	}
	for _, pattern := range in.Rules {
		_, err := filepath.Match(pattern, "")
		f.Check(err == nil, "inspection.rules", "%q is not a file or a pattern of files", pattern)
	}
	f.Check(in.Flows >= 1024 && in.Flows <= 4<<20, "inspection.flows", "%d: want 1024 to 4194304", in.Flows)
	f.Check(in.Memory >= 1<<20, "inspection.memory", "%d: want at least 1048576", in.Memory)
	f.Check(in.Workers >= 0 && in.Workers <= datapath.MaxWorkers, "inspection.workers", "%d: want 0 (one a core) to %d", in.Workers, datapath.MaxWorkers)
	f.Check(in.Eve.MaxBytes >= 1<<16 && in.Eve.Keep >= 0 && in.Eve.Keep <= 1000, "inspection.eve",
		"max_bytes %d, keep %d: want at least 65536, and 0 to 1000", in.Eve.MaxBytes, in.Eve.Keep)
}

// strength orders the modes of inspection by what they do.
var strength = map[model.Mode]int{model.ModeOff: 0, model.ModeObserve: 1, model.ModeEnforce: 2}

// modes says what inspection does to whose traffic: as the policy says where it
// says something, else as the configuration does, and never more than its limit.
func (c *Config) modes(p *model.Policy) inline.Modes {
	in := &c.Inspection
	limited := func(m model.Mode) model.Mode {
		if strength[m] > strength[in.Limit] {
			return in.Limit
		}
		return m
	}
	m := inline.Modes{All: limited(in.Mode), Devices: make(map[datapath.DeviceKey]model.Mode, len(in.Devices)+len(p.InspectDevices))}
	if p.InspectMode != "" {
		m.All = limited(p.InspectMode)
	} else {
		for name, mode := range in.Devices {
			if k, err := deviceKey(name); err == nil { // checked with the configuration
				m.Devices[k] = limited(mode)
			}
		}
	}
	for id, mode := range p.InspectDevices {
		if mac, vlan, err := id.MAC(); err == nil {
			m.Devices[datapath.DeviceKey{MAC: mac, VLAN: vlan}] = limited(mode)
		}
	}
	return m
}

// inspection is the configuration for the package that inspects.
func (c *Config) inspection(p *model.Policy, log *slog.Logger) inline.Config {
	in := &c.Inspection
	out := inline.Config{
		Inside: c.Ports.Inside, Outside: c.Ports.Outside, Rules: in.Rules, Modes: c.modes(p), HomeNet: in.HomeNet,
		Variables: in.Variables, Settings: in.Settings, Flows: in.Flows, Memory: in.Memory, Workers: in.Workers,
		Eve: inline.Eve{Path: in.Eve.Path, Types: in.Eve.Types, MaxBytes: in.Eve.MaxBytes, Keep: in.Eve.Keep}, Log: log,
	}
	if out.Workers == 0 {
		out.Workers = min(runtime.NumCPU(), datapath.MaxWorkers)
	}
	if len(out.HomeNet) == 0 {
		out.HomeNet = c.Home.Prefixes
	}
	return out
}
