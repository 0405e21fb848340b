// Package policy knows what an operator allows: it reads the policy text,
// says all that is wrong with it, and answers how far a kind of action may go
// where. It does not store or send policies; the control plane calls it.
package policy

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/model"
)

// text is the shape of the YAML file.
type text struct {
	Flood struct {
		Mode      model.Mode        `yaml:"mode"`
		BlockTTL  time.Duration     `yaml:"block_ttl"`
		AntiSpoof bool              `yaml:"anti_spoof"`
		Limits    model.FloodLimits `yaml:"limits"`
		Protected []string          `yaml:"protected"`
	} `yaml:"flood"`
	Inspection struct {
		Mode model.Mode `yaml:"mode"`
	} `yaml:"inspection"`
	Reputation model.ReputationPolicy `yaml:"reputation"`
	Contacts   struct {
		Mode model.Mode `yaml:"mode"`
	} `yaml:"contacts"`
	Process struct {
		KillMode model.Mode `yaml:"kill_mode"`
	} `yaml:"process"`
	Files struct {
		Watch []string `yaml:"watch"`
	} `yaml:"files"`
	Devices map[string]struct {
		Limits     model.FloodLimits      `yaml:"limits"`
		Inspection model.Mode             `yaml:"inspection"`
		Reputation model.ReputationPolicy `yaml:"reputation"`
		Contacts   model.Mode             `yaml:"contacts"`
	} `yaml:"devices"`
}

// The bounds of a policy.
const (
	MinBlockTTL  = 10 * time.Second
	MaxBlockTTL  = 30 * 24 * time.Hour
	maxProtected = 1024
	maxDevices   = 100_000
	maxWatch     = 256
)

// DefaultText is the policy of a new installation, with every key explained.
const DefaultText = `# Masugata policy. Every mode is one of:
#   observe   only count and report what would have been stopped
#   propose   ask a person first (Actions page, or: masugata actions approve ID)
#   enforce   act at once
flood:
  mode: enforce          # blocks against floods that devices send
  block_ttl: 10m         # longest life of a block that nothing renews
  anti_spoof: true       # gates drop packets whose source is not of the inside
  protected: []          # prefixes that are never blocked as a destination
  limits:                # hard ceilings per device and second; 0: the gate's default
    udp_pps: 0
    syn_pps: 0
    ack_pps: 0
    icmp_pps: 0
    dns_qps: 0
    http_rps: 0
    spoofed_pps: 0
inspection:
  mode: observe          # of gates that inspect traffic with rules: off (do not look), observe (alert), enforce (stop what
                         # drop and reject rules name); left out: as each gate's own configuration says
reputation:              # things that the reputation service lists; a line left out: as each part's own configuration says
  mode: enforce          # off (do not look), observe (tell), enforce (stop)
  score: 75              # least score that counts: 50 (medium), 75 (high) or 90 (certain)
contacts:                # whom devices speak with, kept to look back when something turns out to be bad
  mode: observe          # off (gates do not tell it), observe (they do, where their own configuration lets them)
process:
  kill_mode: propose     # ending a flooding process on its own device
files:
  watch: []              # trees that agents watch, beside their own configuration
devices: {}              # single devices: mac-020000000a01: {limits: {udp_pps: 500}, inspection: enforce, reputation: {mode: observe, score: 50}, contacts: off}
`

// Parse reads a policy text. name is the file's name for messages. The error
// is a configfile.Problems that names every problem with its line and key.
func Parse(name string, data []byte) (model.Policy, error) {
	var t text
	f := configfile.Read(name, data, nil, &t)
	p := model.Policy{
		FloodMode: orMode(t.Flood.Mode, model.ModePropose),
		KillMode:  orMode(t.Process.KillMode, model.ModePropose),
		BlockTTL:  t.Flood.BlockTTL,
		AntiSpoof: t.Flood.AntiSpoof,
		Limits:    t.Flood.Limits,
	}
	if p.BlockTTL == 0 {
		p.BlockTTL = 10 * time.Minute
	}
	checkMode(f, "flood.mode", p.FloodMode)
	checkMode(f, "process.kill_mode", p.KillMode)
	f.Check(p.BlockTTL >= MinBlockTTL && p.BlockTTL <= MaxBlockTTL, "flood.block_ttl",
		"%v is outside of %v to %v", p.BlockTTL, MinBlockTTL, MaxBlockTTL)
	p.Protected = prefixes(f, t.Flood.Protected)
	p.WatchPaths = watchPaths(f, t.Files.Watch)
	f.Check(len(t.Devices) <= maxDevices, "devices", "names %d devices; at most %d", len(t.Devices), maxDevices)
	p.InspectMode = t.Inspection.Mode
	checkInspect(f, "inspection.mode", p.InspectMode)
	p.Reputation = t.Reputation
	checkReputation(f, "reputation", p.Reputation)
	p.Contacts = t.Contacts.Mode
	checkContacts(f, "contacts.mode", p.Contacts)
	devices(f, &t, &p)
	if err := f.Err(); err != nil {
		return model.Policy{}, err
	}
	return p, nil
}

