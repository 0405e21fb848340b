package agent

import (
	"context"
	"net"
	"net/netip"
	"sort"
	"time"

	"github.com/masugata/masugata/internal/agent/listed"
	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// How the control plane's addresses are looked up when its endpoint is a name.
const (
	resolveEvery  = time.Hour
	resolveWithin = 3 * time.Second
)

// control is where the control plane was found last; only of neverRefused.
type control struct {
	at    time.Time
	addrs []netip.Addr
}

// listedConfig is what the watch over addresses of bad reputation needs.
func (a *Agent) listedConfig() listed.Config {
	return listed.Config{Limit: a.cfg.Reputation, State: a.cfg.State, Kept: a.neverRefused, Who: a.who, Open: connect.Open,
		Forwards: inventory.Forwards, Seeing: func() bool { return a.sending.snapshot().meters > 0 },
		Device: func() model.DeviceID { return a.id }, Submit: func(e *model.Event) { a.link.Submit(e) }, Cover: a.cover, Log: a.log}
}

// neverRefused are addresses that no list takes from this device: inner
// networks, those that it is in, what policy protects, and the control plane.
func (a *Agent) neverRefused() []netip.Prefix {
	out := edge.NeverStopped()
	own, err := inventory.Prefixes()
	if err != nil {
		a.log.Warn("own networks are not known", "error", err)
	}
	for _, p := range own {
		out = append(out, p.Masked())
	}
	a.mu.Lock()
	if a.policy != nil {
		out = append(out, a.policy.Protected...)
	}
	a.mu.Unlock()
	for _, addr := range a.controlPlane() {
		out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
	}
	return out
}

func (a *Agent) controlPlane() []netip.Addr {
	host, _, err := net.SplitHostPort(a.link.Status().Endpoint)
	if err != nil {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap().WithZone("")}
	}
	c := &a.control
	if time.Since(c.at) < resolveEvery {
		return c.addrs
	}
	c.at = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), resolveWithin)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return c.addrs // those of before
	}
	for i := range found {
		found[i] = found[i].Unmap().WithZone("")
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Less(found[j]) }) // servers give them in turn
	c.addrs = found
	return found
}

// who describes a process that was busy a moment ago; what ended since is known
// by what it ran, if its start was seen.
func (a *Agent) who(pid uint32) *model.ProcessEvidence {
	if e, err := process.Evidence(pid); err == nil {
		e.SHA256, _ = a.hasher.Executable(pid, hashWait)
		return e
	}
	if path := a.starts.names.of(pid); path != "" {
		return &model.ProcessEvidence{PID: pid, Path: path}
	}
	return nil
}
