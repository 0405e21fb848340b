// Package sharing keeps what other fleets may read as TAXII 2.1 collections: what
// the own sensors agree on, and what is denied by hand. A collection is brought
// in line with claims, a new version only where something worth its way changed.
// It knows neither where claims come from nor HTTP (internal/console/rest serves
// it). internal/control/reputation calls it.
package sharing

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
	"github.com/masugata/masugata/internal/model"
)

// Config says what other fleets may read as TAXII 2.1 collections.
type Config struct {
	Enabled bool   `yaml:"enabled"`
	Name    string `yaml:"name"`    // of who shares, as others read it
	Sensors bool   `yaml:"sensors"` // what the own sensors agree on
	Deny    bool   `yaml:"deny"`    // the own deny list
	TLP     string `yaml:"tlp"`     // traffic light: clear, green, amber, red; empty: none
}

// Check records all that is wrong with the section, which stands at key.
func (c *Config) Check(f *configfile.File, key string) {
	if !c.Enabled {
		return
	}
	f.Check(c.Name != "" && len(c.Name) <= 100, key+".name", "want who shares, at most 100 bytes, as others shall read it")
	f.Check(c.Sensors || c.Deny, key+".sensors", "nothing is shared: set sensors or deny, or enabled: false")
	if c.TLP != "" {
		_, ok := feed.Marking(c.TLP)
		f.Check(ok, key+".tlp", "%q: want clear, green, amber or red", c.TLP)
	}
}

// The collections that there may be, by their aliases.
const (
	Sensors = "sensors"
	Deny    = "deny"
)

const (
	sharingWhat    = "sharing"
	sharingVersion = 1
	// pageBytes bounds the objects of a page.
	pageBytes = 8 << 20
)

// Shelves are what other fleets may read. Make them with Open. They are safe for concurrent use.
type Shelves struct {
	cfg  Config
	dir  keep.Folder
	ours func(*intel.Object) bool // nothing of the operator's own leaves
	log  *slog.Logger
	now  func() time.Time

	mu      sync.RWMutex
	ids     map[string]string // UUIDs of this installation, by alias and "author"
	shelves map[string]*shelf // by alias
}

// sharingFile is where a collection or, with "names", the identifiers are kept.
func sharingFile(alias string) string { return "sharing-" + alias + ".state" }

// Open reads from dir what was shared before; nil when nothing is shared. What
// cannot be read is begun anew, which those who read notice as new objects. ours
// says whether something is the operator's own, which does not leave.
func Open(cfg Config, dir keep.Folder, ours func(*intel.Object) bool, log *slog.Logger, now func() time.Time) (*Shelves, error) {
	x := &Shelves{cfg: cfg, dir: dir, ours: ours, log: log, now: now, ids: map[string]string{}, shelves: map[string]*shelf{}}
	if !x.cfg.Enabled {
		return nil, nil
	}
	if err := x.load("names", &x.ids); err != nil {
		return nil, err
	}
	for _, name := range []string{"author", Sensors, Deny} {
		if !isUUID(x.ids[name]) {
			x.ids[name] = newUUID()
		}
	}
	if err := x.save("names", x.ids); err != nil {
		return nil, err
	}
	by := feed.Author{Name: x.cfg.Name, ID: "identity--" + x.ids["author"]}
	by.Marking, _ = feed.Marking(x.cfg.TLP) // checked with the configuration
	for alias, on := range map[string]bool{Sensors: x.cfg.Sensors, Deny: x.cfg.Deny} {
		if !on {
			continue
		}
		sh := &shelf{}
		if err := x.load(alias, sh); err != nil {
			return nil, err
		}
		sh.open(by)
		x.shelves[alias] = sh
	}
	return x, nil
}

// load reads a file of the sharing; one that cannot be believed is only logged.
func (x *Shelves) load(name string, v any) error {
	b, err := x.dir.ReadSealed(sharingFile(name), sharingWhat, sharingVersion)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	var wrong *json.SyntaxError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, keep.ErrSealed), errors.As(err, &wrong):
		x.log.Error("reputation: what was shared begins anew", "error", err)
		return nil
	}
	return err
}

func (x *Shelves) save(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.dir.WriteSealed(sharingFile(name), sharingWhat, sharingVersion, b)
}

