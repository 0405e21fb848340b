package gate

import (
	"cmp"
	_ "embed"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// Config is everything that the gate's configuration file can say. Default
// gives a complete one; only Ports must be added.
type Config struct {
	// State is the folder of the gate's identity, spool, rules in force and
	// status socket.
	State   string        `yaml:"state"`
	Ports   PortsConfig   `yaml:"ports"`
	Home    HomeConfig    `yaml:"home"`
	Control ControlConfig `yaml:"control"`
	// FailMode says what crosses while this process is not alive: open,
	// closed or closed_untrusted.
	FailMode   string           `yaml:"fail_mode"`
	Flood      FloodConfig      `yaml:"flood"`
	Inspection InspectionConfig `yaml:"inspection"`
	Reputation ReputationConfig `yaml:"reputation"`
	Contacts   ContactsConfig   `yaml:"contacts"`
	Metrics    MetricsConfig    `yaml:"metrics"`
	Log        LogConfig        `yaml:"log"`
}

// PortsConfig names the two network interfaces that the gate joins.
type PortsConfig struct {
	Inside  string `yaml:"inside"`  // towards the devices
	Outside string `yaml:"outside"` // towards the router
	// Attach is how the packet programs hang on the ports: auto, native (in
	// the driver) or generic.
	Attach string `yaml:"attach"`
	// Pin is the folder, on a bpf file system, that keeps rules and programs
	// in force when this process is gone; empty for the default. Two gates on
	// one machine need two.
	Pin string `yaml:"pin"`
	// Flows is the number of flow counters kept for each CPU, Devices that of
	// devices.
	Flows   int `yaml:"flows"`
	Devices int `yaml:"devices"`
}

// HomeConfig says what is inside.
type HomeConfig struct {
	// Prefixes are the addresses of the inside; a source outside of them is
	// spoofed. With none, nothing is taken as spoofed.
	Prefixes  []netip.Prefix `yaml:"prefixes"`
	AntiSpoof bool           `yaml:"anti_spoof"` // drop spoofed sources at all times
	// Trusted are the devices (MAC addresses or device ids) that still get
	// through in fail_mode closed_untrusted.
	Trusted []string `yaml:"trusted"`
}

// ControlConfig says where the control plane is.
type ControlConfig struct {
	// Endpoint is host:port of the control plane's link; empty: the one named
	// at enrolment, and none when the gate never enrolled.
	Endpoint    string        `yaml:"endpoint"`
	ReportEvery time.Duration `yaml:"report_every"` // how often the state goes to the control plane
	SpoolBytes  int64         `yaml:"spool_bytes"`  // events kept on disk while the link is down
}

// FloodConfig holds until a signed policy arrives from the control plane;
// then mode, protected, limits and block_ttl are those of the policy.
type FloodConfig struct {
	// Mode of the gate's own blocks: observe, propose or enforce.
	Mode model.Mode `yaml:"mode"`
	// RetireAfter is how long after the last packet that a block stopped the
	// block is taken away.
	RetireAfter time.Duration `yaml:"retire_after"`
	// BlockTTL is the longest life of a block that nobody renews: the kernel
	// itself stops honouring it then.
	BlockTTL  time.Duration     `yaml:"block_ttl"`
	Protected []netip.Prefix    `yaml:"protected"` // never blocked as a destination
	Limits    model.FloodLimits `yaml:"limits"`    // hard ceilings of every device, 0 for the default
}

// MetricsConfig says where Prometheus finds the gate's metrics.
type MetricsConfig struct {
	Listen string `yaml:"listen"` // loopback address and port; empty: nowhere
}

// LogConfig says what is logged to standard error.
type LogConfig struct {
	Level  slog.Level `yaml:"level"`  // debug, info, warn or error
	Format string     `yaml:"format"` // text or json
}

// Sample is a commented configuration file whose values are those of Default.
//
//go:embed masugata-gate.yaml
var Sample string

// Default is the configuration of a file that says nothing.
func Default() Config {
	return Config{
		State:    "/var/lib/masugata-gate",
		Ports:    PortsConfig{Attach: "auto", Flows: 65536, Devices: 1024},
		Control:  ControlConfig{ReportEvery: time.Second, SpoolBytes: 64 << 20},
		FailMode: "open",
		Flood: FloodConfig{
			Mode:        model.ModeEnforce,
			RetireAfter: 10 * time.Second,
			BlockTTL:    time.Hour,
		},
		Inspection: InspectionConfig{
			Mode: model.ModeObserve, Limit: model.ModeEnforce, Flows: 65536, Memory: 128 << 20,
			Eve: EveConfig{MaxBytes: 64 << 20, Keep: 3},
		},
		Reputation: ReputationConfig{Mode: model.ModeEnforce, Score: reputation.DefaultBlock, Limit: model.ModeEnforce},
		Contacts:   ContactsConfig{Enabled: true, Interval: 10 * time.Minute, Most: 64},
		Log:        LogConfig{Level: slog.LevelInfo, Format: "text"},
	}
}

// LoadConfig reads and checks the file at path; sets are KEY=VALUE texts that
// replace what it says. An empty path reads only the sets. The error is
// configfile.Problems when the file can be read and is wrong.
func LoadConfig(path string, sets []string) (Config, error) {
	var data []byte
	name := cmp.Or(path, "(no file)")
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	return ParseConfig(name, data, sets)
}

// ParseConfig is LoadConfig for the bytes of a file; name is used in problems.
func ParseConfig(name string, data []byte, sets []string) (Config, error) {
	c := Default()
	f := configfile.Read(name, data, sets, &c)
	c.check(f)
	if err := f.Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func (c *Config) check(f *configfile.File) {
	f.Check(c.State != "", "state", "name a folder, such as /var/lib/masugata-gate")
	c.checkPorts(f)
	c.checkHome(f)
	c.checkControl(f)
	_, ok := failModes[c.FailMode]
	f.Check(ok, "fail_mode", "%q: want open, closed or closed_untrusted", c.FailMode)
	c.checkFlood(f)
	c.checkInspection(f)
	c.checkReputation(f)
	c.Contacts.check(f)
	f.Check(c.Metrics.Listen == "" || loopback(c.Metrics.Listen), "metrics.listen",
		"%q: want a loopback address and port, such as 127.0.0.1:9469", c.Metrics.Listen)
	f.Check(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "%q: want text or json", c.Log.Format)
}

func (c *Config) checkPorts(f *configfile.File) {
	f.Check(c.Ports.Inside != "", "ports.inside", "name the network interface towards the devices, such as eth1")
	f.Check(c.Ports.Outside != "", "ports.outside", "name the network interface towards the router, such as eth0")
	f.Check(c.Ports.Inside == "" || c.Ports.Inside != c.Ports.Outside, "ports.outside",
		"%q is the inside port too; the gate joins two different ports", c.Ports.Outside)
	f.Check(slices.Contains([]string{"auto", "native", "generic"}, c.Ports.Attach), "ports.attach",
		"%q: want auto, native or generic", c.Ports.Attach)
	f.Check(c.Ports.Flows >= 1024 && c.Ports.Flows <= 4<<20, "ports.flows", "%d: want 1024 to 4194304", c.Ports.Flows)
	f.Check(c.Ports.Devices >= 16 && c.Ports.Devices <= 65536, "ports.devices", "%d: want 16 to 65536", c.Ports.Devices)
}

// maxPrefixes is how many prefixes of the inside the data path has room for,
// with those that stand for a family of which none is named.
const maxPrefixes = 60

func (c *Config) checkHome(f *configfile.File) {
	f.Check(len(c.Home.Prefixes) <= maxPrefixes, "home.prefixes", "%d prefixes; at most %d", len(c.Home.Prefixes), maxPrefixes)
	f.Check(!c.Home.AntiSpoof || len(c.Home.Prefixes) > 0, "home.anti_spoof",
		"needs home.prefixes: without them no source can be told to be spoofed")
	for _, t := range c.Home.Trusted {
		_, err := deviceKey(t)
		f.Check(err == nil, "home.trusted", "%q: want a MAC address such as 02:00:00:00:0a:01 or a device id", t)
	}
}

func (c *Config) checkControl(f *configfile.File) {
	if c.Control.Endpoint != "" {
		host, port, err := net.SplitHostPort(c.Control.Endpoint)
		f.Check(err == nil && host != "" && port != "", "control.endpoint",
			"%q: want host:port, such as masugata.example:7443", c.Control.Endpoint)
	}
	f.Check(c.Control.ReportEvery >= 100*time.Millisecond && c.Control.ReportEvery <= time.Minute,
		"control.report_every", "%v: want 100ms to 1m", c.Control.ReportEvery)
	f.Check(c.Control.SpoolBytes >= 1<<20, "control.spool_bytes", "%d: want at least 1048576", c.Control.SpoolBytes)
}

func (c *Config) checkFlood(f *configfile.File) {
	f.Check(slices.Contains([]model.Mode{model.ModeObserve, model.ModePropose, model.ModeEnforce}, c.Flood.Mode),
		"flood.mode", "%q: want observe, propose or enforce", c.Flood.Mode)
	f.Check(c.Flood.RetireAfter >= time.Second && c.Flood.RetireAfter <= time.Hour,
		"flood.retire_after", "%v: want 1s to 1h", c.Flood.RetireAfter)
	f.Check(c.Flood.BlockTTL >= 10*time.Second && c.Flood.BlockTTL <= 30*24*time.Hour,
		"flood.block_ttl", "%v: want 10s to 720h", c.Flood.BlockTTL)
	f.Check(c.Flood.BlockTTL > c.Flood.RetireAfter, "flood.block_ttl",
		"%v is not longer than flood.retire_after (%v)", c.Flood.BlockTTL, c.Flood.RetireAfter)
}

var failModes = map[string]datapath.FailMode{
	"open":             datapath.FailOpen,
	"closed":           datapath.FailClosed,
	"closed_untrusted": datapath.FailClosedUntrusted,
}

func loopback(listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// deviceKey reads a device id or a MAC address.
func deviceKey(s string) (datapath.DeviceKey, error) {
	if strings.HasPrefix(s, "mac-") {
		mac, vlan, err := model.DeviceID(s).MAC()
		return datapath.DeviceKey{MAC: mac, VLAN: vlan}, err
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return datapath.DeviceKey{}, fmt.Errorf("device %q: want a MAC address or a device id", s)
	}
	return datapath.DeviceKey{MAC: [6]byte(hw)}, nil
}
