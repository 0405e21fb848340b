package effect

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/model"
)

const (
	// lookDays is how far back contacts are looked at when something is listed.
	lookDays = 7
	// maxPairs is how many pairs of a device and a remote end are kept in memory.
	maxPairs = 200_000
	// maxTold is how many tellings are remembered, so that none comes twice.
	maxTold = 20_000
	// toldAtOnce bounds the events of one look; the rest come with the next.
	toldAtOnce = 200
	// toldADay bounds the events of a day: a list that names what everybody uses
	// must not drown what else happens.
	toldADay = 1000
	// lookAgain is when the rest is told.
	lookAgain = 10 * time.Second
	// LookBackRule is the rule of events that tell of contacts of before.
	LookBackRule = "reputation.lookback"

	lookBackFile    = "lookback.json"
	lookBackVersion = 1
)

// lookBack keeps whom devices spoke with lately and tells when such a remote
// end becomes listed. All but notice belongs to the goroutine of Watch.Run.
type lookBack struct {
	known   Knowledge
	dir     keep.Folder
	log     *slog.Logger
	now     func() time.Time
	history History
	least   func() uint8 // score that counts
	tell    func(*model.Event)
	fresh   chan struct{} // there is a new index

	remotes map[remoteKey]remoteEnd
	pairs   int
	told    map[toldKey]int64 // when, seconds since 1970
	dirty   bool              // told is not on disk
	day     string            // of toldNow
	toldNow int               // events of that day
}

// remoteKey names a remote end.
type remoteKey struct {
	name string // canonical
	addr netip.Addr
}

// remoteEnd is whom devices spoke with: their last contact each. A list instead
// of a map, for most have one or two.
type remoteEnd []pair

// pair is a device's contact with a remote end, in few bytes: there are many.
type pair struct {
	device      model.DeviceID
	proto       string
	first, last int64 // seconds since 1970
	flows       uint32
	port        uint16
	inbound     bool
}

// toldKey is what was told: a device and a listed object.
type toldKey struct{ device, object string }

// keptTold is a telling as the folder keeps it.
type keptTold struct {
	Device string `json:"device"`
	Object string `json:"object"`
	Time   int64  `json:"time"`
}

type keptLookBack struct {
	Version int        `json:"version"`
	Told    []keptTold `json:"told"`
}

func newLookBack(f *Watch, h History, tell func(*model.Event)) *lookBack {
	b := &lookBack{known: f.known, dir: f.dir, log: f.log, now: f.now, history: h, tell: tell, fresh: make(chan struct{}, 1),
		remotes: map[remoteKey]remoteEnd{}, told: map[toldKey]int64{}}
	return b
}

// notice says that there is a new index.
func (b *lookBack) notice() {
	select {
	case b.fresh <- struct{}{}:
	default: // it has not looked at the last one yet
	}
}

// renewed is when to look; never without a history.
func (b *lookBack) renewed() <-chan struct{} {
	if b == nil {
		return nil
	}
	return b.fresh
}

// begin reads what was told and whom devices spoke with before this start.
func (b *lookBack) begin(ctx context.Context) {
	kept := keptLookBack{Version: lookBackVersion}
	err := b.dir.ReadJSON(lookBackFile, &kept)
	if err == nil && kept.Version != lookBackVersion {
		err = fmt.Errorf("is of version %d, this is a program for version %d", kept.Version, lookBackVersion)
	}
	if err != nil {
		b.log.Error("reputation: what was told of former contacts cannot be read; some may be told again", "error", err)
		kept.Told = nil
	}
	for _, t := range kept.Told[:min(len(kept.Told), maxTold)] {
		b.told[toldKey{t.Device, t.Object}] = t.Time
	}
	now := b.now()
	if err := b.history.Contacts(ctx, now.AddDate(0, 0, -lookDays), now, maxPairs, func(c *Contact) { b.keep(c) }); err != nil && ctx.Err() == nil {
		b.log.Error("reputation: former contacts cannot be read; only new ones are looked at", "error", err)
	}
	b.notice()
}