// Set makes a collection say what claims say and nothing else, without those that
// must not leave. Each collection is set by one goroutine at a time. A collection
// that is not shared, and any of nil, stays so.
func (x *Shelves) Set(alias string, claims []intel.Claim) {
	if x == nil || x.shelves[alias] == nil {
		return
	}
	claims = slices.DeleteFunc(slices.Clone(claims), func(c intel.Claim) bool { return !x.mayLeave(c.Object) || !canShare(c.Object) })
	x.mu.Lock()
	sh := x.shelves[alias]
	if !sh.sync(claims, x.now()) && !sh.lost {
		x.mu.Unlock()
		return
	}
	now, left := shelf{Records: slices.Clone(sh.Records), Last: sh.Last}, sh.left
	x.mu.Unlock() // nobody waits for the disk
	if left > 0 {
		x.log.Warn("more is known than is shared", "collection", alias, "shared", MaxObjects, "left_out", left)
	}
	err := x.save(alias, &now)
	if sh.lost = err != nil; sh.lost {
		x.log.Error("reputation: what is shared is not kept over a restart; trying again", "collection", alias, "error", err)
	}
}

// mayLeave says whether an object may be told to others: nothing of the
// operator's own, no address or name that means something only inside, nobody's
// mail address.
func (x *Shelves) mayLeave(o intel.Object) bool {
	switch o.Type {
	case intel.TypeEmail:
		return false
	case intel.TypePrefix:
		if !canon.Outside(o.Prefix.Addr()) {
			return false
		}
	case intel.TypeDomain, intel.TypeURL, intel.TypeEndpoint:
		host := hostOf(o.Text)
		if insideName(host) {
			return false
		}
		if at, err := canon.Guess(host); err != nil || x.ours(&at) {
			return false
		}
	}
	return !x.ours(&o)
}

// hostOf is the name or address in a name, URL or endpoint, without its port.
func hostOf(text string) string {
	host, _, _ := strings.Cut(text, "/")
	if rest, bracketed := strings.CutPrefix(host, "["); bracketed {
		host, _, _ = strings.Cut(rest, "]")
		return host
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host // IPv6 without brackets
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

// insideName says whether a name means something only in one network (RFC 6762,
// 6761, 8375, 9476 and the private-use name "internal").
func insideName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch last {
	case "local", "internal", "lan", "home", "corp", "intranet", "private", "localdomain", "localhost", "alt":
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return !canon.Outside(a)
	}
	return host == "home.arpa" || strings.HasSuffix(host, ".home.arpa") || !strings.Contains(host, ".")
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func isUUID(s string) bool {
	_, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(s) == 36
}

// SharedBy implements the console's Sharing.
func (x *Shelves) SharedBy() string { return x.cfg.Name }

// Collections implements the console's Sharing.
func (x *Shelves) Collections() (list []taxii.Collection) {
	about := map[string][2]string{
		Sensors: {"Sightings", "Attackers that at least so many independent owners of our sensors saw that none of them can be told from it"},
		Deny:    {"Deny list", "What our operators deny by hand"},
	}
	for alias := range x.shelves { // never changed after the start
		list = append(list, taxii.Collection{ID: x.ids[alias], Alias: alias, Title: about[alias][0], Description: about[alias][1],
			CanRead: true, MediaTypes: []string{taxii.STIXType}})
	}
	slices.SortFunc(list, func(a, b taxii.Collection) int { return cmp.Compare(b.Alias, a.Alias) })
	return list
}

// shelf gives a collection by its UUID or alias; the caller holds mu.
func (x *Shelves) shelf(collection string) (*shelf, error) {
	for alias, sh := range x.shelves {
		if alias == collection || strings.EqualFold(x.ids[alias], collection) {
			return sh, nil
		}
	}
	return nil, fmt.Errorf("collection %.40q: %w", collection, model.ErrNotFound)
}

// Envelope implements the console's Sharing.
func (x *Shelves) Envelope(collection string, f taxii.Filter) ([]byte, taxii.Page, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sh, err := x.shelf(collection)
	if err != nil {
		return nil, taxii.Page{}, err
	}
	return taxii.AppendEnvelope(nil, sh.records(&f), f, pageBytes)
}

// Manifest implements the console's Sharing.
func (x *Shelves) Manifest(collection string, f taxii.Filter) ([]byte, taxii.Page, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sh, err := x.shelf(collection)
	if err != nil {
		return nil, taxii.Page{}, err
	}
	return taxii.AppendManifest(nil, sh.records(&f), f)
}

// Versions implements the console's Sharing.
func (x *Shelves) Versions(collection string, f taxii.Filter) ([]byte, taxii.Page, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sh, err := x.shelf(collection)
	if err != nil {
		return nil, taxii.Page{}, err
	}
	return taxii.AppendVersions(nil, sh.records(&f), f)
}

// Shares implements the console's Sharing.
func (x *Shelves) Shares(collection, object string) (bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sh, err := x.shelf(collection)
	return err == nil && sh.has(object), err
}
