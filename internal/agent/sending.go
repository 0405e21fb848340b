package agent

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/host/sockets"
	"github.com/masugata/masugata/internal/host/traffic"
	"github.com/masugata/masugata/internal/model"
)

// tick is how often what was sent is looked at.
const tick = 100 * time.Millisecond

// The times around the tick.
const (
	refreshEvery = 5 * time.Second        // own addresses and interfaces
	hashWait     = 60 * time.Millisecond  // for the hash of a flooding process, before it is reported without
	rankWait     = 8 * time.Millisecond   // to see which of several processes is busy
	hiddenRate   = 2000                   // packets per second past the packet tap that are a flood
	hiddenFor    = 300 * time.Millisecond // how long to be sure
)

// sending watches what the device sends and reports floods with the process
// behind them. One goroutine runs it; limits may be set from others.
type sending struct {
	cfg     *Config
	log     Log
	hasher  *process.Hasher
	submit  func(*model.Event)
	met     func(*traffic.Flow) // is told each flow
	cover   func(model.Coverage)
	device  func() model.DeviceID
	detect  *Detector
	meters  map[string]*traffic.Meter
	indexes map[string]inventory.Interface
	owners  map[floodKey]*model.ProcessEvidence
	own     func() []netip.Addr // the device's addresses now
	honest  map[floodKey]bool   // taken as spoofed from an address that the device had just got
	hidden  hidden

	mu     sync.Mutex
	limits model.FloodLimits
	fresh  bool // limits changed
	stats  sendingStats
}

// sendingStats are for the status text.
type sendingStats struct {
	pps    float64
	weight float64
	floods int
	meters int // interfaces that are watched
}

func newSending(cfg *Config, log Log, hasher *process.Hasher) *sending {
	s := &sending{cfg: cfg, log: log, hasher: hasher, detect: NewDetector(cfg.Limits),
		meters: map[string]*traffic.Meter{}, indexes: map[string]inventory.Interface{},
		owners: map[floodKey]*model.ProcessEvidence{}, own: ownAddresses, met: func(*traffic.Flow) {}, honest: map[floodKey]bool{}}
	s.detect.Connected = sockets.Connected
	return s
}

// setLimits takes what policy says; the device's own configuration goes first.
func (s *sending) setLimits(l model.FloodLimits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits, s.fresh = over(s.cfg.Limits, l), true
}