// contact takes up a contact, and tells of it when it is listed already.
func (b *lookBack) contact(e *model.Event) {
	c, ok := ContactOf(e.Device, e.Observables)
	if !ok || c.Device == "" {
		return
	}
	c.Flows, c.First, c.Last = uint64(e.Count), e.Time, e.Last
	if now := b.now(); c.Last.After(now) { // a clock that is ahead must not make it outlast all others
		c.Last = now
	}
	if key, ok := b.keep(&c); ok {
		if x, ports, ready := b.known.Index(); ready {
			b.check(x, ports, key, b.remotes[key], b.room())
		}
	}
}

// keep notes a contact; ok is false when nothing can be listed by it. What it
// keeps shares no memory with c.
func (b *lookBack) keep(c *Contact) (key remoteKey, ok bool) {
	if c.Name != "" {
		if o, err := canon.Domain(c.Name); err == nil {
			key.name = o.Text
		}
	}
	if c.Addr.IsValid() && canon.Outside(c.Addr) {
		key.addr = c.Addr
	}
	if key == (remoteKey{}) {
		return key, false
	}
	r, known := b.remotes[key]
	i := slices.IndexFunc(r, func(p pair) bool { return p.device == c.Device })
	if i < 0 {
		key.name = strings.Clone(key.name)
		r = append(r, pair{device: model.DeviceID(strings.Clone(string(c.Device))), first: c.First.Unix()})
		i = len(r) - 1
		b.pairs++
	}
	p := &r[i]
	p.first = min(p.first, c.First.Unix())
	p.flows += uint32(min(c.Flows, uint64(math.MaxUint32-p.flows)))
	if at := c.Last.Unix(); at > p.last || p.proto == "" {
		p.last, p.port, p.inbound = at, c.Port, c.Inbound
		if p.proto != c.Proto {
			p.proto = strings.Clone(c.Proto)
		}
	}
	if !known || i == len(r)-1 {
		b.remotes[key] = r
	}
	if b.pairs > maxPairs {
		b.forget()
	}
	return key, true
}

// forget drops pairs that are too old, and the oldest fifth when there are
// still too many.
func (b *lookBack) forget() {
	b.drop(b.now().AddDate(0, 0, -lookDays).Unix())
	if b.pairs <= maxPairs {
		return
	}
	times := make([]int64, 0, b.pairs)
	for _, r := range b.remotes {
		for i := range r {
			times = append(times, r[i].last)
		}
	}
	slices.Sort(times)
	b.drop(times[len(times)/5] + 1)
}

// drop forgets the pairs that last spoke before a time.
func (b *lookBack) drop(before int64) {
	for key, r := range b.remotes {
		n := len(r)
		r = slices.DeleteFunc(r, func(p pair) bool { return p.last < before })
		switch {
		case len(r) == 0:
			delete(b.remotes, key)
		case len(r) < n:
			b.remotes[key] = r
		}
		b.pairs -= n - len(r)
	}
}

// room is how many more may be told now.
func (b *lookBack) room() int {
	if day := b.now().UTC().Format(dateLayout); day != b.day {
		b.day, b.toldNow = day, 0
	}
	return min(toldAtOnce, toldADay-b.toldNow)
}

// look asks of every remote end whether it is listed now.
func (b *lookBack) look() {
	x, ports, ready := b.known.Index()
	if !ready {
		return
	}
	b.drop(b.now().AddDate(0, 0, -lookDays).Unix())
	room := b.room()
	if room <= 0 {
		return
	}
	for key, r := range b.remotes {
		if room -= b.check(x, ports, key, r, room); room > 0 {
			continue
		}
		if b.room() <= 0 {
			b.log.Warn("reputation: so many devices spoke with what is listed now that no more are told of today", "told", b.toldNow)
			return
		}
		time.AfterFunc(lookAgain, b.notice)
		return
	}
}

// check tells of the devices that spoke with a remote end, if it is listed and
// they were not told of; at most room. It says of how many.
func (b *lookBack) check(x *index.Index, ports bool, key remoteKey, r remoteEnd, room int) (told int) {
	least := b.least()
	tell := func(o intel.Object, pairs []pair) {
		brief, match := x.Object(o)
		if !Blocks(brief, least) {
			return
		}
		for i := range pairs {
			if p := &pairs[i]; told < room && !b.toldOf(p.device, o) && !b.toldOf(p.device, match) {
				b.remember(p.device, match)
				b.report(key, p, o, match)
				b.toldNow++
				told++
			}
		}
	}
	if key.name != "" {
		tell(intel.Object{Type: intel.TypeDomain, Text: key.name}, r)
	}
	if key.addr.IsValid() {
		tell(canon.FromAddr(key.addr), r)
	}
	if !ports {
		return told // asking for each port costs more
	}
	var ends [2]intel.Object
	for i := range r {
		for _, o := range endpoints(ends[:0], key.name, key.addr, r[i].port, r[i].inbound) {
			tell(o, r[i:i+1])
		}
	}
	return told
}

