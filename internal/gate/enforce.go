package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// configure puts configuration and policy into force: detector, desk and data
// path. It does all it can and joins the errors. Call it with mu held.
func (g *Gate) configure(now time.Time) error {
	own := make(map[flood.Device]model.FloodLimits, len(g.policy.DeviceLimits))
	for id := range g.policy.DeviceLimits {
		if mac, vlan, err := id.MAC(); err == nil {
			own[flood.Device{MAC: mac, VLAN: vlan}] = policy.LimitsOf(&g.policy, id)
		}
	}
	g.det.SetLimits(g.policy.Limits, own)
	g.det.SetEndAfter(g.cfg.Flood.RetireAfter)
	g.desk.Configure(g.deskConfig(), now)
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	note("set inside prefixes", g.dp.SetInside(bothFamilies(g.cfg.Home.Prefixes), g.policy.AntiSpoof || g.cfg.Home.AntiSpoof))
	note("set trusted devices", g.dp.SetTrusted(g.cfg.trusted()))
	note("set devices that the blocklist spares", g.dp.SetSpared(sparedBy(g.reputationRegards())))
	note("set fail mode", g.dp.SetFailMode(failModes[g.cfg.FailMode]))
	note("set ceilings", g.setCeilings(own))
	if g.inspection != nil {
		g.inspection.SetModes(g.cfg.modes(&g.policy))
	}
	g.inspectListed()
	g.rewriteBlocklist()
	note("write rules", g.writeRules()) // the next scan writes them again and tells what came of it
	err := errors.Join(errs...)
	g.conf, g.confErr = now, ""
	if err != nil {
		g.confErr = err.Error()
	}
	return err
}

// retryEvery is how often a configuration that is not in force everywhere is
// tried again: what has no room now, such as a device in a table that made-up
// devices fill, finds some later.
const retryEvery = 10 * time.Second

// reconfigure tries again what configure could not do.
func (g *Gate) reconfigure(now time.Time) {
	if g.confErr == "" || now.Sub(g.conf) < retryEvery {
		return
	}
	if g.configure(now) == nil {
		g.log.Info("configuration in force everywhere")
	}
}

func (c *Config) trusted() []datapath.DeviceKey {
	out := make([]datapath.DeviceKey, 0, len(c.Home.Trusted))
	for _, t := range c.Home.Trusted {
		if k, err := deviceKey(t); err == nil { // checked with the configuration
			out = append(out, k)
		}
	}
	return out
}

// ordinary6 are the IPv6 addresses in ordinary use.
var ordinary6 = [...]netip.Prefix{netip.MustParsePrefix("2000::/3"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("64:ff9b::/96")}

// bothFamilies adds the whole of an address family of which no prefix is
// named: nothing is known to be spoofed there.
func bothFamilies(p []netip.Prefix) []netip.Prefix {
	if len(p) == 0 {
		return nil
	}
	out := append([]netip.Prefix(nil), p...)
	var v4, v6 bool
	for _, x := range p {
		v4, v6 = v4 || x.Addr().Is4(), v6 || x.Addr().Is6()
	}
	if !v4 {
		out = append(out, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	}
	if !v6 {
		out = append(out, ordinary6[:]...)
	}
	return out
}

// netUnder is how far the kernel's ceilings stand above the detector's: they
// hold from the first packet and without this process. They stop a class of a
// device as a whole, its honest packets too, so they stand well above what the
// detector, whose blocks are narrow, deals with within a third of a second.
const netUnder = 16

// The detector's built-in ceilings of the classes that honest traffic never
// brings near them; UDP, TCP and bare ACKs have no ceiling in the kernel,
// since a fast upload is all of them.
const (
	defaultSYN     = 1500
	defaultICMP    = 1000
	defaultDNS     = 1000
	defaultSpoofed = 500
)

func ceilings(l model.FloodLimits) datapath.Ceilings {
	at := func(v, builtin uint32) uint32 {
		if v == 0 {
			v = builtin
		}
		return max(1000, v*netUnder)
	}
	var c datapath.Ceilings
	c[datapath.ClassSYN] = at(l.SYN, defaultSYN)
	c[datapath.ClassICMP] = at(l.ICMP, defaultICMP)
	c[datapath.ClassDNS] = at(l.DNS, defaultDNS)
	c[datapath.ClassSpoofed] = at(l.Spoofed, defaultSpoofed)
	return c
}

func (g *Gate) setCeilings(own map[flood.Device]model.FloodLimits) error {
	all, enforce := datapath.Ceilings{}, g.policy.FloodMode == model.ModeEnforce
	if enforce {
		all = ceilings(g.policy.Limits)
	}
	errs := []error{g.dp.SetCeilings(datapath.DeviceKey{}, all)}
	for d := range g.ceilinged { // what no longer has its own gets everybody's
		if _, ok := own[d]; !ok {
			errs = append(errs, g.dp.SetCeilings(datapath.DeviceKey(d), all))
		}
	}
	for d, l := range own {
		c := datapath.Ceilings{}
		if enforce {
			c = ceilings(l)
		}
		errs = append(errs, g.dp.SetCeilings(datapath.DeviceKey(d), c))
		g.ceilinged[d] = true
	}
	return errors.Join(errs...)
}

// setPolicy takes the signed policy.
func (g *Gate) setPolicy(version uint64, payload []byte) error {
	p, err := wire.DecodePolicy(version, payload)
	if err != nil {
		return fmt.Errorf("policy %d: %w", version, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.policy, g.signed = *p, true
	if err := g.configure(time.Now()); err != nil {
		return fmt.Errorf("policy %d: %w", version, err)
	}
	g.log.Info("policy in force", "version", version, "flood_mode", p.FloodMode, "inspection", p.InspectMode)
	return nil
}

// setActions takes the signed set of actions and puts it into force at once.
func (g *Gate) setActions(version uint64, payload []byte) error {
	actions, undone, err := wire.DecodeActions(payload)
	if err != nil {
		return fmt.Errorf("actions %d: %w", version, err)
	}
	g.mu.Lock()
	g.desk.SetActions(actions, undone, time.Now())
	fates := g.enforce()
	g.reportFates(fates)
	lastErr := g.lastErr
	g.mu.Unlock()
	g.link.Nudge()
	if lastErr != "" {
		return fmt.Errorf("actions %d: %s", version, lastErr)
	}
	return nil
}
