package reputation

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// Config is the section "reputation" of the configuration.
type Config struct {
	Enabled    bool           `yaml:"enabled"`
	MaxObjects int            `yaml:"max_objects"`
	Own        []string       `yaml:"own"`        // addresses, prefixes and names of the operator
	Allow      []string       `yaml:"allow"`      // objects that are never listed
	Deny       []string       `yaml:"deny"`       // objects that are always listed
	Neighbours bool           `yaml:"neighbours"` // addresses among many listed ones get a score below the block
	Hold       HoldConfig     `yaml:"hold"`
	DNS        DNSConfig      `yaml:"dns"`
	Sensors    SensorsConfig  `yaml:"sensors"` // our own agents and gates; inside the control plane only
	Sharing    sharing.Config `yaml:"sharing"` // with other fleets
	Feeds      []Feed         `yaml:"feeds"`
	Replica    replica.Config `yaml:"replica"` // of look-up nodes
	Shared     bool           `yaml:"shared"`  // several instances over one state store
}

// HoldConfig says which feeds are held back.
type HoldConfig struct {
	ShrinkPercent float64 `yaml:"shrink_percent"`
	BenignPercent float64 `yaml:"benign_percent"`
}

// DNSConfig is where and what the DNS lists answer.
type DNSConfig struct {
	Listen  string   `yaml:"listen"` // empty: no DNS
	Zone    string   `yaml:"zone"`
	RPZ     string   `yaml:"rpz"`
	Least   int      `yaml:"least_score"`
	Clients []string `yaml:"clients"`
}

// Feed is one feed as the operator configures it.
type Feed struct {
	Name       string            `yaml:"name"`
	File       string            `yaml:"file"` // or a pattern of files
	URL        string            `yaml:"url"`
	TAXII      string            `yaml:"taxii"` // of a collection, or of an API root or discovery with collection
	Collection string            `yaml:"collection"`
	MISP       string            `yaml:"misp"` // of the folder of a feed with a manifest
	Login      fetch.Login       `yaml:"login"`
	Format     string            `yaml:"format"` // empty: guessed
	Owner      string            `yaml:"owner"`
	Trust      int               `yaml:"trust"`
	Licence    string            `yaml:"licence"`
	Kind       string            `yaml:"kind"`
	Interval   time.Duration     `yaml:"interval"`
	Life       time.Duration     `yaml:"life"`
	MaxMB      int               `yaml:"max_mb"`
	Below      bool              `yaml:"below"`
	Mapping    map[string]string `yaml:"mapping"`
}