func (s *sending) snapshot() sendingStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// run reads the meters every tick until ctx ends.
func (s *sending) run(ctx context.Context) {
	defer s.closeMeters()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var refreshed time.Time
	last := time.Now()
	for {
		now := time.Now()
		if now.Sub(refreshed) >= refreshEvery {
			s.refresh()
			refreshed = now
		}
		s.step(now, now.Sub(last))
		last = now
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *sending) step(now time.Time, span time.Duration) {
	s.mu.Lock()
	if s.fresh {
		s.detect.SetLimits(s.limits)
		s.fresh = false
	}
	s.mu.Unlock()
	s.detect.Begin(span)
	var total, weight float64
	for name, m := range s.meters {
		sample, err := m.Read(func(f *traffic.Flow) {
			s.met(f)
			s.detect.Add(f)
		})
		if err != nil {
			s.log.Warn("counting failed, will be opened anew", "interface", name, "error", err.Error())
			s.drop(name)
			continue
		}
		for _, n := range sample.Total {
			total += n
		}
		weight = max(weight, sample.Weight)
	}
	found := s.detect.End(now)
	for i := range found {
		if !s.mistaken(&found[i]) {
			s.report(&found[i], now)
		}
	}
	if f, ok := s.hidden.step(total, now, s.indexes); ok {
		s.report(&f, now)
	}
	s.note(total/max(span.Seconds(), 0.001), weight, found)
}

func (s *sending) note(pps, weight float64, found []Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.pps += (pps - s.stats.pps) / 10
	s.stats.weight, s.stats.meters = weight, len(s.meters)
	for i := range found {
		if found[i].Phase == PhaseBegan {
			s.stats.floods++
		}
	}
}

// refresh opens meters for the interfaces that are there now and tells them
// the device's addresses.
func (s *sending) refresh() {
	want, err := s.interfaces()
	for name := range s.meters {
		if i, ok := want[name]; !ok || i.Index != s.indexes[name].Index {
			s.drop(name)
		}
	}
	for name, i := range want {
		if s.meters[name] != nil {
			continue
		}
		m, e := traffic.Open(i.Index, i.MTU)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		s.meters[name], s.indexes[name] = m, i
		s.log.Info("counting what is sent", "interface", name)
	}
	c := model.Coverage{Layer: model.LayerDevice, Protection: "flood.outbound", Active: len(s.meters) > 0}
	if err != nil {
		c.Reason = err.Error()
	}
	s.cover(c)
	s.tellOwn(s.own())
}

func (s *sending) tellOwn(own []netip.Addr) {
	for _, m := range s.meters {
		m.SetOwn(own)
	}
}

// mistaken says whether what looks spoofed comes from an address that the
// device got since the last refresh: by DHCP, or as a new temporary IPv6
// address. What goes on after that is a flood all the same.
func (s *sending) mistaken(f *Finding) bool {
	if !f.Evidence.Shape.Spoofed {
		return false
	}
	switch f.Phase {
	case PhaseBegan:
		own := s.own()
		s.tellOwn(own)
		if !slices.Contains(own, netip.AddrFrom16(f.Source).Unmap()) {
			return false
		}
		s.honest[f.key] = true
		return true
	case PhaseLasts:
		if s.honest[f.key] {
			f.Phase = PhaseBegan
			delete(s.honest, f.key)
		}
		return false
	}
	mistaken := s.honest[f.key]
	delete(s.honest, f.key)
	return mistaken
}

func (s *sending) interfaces() (map[string]inventory.Interface, error) {
	out := map[string]inventory.Interface{}
	if len(s.cfg.Interfaces) == 0 {
		i, err := inventory.Default()
		if err == nil {
			out[i.Name] = i
		}
		return out, err
	}
	var all error
	for _, name := range s.cfg.Interfaces {
		i, err := inventory.ByName(name)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		out[name] = i
	}
	return out, all
}

// ownAddresses is empty when sources cannot be judged.
func ownAddresses() []netip.Addr {
	prefixes, err := inventory.Prefixes()
	if err != nil || inventory.Forwards() {
		return nil
	}
	out := make([]netip.Addr, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, p.Addr())
	}
	return out
}

func (s *sending) drop(name string) {
	if m := s.meters[name]; m != nil {
		if err := m.Close(); err != nil {
			s.log.Warn("closing a packet ring failed", "interface", name, "error", err.Error())
		}
	}
	delete(s.meters, name)
	delete(s.indexes, name)
}

func (s *sending) closeMeters() {
	for name := range s.meters {
		s.drop(name)
	}
}

// report makes the event of a finding. The process is sought when the flood
// begins and kept until it ends.
func (s *sending) report(f *Finding, now time.Time) {
	who := s.owners[f.key]
	if f.Phase != PhaseEnded && (who == nil || !alive(who)) {
		who = s.owner(f)
		if len(s.owners) >= maxSuspects {
			clear(s.owners)
		}
		s.owners[f.key] = who
	}
	if who != nil && who.SHA256 == "" {
		who.SHA256, _ = s.hasher.Executable(who.PID, hashWait) // later reports have it if it is slow
	}
	if f.Phase == PhaseEnded {
		delete(s.owners, f.key)
	}
	s.submit(floodEvent(f, who, s.device(), now))
}

func alive(p *model.ProcessEvidence) bool {
	st, err := process.ReadStat(p.PID)
	return err == nil && st.Start == p.Start && st.State != 'Z'
}

// owner finds the process that sends a flood; nil when it cannot be told.
func (s *sending) owner(f *Finding) *model.ProcessEvidence {
	shape := f.Evidence.Shape
	flow := sockets.Flow{Proto: shape.Proto, LocalPorts: f.SrcPorts, RemotePort: shape.DstPort, Spoofed: shape.Spoofed}
	if shape.Dst.IsValid() {
		flow.Remote = shape.Dst.Addr()
	}
	self := uint32(os.Getpid())
	pids, err := sockets.Owners(flow, func(pid uint32) bool { return pid == self })
	if err != nil {
		s.log.Warn("looking for the process behind a flood failed", "error", err.Error())
	}
	for _, pid := range busiest(pids) {
		e, err := process.Evidence(pid)
		if err != nil {
			continue
		}
		if shape.Dst.IsValid() {
			e.Remotes = []netip.AddrPort{netip.AddrPortFrom(shape.Dst.Addr(), shape.DstPort)}
		}
		e.SHA256, _ = s.hasher.Executable(pid, hashWait)
		return e
	}
	return nil
}