// devices reads what holds for single devices.
func devices(f *configfile.File, t *text, p *model.Policy) {
	for name, d := range t.Devices {
		id := model.DeviceID(name)
		_, _, err := id.MAC()
		f.Check(err == nil, "devices."+name, "%v", err)
		if d.Inspection != "" {
			checkInspect(f, "devices."+name+".inspection", d.Inspection)
			if p.InspectDevices == nil {
				p.InspectDevices = make(map[model.DeviceID]model.Mode)
			}
			p.InspectDevices[id] = d.Inspection
		}
		if d.Reputation != (model.ReputationPolicy{}) {
			checkReputation(f, "devices."+name+".reputation", d.Reputation)
			if p.ReputationDevices == nil {
				p.ReputationDevices = make(map[model.DeviceID]model.ReputationPolicy)
			}
			p.ReputationDevices[id] = d.Reputation
		}
		if d.Contacts != "" {
			checkContacts(f, "devices."+name+".contacts", d.Contacts)
			if p.ContactsDevices == nil {
				p.ContactsDevices = make(map[model.DeviceID]model.Mode)
			}
			p.ContactsDevices[id] = d.Contacts
		}
		if d.Limits == (model.FloodLimits{}) {
			continue
		}
		if p.DeviceLimits == nil {
			p.DeviceLimits = make(map[model.DeviceID]model.FloodLimits, len(t.Devices))
		}
		p.DeviceLimits[id] = d.Limits
	}
}

func checkInspect(f *configfile.File, key string, m model.Mode) {
	ok := m == "" || m == model.ModeOff || m == model.ModeObserve || m == model.ModeEnforce
	f.Check(ok, key, "%q is not one of off, observe, enforce", m)
}

func checkReputation(f *configfile.File, key string, r model.ReputationPolicy) {
	checkInspect(f, key+".mode", r.Mode)
	f.Check(model.ReputationPolicy{Score: r.Score}.Valid(), key+".score", "%d is not one of 50, 75, 90", r.Score)
}

func checkContacts(f *configfile.File, key string, m model.Mode) {
	f.Check(m == "" || m == model.ModeOff || m == model.ModeObserve, key, "%q is not one of off, observe", m)
}

func orMode(m, fallback model.Mode) model.Mode {
	if m == "" {
		return fallback
	}
	return m
}

func checkMode(f *configfile.File, key string, m model.Mode) {
	ok := m == model.ModeObserve || m == model.ModePropose || m == model.ModeEnforce
	f.Check(ok, key, "%q is not one of observe, propose, enforce", m)
}

func prefixes(f *configfile.File, texts []string) []netip.Prefix {
	const key = "flood.protected"
	f.Check(len(texts) <= maxProtected, key, "names %d prefixes; at most %d", len(texts), maxProtected)
	out := make([]netip.Prefix, 0, len(texts))
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, aerr := netip.ParseAddr(s)
			f.Check(aerr == nil, key, "%q is neither an address nor a prefix such as 192.0.2.0/24", s)
			if aerr != nil {
				continue
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out
}

func watchPaths(f *configfile.File, paths []string) []string {
	const key = "files.watch"
	f.Check(len(paths) <= maxWatch, key, "names %d trees; at most %d", len(paths), maxWatch)
	for _, p := range paths {
		f.Check(len(p) > 1 && p[0] == '/', key, "%q: want an absolute path that is not the root", p)
	}
	return paths
}

// ModeOf says how far an action may go under p. A drop or limit that would
// reach a protected destination is never more than observed.
func ModeOf(p *model.Policy, a *model.Action) model.Mode {
	switch a.Kind {
	case model.ActionDrop, model.ActionRateLimit:
		if touchesProtected(p.Protected, a.Shape.Dst) {
			return model.ModeObserve
		}
		return p.FloodMode
	case model.ActionKillProcess:
		return p.KillMode
	}
	return model.ModePropose
}

// touchesProtected says whether dst shares an address with a protected
// prefix. A shape without a destination shares with all of them.
func touchesProtected(protected []netip.Prefix, dst netip.Prefix) bool {
	if !dst.IsValid() {
		return len(protected) > 0
	}
	for _, p := range protected {
		if p.Overlaps(dst) {
			return true
		}
	}
	return false
}

// LimitsOf gives the ceilings of one device: its own where set, else those of
// every device.
func LimitsOf(p *model.Policy, d model.DeviceID) model.FloodLimits {
	l := p.Limits
	own, ok := p.DeviceLimits[d]
	if !ok {
		return l
	}
	pick := func(to *uint32, v uint32) {
		if v != 0 {
			*to = v
		}
	}
	pick(&l.UDP, own.UDP)
	pick(&l.SYN, own.SYN)
	pick(&l.ACK, own.ACK)
	pick(&l.ICMP, own.ICMP)
	pick(&l.DNS, own.DNS)
	pick(&l.HTTP, own.HTTP)
	pick(&l.Spoofed, own.Spoofed)
	return l
}