func (b *lookBack) toldOf(d model.DeviceID, o intel.Object) bool {
	_, ok := b.told[toldKey{string(d), o.String()}]
	return ok
}

// knows notes that it was told of a device and an object in another way.
func (b *lookBack) knows(d model.DeviceID, o intel.Object) {
	b.remember(d, o)
	x, _, _ := b.known.Index()
	if _, match := x.Object(o); match.Type != intel.TypeNone && match != o {
		b.remember(d, match)
	}
}

func (b *lookBack) remember(d model.DeviceID, o intel.Object) {
	key := toldKey{string(d), o.String()}
	if _, ok := b.told[key]; ok {
		return
	}
	key.device = strings.Clone(key.device)
	b.told[key] = b.now().Unix()
	b.dirty = true
	if len(b.told) > maxTold {
		keys := slices.SortedFunc(maps.Keys(b.told), func(x, y toldKey) int { return cmp.Compare(b.told[x], b.told[y]) })
		for _, k := range keys[:maxTold/10] {
			delete(b.told, k)
		}
	}
}

func (b *lookBack) save() {
	if !b.dirty {
		return
	}
	kept := keptLookBack{Version: lookBackVersion}
	for k, at := range b.told {
		kept.Told = append(kept.Told, keptTold{k.device, k.object, at})
	}
	slices.SortFunc(kept.Told, func(x, y keptTold) int {
		return cmp.Or(cmp.Compare(y.Time, x.Time), cmp.Compare(x.Device, y.Device), cmp.Compare(x.Object, y.Object))
	})
	if err := b.dir.WriteJSON(lookBackFile, kept); err != nil {
		b.log.Error("reputation: what was told of former contacts is not written; trying again", "error", err)
		return
	}
	b.dirty = false
}

// report makes the event: a device spoke with what is listed since.
func (b *lookBack) report(key remoteKey, p *pair, o, match intel.Object) {
	v := b.known.Explain(o)
	now := b.now().UTC()
	who := key.name
	if who == "" {
		who = key.addr.String()
	}
	e := &model.Event{Time: now, Last: now, Device: p.device, Layer: model.LayerNetwork, Kind: model.KindListedSeen,
		Severity: severityOf(&v), Subject: who, Rule: LookBackRule, Count: 1, Observables: observed(key, p, o.Type == intel.TypePrefix)}
	times := "once"
	if p.flows > 1 {
		times = fmt.Sprintf("%d times", p.flows)
	}
	e.Explanation = fmt.Sprintf("%s spoke with %s (%s, last on %s) before it was listed. %s",
		p.device, who, times, time.Unix(p.last, 0).UTC().Format("2006-01-02 15:04 UTC"), v.Words)
	e.Advice = "Look what the device does since, whether its firmware is up to date, and whether it should speak with this at all. If the listing is wrong, report it and allow " + match.String() + "."
	b.tell(e)
}

// observed are the observables of a contact, what is listed first: its address,
// or else its name.
func observed(key remoteKey, p *pair, byAddress bool) (out []model.Observable) {
	add := func(t model.ObservableType, value string) {
		if value != "" {
			out = append(out, model.Observable{Type: t, Value: value})
		}
	}
	if !byAddress {
		add(model.ObservableDomain, key.name)
	}
	if key.addr.IsValid() {
		add(model.ObservableIP, key.addr.String())
	}
	if byAddress {
		add(model.ObservableDomain, key.name)
	}
	if p.port != 0 {
		add(model.ObservablePort, fmt.Sprint(p.port))
	}
	add(model.ObservableProto, p.proto)
	return out
}

// severityOf is how much a contact with something listed matters.
func severityOf(v *intel.Verdict) model.Severity {
	switch {
	case v.Kind >= intel.KindBot && v.Band >= intel.BandHigh:
		return model.SeverityHigh
	case v.Kind > intel.KindScanner || v.Local == intel.LocalDeny:
		return model.SeverityMedium
	}
	return model.SeverityLow
}