// busiest puts the processes that used most of the processor within a short
// time first: of several that hold the socket, that one sends.
func busiest(pids []uint32) []uint32 {
	if len(pids) < 2 {
		return pids
	}
	before := make(map[uint32]uint64, len(pids))
	for _, pid := range pids {
		before[pid] = process.CPUTime(pid)
	}
	time.Sleep(rankWait)
	used := make(map[uint32]uint64, len(pids))
	for _, pid := range pids {
		if t := process.CPUTime(pid); t > before[pid] {
			used[pid] = t - before[pid]
		}
	}
	sort.SliceStable(pids, func(i, j int) bool { return used[pids[i]] > used[pids[j]] })
	return pids
}

// hidden watches for packets that leave the interface without passing the
// packet tap, as with PACKET_QDISC_BYPASS.
type hidden struct {
	last    uint64 // the interface's own count
	known   bool
	missing float64 // packets since begin
	begin   time.Time
	told    time.Time
}

// step compares the interface's count with what was seen; only a device with
// one watched interface is judged.
func (h *hidden) step(seen float64, now time.Time, on map[string]inventory.Interface) (Finding, bool) {
	if len(on) != 1 {
		h.known = false
		return Finding{}, false
	}
	var sent uint64
	for name := range on {
		sent = inventory.Sent(name)
	}
	delta := float64(sent - h.last)
	first := !h.known || sent < h.last
	h.last, h.known = sent, true
	// Estimates while sampling are rough, hence the half.
	gap := delta - seen
	if first || gap < hiddenRate*tick.Seconds() || gap < delta/2 {
		h.missing, h.begin = 0, time.Time{}
		return Finding{}, false
	}
	if h.begin.IsZero() {
		h.begin = now.Add(-tick)
	}
	h.missing += gap
	if now.Sub(h.begin) < hiddenFor-tick/2 || now.Sub(h.told) < repeatEvery {
		return Finding{}, false
	}
	h.told = now
	f := Finding{Phase: PhaseBegan, First: h.begin, Last: now, key: floodKey{vector: model.VectorSpoofed}}
	f.Evidence = model.FloodEvidence{Vector: model.VectorSpoofed, PPS: h.missing / now.Sub(h.begin).Seconds(),
		Packets: uint64(h.missing), Sources: 1, Shape: model.Shape{Spoofed: true}}
	return f, true
}

// floodEvent puts a finding into words.
func floodEvent(f *Finding, who *model.ProcessEvidence, device model.DeviceID, now time.Time) *model.Event {
	ev := f.Evidence
	ev.Process = who
	e := &model.Event{
		ID: model.NewID(now), Time: f.First, Last: f.Last, Device: device, Layer: model.LayerDevice,
		Kind: model.KindFloodOutbound, Severity: model.SeverityHigh, Rule: "agent.flood." + string(ev.Vector),
		Count: 1, Flood: &ev, Technique: "T1498",
		Advice: "Stop the process and find out how it came onto the device; renew the device's passwords and firmware.",
	}
	target := "many addresses"
	if ev.Shape.Dst.IsValid() {
		target = ev.Shape.Dst.Addr().String()
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableIP, Value: target})
		if ev.Shape.DstPort != 0 {
			target = netip.AddrPortFrom(ev.Shape.Dst.Addr(), ev.Shape.DstPort).String()
		}
	}
	e.Subject = target
	sender := "A process that could not be told"
	if who != nil {
		sender = who.Path + " (process " + strconv.FormatUint(uint64(who.PID), 10) + ")"
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePath, Value: who.Path})
		if who.SHA256 != "" {
			e.Observables = append(e.Observables, model.Observable{Type: model.ObservableSHA256, Value: who.SHA256})
		}
	}
	verb := " sends a "
	if f.Phase == PhaseEnded {
		e.Kind, e.Severity, verb = model.KindFloodEnded, model.SeverityInfo, " no longer sends a "
		e.Advice = ""
	}
	e.Explanation = sender + verb + strings.ToUpper(string(ev.Vector)) + " flood to " + target + ": " +
		strconv.FormatFloat(ev.PPS, 'f', 0, 64) + " packets per second."
	return e
}