// Default is the complete section of a new installation.
func Default() Config {
	return Config{
		Enabled: true, MaxObjects: 4_000_000, Own: []string{}, Allow: []string{}, Deny: []string{}, Feeds: []Feed{},
		Hold: HoldConfig{ShrinkPercent: 90, BenignPercent: 1}, Sensors: defaultSensors(), Replica: replica.Default(), Sharing: sharing.Config{Sensors: true},
		DNS: DNSConfig{Zone: "reputation.internal", RPZ: "rpz.reputation.internal", Least: intel.DefaultBlock,
			Clients: []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"}},
	}
}

const (
	maxFeeds        = 1000
	defaultInterval = 6 * time.Hour
	defaultMaxMB    = 256
	maxMB           = 4096
)

// Check records all that is wrong with the section, which stands at key.
func (c *Config) Check(f *configfile.File, key string) {
	f.Check(c.MaxObjects >= 1000 && c.MaxObjects <= 50_000_000, key+".max_objects", "%d: want 1000 to 50000000", c.MaxObjects)
	f.Check(c.Hold.ShrinkPercent > 0 && c.Hold.ShrinkPercent <= 100, key+".hold.shrink_percent", "%v: want more than 0, at most 100", c.Hold.ShrinkPercent)
	f.Check(c.Hold.BenignPercent >= 0 && c.Hold.BenignPercent <= 100, key+".hold.benign_percent", "%v: want 0 to 100", c.Hold.BenignPercent)
	for name, list := range map[string][]string{"own": c.Own, "allow": c.Allow, "deny": c.Deny} {
		for _, text := range list {
			_, err := canon.Guess(text)
			f.Check(err == nil, key+"."+name, "%v", err)
		}
	}
	c.DNS.check(f, key+".dns")
	c.Sensors.check(f, key+".sensors")
	c.Replica.Check(f, key+".replica")
	c.Sharing.Check(f, key+".sharing")
	f.Check(len(c.Feeds) <= maxFeeds, key+".feeds", "%d feeds; at most %d", len(c.Feeds), maxFeeds)
	seen := map[string]bool{}
	for i := range c.Feeds {
		one := &c.Feeds[i]
		for _, problem := range one.complete() {
			f.Check(false, key+".feeds", "%q: %s", one.Name, problem)
		}
		f.Check(!seen[one.Name], key+".feeds", "%q: is there twice; names are unique", one.Name)
		seen[one.Name] = true
	}
}

func (c *DNSConfig) check(f *configfile.File, key string) {
	if c.Listen != "" {
		_, _, err := net.SplitHostPort(c.Listen)
		f.Check(err == nil, key+".listen", "%q: want address:port or :port", c.Listen)
	}
	for name, zone := range map[string]string{"zone": c.Zone, "rpz": c.RPZ} {
		f.Check(zone != "" && len(zone) <= 100 && !strings.ContainsAny(zone, " /*"), key+"."+name, "%q: want a name such as bl.example.net", zone)
	}
	f.Check(c.Zone != c.RPZ, key+".rpz", "is the same as zone")
	f.Check(c.Least >= 1 && c.Least <= 100, key+".least_score", "%d: want 1 to 100", c.Least)
	for _, p := range c.Clients {
		_, err := netip.ParsePrefix(p)
		f.Check(err == nil, key+".clients", "%q: want a prefix such as 192.0.2.0/24", p)
	}
}

// complete fills in what a feed leaves open and tells what is wrong with it.
func (d *Feed) complete() (problems []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	check(validName(d.Name), "name: want up to 40 small letters, digits and hyphens")
	check(!strings.HasPrefix(d.Name, ownPrefix), "name: those that begin with %q are the service's own", ownPrefix)
	problems = append(problems, d.place().Problems()...)
	if d.TAXII != "" {
		check(d.Format == "" || d.Format == "stix", "format: collections are of the format stix")
		d.Format = "stix"
	}
	if d.MISP != "" {
		check(d.Format == "" || d.Format == "misp", "format: events of MISP are of the format misp")
		d.Format = "misp"
	}
	check(d.Format == "" || knownFormat(d.Format), "format: %q is none; `masugata reputation formats` lists them", d.Format)
	if d.Kind != "" {
		_, ok := intel.ParseKind(d.Kind)
		check(ok, "kind: %q is none", d.Kind)
	}
	if d.Owner == "" {
		d.Owner = d.Name
	}
	setDefault(&d.Trust, int(feed.Trust(d.Format)))
	setDefault(&d.Interval, defaultInterval)
	setDefault(&d.MaxMB, defaultMaxMB)
	check(d.Trust > 0 && d.Trust <= 100, "trust: %d: want 1 to 100", d.Trust)
	check(d.Interval >= time.Minute, "interval: %v is under 1m", d.Interval)
	check(d.Life >= 0 && d.Life <= 20*365*24*time.Hour, "life: %v: want 0 to 20 years", d.Life)
	check(d.MaxMB > 0 && d.MaxMB <= maxMB, "max_mb: %d: want 1 to %d", d.MaxMB, maxMB)
	return problems
}

// place is where the feed comes from.
func (d *Feed) place() *fetch.Place {
	return &fetch.Place{File: d.File, URL: d.URL, TAXII: d.TAXII, Collection: d.Collection, MISP: d.MISP, Login: d.Login, MaxMB: d.MaxMB}
}

func setDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

func validName(s string) bool {
	ok := s != "" && len(s) <= 40 && s[0] != '-'
	for _, r := range s {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	return ok
}

func knownFormat(name string) bool {
	return slices.ContainsFunc(feed.Formats(), func(f feed.Format) bool { return f.Name == name })
}

// source is what the ledger knows of the feed.
func (d *Feed) source() intel.Source {
	kind, _ := intel.ParseKind(d.Kind)
	return intel.Source{Name: d.Name, Owner: d.Owner, Trust: uint8(d.Trust), Licence: d.Licence, Kind: kind, Life: uint32(d.Life / time.Second)}
}

// speaksFor says whether the feed says what must not be listed; those are
// imported first.
func (d *Feed) speaksFor() bool {
	k, _ := intel.ParseKind(d.Kind)
	return k == intel.KindBenign || k == intel.KindKnown || strings.Contains(d.Format, "warning")
}
