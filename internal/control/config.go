package control

import (
	_ "embed"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/control/reputation"
)

// Sample is the commented configuration file of the control plane.
//
//go:embed masugata.yaml
var Sample string

// Config is everything an operator sets for `masugata serve`.
type Config struct {
	Data string `yaml:"data"`
	Link struct {
		Listen          string        `yaml:"listen"`
		Advertise       string        `yaml:"advertise"`
		CertificateLife time.Duration `yaml:"certificate_life"`
	} `yaml:"link"`
	Console struct {
		Listen  string `yaml:"listen"`
		TLSCert string `yaml:"tls_cert"`
		TLSKey  string `yaml:"tls_key"`
		Plain   bool   `yaml:"plain_http"`
	} `yaml:"console"`
	State struct {
		URL string `yaml:"url"`
	} `yaml:"state"`
	Events struct {
		Retention time.Duration `yaml:"retention"`
		MemoryMB  int           `yaml:"memory_mb"`
	} `yaml:"events"`
	Bus struct {
		MaxDiskMB int `yaml:"max_disk_mb"`
	} `yaml:"bus"`
	Incidents struct {
		EndAfter    time.Duration `yaml:"end_after"`
		RetireAfter time.Duration `yaml:"retire_after"`
	} `yaml:"incidents"`
	Agents struct {
		Rules []string `yaml:"rules"`
	} `yaml:"agents"`
	Reputation reputation.Config `yaml:"reputation"`
	Log        struct {
		Level  string `yaml:"level"`
		Format string `yaml:"format"`
	} `yaml:"log"`
}

// Default is the complete configuration of a new installation.
func Default() Config {
	var c Config
	c.Data = "/var/lib/masugata"
	c.Link.Listen = ":7443"
	c.Link.CertificateLife = 30 * 24 * time.Hour
	c.Console.Listen = "127.0.0.1:7080"
	c.Events.Retention = 90 * 24 * time.Hour
	c.Events.MemoryMB = 1024
	c.Bus.MaxDiskMB = 4096
	c.Incidents.EndAfter = 12 * time.Second
	c.Incidents.RetireAfter = 30 * time.Second
	c.Agents.Rules = []string{}
	c.Reputation = reputation.Default()
	c.Log.Level, c.Log.Format = "info", "text"
	return c
}

// Load reads the file (none when path is empty) over the defaults, then the
// KEY=VALUE texts of sets over both. The error tells every problem.
func Load(path string, sets []string) (Config, error) {
	c := Default()
	var data []byte
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return c, err
		}
	}
	f := configfile.Read(path, data, sets, &c)
	c.check(f)
	return c, f.Err()
}

func (c *Config) check(f *configfile.File) {
	f.Check(filepath.IsAbs(c.Data), "data", "%q: want an absolute path", c.Data)
	checkListen(f, "link.listen", c.Link.Listen)
	checkListen(f, "console.listen", c.Console.Listen)
	if c.Link.Advertise != "" {
		_, _, err := net.SplitHostPort(c.Link.Advertise)
		f.Check(err == nil, "link.advertise", "%q: want host:port, as parts reach it", c.Link.Advertise)
	}
	f.Check(c.Link.CertificateLife >= 10*time.Second, "link.certificate_life", "%v is under 10s", c.Link.CertificateLife)
	f.Check((c.Console.TLSCert == "") == (c.Console.TLSKey == ""), "console.tls_cert", "tls_cert and tls_key go together")
	f.Check(!c.Console.Plain || isLoopback(c.Console.Listen), "console.plain_http",
		"is only allowed on a loopback address such as 127.0.0.1:7080, not on %q", c.Console.Listen)
	f.Check(c.State.URL == "" || strings.HasPrefix(c.State.URL, "postgres://") || strings.HasPrefix(c.State.URL, "postgresql://"),
		"state.url", "want empty for SQLite in the data folder, or postgres://…")
	f.Check(c.Events.Retention >= 24*time.Hour, "events.retention", "%v is under 24h; whole days are kept", c.Events.Retention)
	f.Check(c.Events.MemoryMB >= 128, "events.memory_mb", "%d is under 128", c.Events.MemoryMB)
	f.Check(c.Bus.MaxDiskMB >= 64, "bus.max_disk_mb", "%d is under 64", c.Bus.MaxDiskMB)
	f.Check(c.Incidents.EndAfter >= 6*time.Second, "incidents.end_after",
		"%v is under 6s; parts repeat the event of a lasting flood every 5s", c.Incidents.EndAfter)
	f.Check(c.Incidents.RetireAfter >= time.Second, "incidents.retire_after", "%v is under 1s", c.Incidents.RetireAfter)
	for _, pattern := range c.Agents.Rules {
		_, err := filepath.Match(pattern, "")
		f.Check(err == nil && filepath.IsAbs(pattern), "agents.rules", "%q: want the absolute path of a file, or of several with * ? [", pattern)
	}
	c.Reputation.Check(f, "reputation")
	f.Check(!c.Reputation.Shared || c.State.URL != "", "reputation.shared", "needs a state store that instances have in common: set state.url to postgres://…")
	f.Check(c.Log.Level == "debug" || c.Log.Level == "info" || c.Log.Level == "warn" || c.Log.Level == "error",
		"log.level", "%q is not one of debug, info, warn, error", c.Log.Level)
	f.Check(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "%q is not one of text, json", c.Log.Format)
}

// stateURL is where the state store lives.
func (c *Config) stateURL() string {
	if c.State.URL != "" {
		return c.State.URL
	}
	return "sqlite:" + filepath.Join(c.Data, "state.db")
}

func checkListen(f *configfile.File, key, addr string) {
	_, _, err := net.SplitHostPort(addr)
	f.Check(err == nil, key, "%q: want address:port or :port", addr)
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
