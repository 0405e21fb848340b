package inline

import (
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/model"
)

// Config is what an Inspection needs. Rules, HomeNet, Variables and Settings
// can be changed by Reload, Modes by SetModes.
type Config struct {
	Inside, Outside string
	Rules           []string // files or patterns of files
	Modes           Modes
	HomeNet         []netip.Prefix    // HOME_NET of the rules; empty: the private IPv4 networks
	Variables       map[string]string // other address groups, and port groups (names ending in _PORTS)
	Settings        map[string]string // by Suricata's dotted names
	Flows           int               // most flows followed, all workers together
	Memory          int               // most bytes of streams kept, all workers together
	Workers         int               // engines that share the traffic, each on a thread; 1 by default
	Eve             Eve
	Log             *slog.Logger
}

// Modes say what the inspection does to whose traffic: ModeObserve alerts only,
// ModeEnforce stops what drop and reject rules name, ModeOff does not look.
type Modes struct {
	All     model.Mode                        // of devices without one of their own
	Devices map[datapath.DeviceKey]model.Mode // never changed once given
}

func (m *Modes) of(device datapath.DeviceKey) model.Mode {
	if len(m.Devices) > 0 {
		if own, ok := m.Devices[device]; ok {
			return own
		}
	}
	return m.All
}

func (m *Modes) equal(o *Modes) bool { return m.All == o.All && maps.Equal(m.Devices, o.Devices) }

// Eve says where records of what was seen are written.
type Eve struct {
	Path     string   // of eve.json, "" for none
	Types    []string // of records, empty for all
	MaxBytes int64    // the file is put aside when it is larger
	Keep     int      // files put aside that are kept
}

// settings are the engine's, with what a live gate sets otherwise than a
// reader of captures: flows are taken up in their middle, because the gate may
// start after them, and flows too long to be read, or encrypted from here on,
// go to the kernel.
func (c *Config) settings() engine.Settings {
	s := engine.Settings{"stream.midstream": "yes", "stream.bypass": "yes", "app-layer.protocols.tls.encryption-handling": "bypass"}
	if len(c.HomeNet) > 0 {
		var list []string
		for _, p := range c.HomeNet {
			list = append(list, p.String())
		}
		s["vars.address-groups.HOME_NET"] = "[" + strings.Join(list, ",") + "]"
	}
	for name, v := range c.Variables {
		group := "vars.address-groups."
		if strings.HasSuffix(name, "_PORTS") {
			group = "vars.port-groups."
		}
		s[group+name] = v
	}
	for name, v := range c.Settings {
		s[name] = v
	}
	return s
}

// files are the rule files that the patterns name now, in order. A plain name
// is given even when there is no such file, so that reading it tells.
func (c *Config) files() ([]string, error) {
	var out []string
	for _, pattern := range c.Rules {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
			found = []string{pattern}
		}
		for _, f := range found {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}
