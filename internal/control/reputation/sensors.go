package reputation

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/consensus"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/model"
)

// SensorsConfig says when what our own agents and gates saw is listed.
type SensorsConfig struct {
	Enabled      bool          `yaml:"enabled"`
	LeastOwners  int           `yaml:"least_owners"`  // that must have seen a thing before it is listed or shown
	SharePercent float64       `yaml:"share_percent"` // of all owners, and of their weight
	Span         time.Duration `yaml:"span"`          // how long a thing must have been known
	HalfLife     time.Duration `yaml:"half_life"`     // after which a sighting weighs half
}

// defaultSensors are those of a new installation.
func defaultSensors() SensorsConfig {
	return SensorsConfig{Enabled: true, LeastOwners: 5, SharePercent: 15, Span: time.Minute, HalfLife: 12 * time.Hour}
}

func (c *SensorsConfig) check(f *configfile.File, key string) {
	f.Check(c.LeastOwners >= 3 && c.LeastOwners <= 10_000, key+".least_owners", "%d: want 3 to 10000", c.LeastOwners)
	f.Check(c.SharePercent >= 1 && c.SharePercent <= 100, key+".share_percent", "%v: want 1 to 100", c.SharePercent)
	f.Check(c.Span >= time.Second && c.Span <= 24*time.Hour, key+".span", "%v: want 1s to 24h", c.Span)
	f.Check(c.HalfLife >= 10*time.Minute && c.HalfLife <= 30*24*time.Hour, key+".half_life", "%v: want 10m to 720h", c.HalfLife)
}

// Sensor is one agent or gate that takes part.
type Sensor struct {
	Part model.PartID
	// Owner is who answers for it: all parts of one owner are one voice. It must
	// come from the operator, never from the part.
	Owner        string
	Since, Heard time.Time // enrolled, and last heard of
}

// Fleet is where the service learns of its sensors.
type Fleet interface {
	// Sensors gives all parts that take part, and all addresses of the devices
	// that they protect, which are never listed.
	Sensors(ctx context.Context) ([]Sensor, []netip.Addr, error)
}

const (
	// queued is how many sightings may wait; more are dropped, for attackers
	// come again.
	queued = 4096
	// enrollEvery is how often the fleet is read; when an unknown part speaks,
	// enrollSoon after the last time.
	enrollEvery = time.Minute
	enrollSoon  = time.Second
	// refresh is how often the same list is imported again for its new times.
	refresh = 10 * time.Minute
	// sensorsTrust is how far what the sensors agree on is trusted.
	sensorsTrust = 90
	// sensorsFile keeps what was listed over a restart.
	sensorsFile = "sensors.json"
)

// sensors turns what our own parts report into claims. All but queue and lost
// belongs to the goroutine of run.
type sensors struct {
	s     *Service
	fleet Fleet
	id    intel.SourceID
	queue chan seen
	lost  atomic.Uint64

	config     consensus.Config
	consensus  *consensus.Consensus
	numbers    map[string]uint32 // of parts and owners
	last       uint32            // the highest of them
	news       bool              // since the sightings were written
	remembered time.Time         // when they were
	parts      map[model.PartID]Sensor
	devices    map[netip.Prefix]bool
	enrolled   time.Time // when the fleet was last read

	kept     []intel.Claim               // of before the restart, until they end
	listed   map[intel.Object]intel.Kind // as the ledger has it
	imported time.Time
}

// Watch makes the service listen to the sensors of a fleet; call it once,
// before Run. It does nothing when sensors are switched off.
func (s *Service) Watch(fleet Fleet) {
	c := s.cfg.Sensors
	if !c.Enabled {
		return
	}
	n := &sensors{s: s, fleet: fleet, queue: make(chan seen, queued), numbers: map[string]uint32{}}
	s.mu.Lock()
	n.id = s.ledger.Source(intel.Source{Name: ownPrefix + "sensors", Owner: "sensors", Trust: sensorsTrust, Licence: "own", Kind: intel.KindSuspicious})
	s.mu.Unlock()
	n.config = consensus.Config{Source: n.id, MinOwners: c.LeastOwners, Share: int(c.SharePercent * 10),
		MinSpan: uint32(c.Span / time.Second), HalfLife: uint32(c.HalfLife / time.Second), Protected: n.protected}
	n.consensus = consensus.New(n.config)
	s.sensors = n
}

// Events takes up what events say of attackers, of what was met that is listed,
// and of whom devices speak with. It never waits; the events
// must have been stored or be on their way to be, with the reporter that the
// link put there.
func (s *Service) Events(events []*model.Event) {
	s.effect.Take(events)
	n := s.sensors
	if n == nil {
		return
	}
	for _, e := range events {
		sightingsOf(e, func(x seen) {
			select {
			case n.queue <- x:
			default:
				if n.lost.Add(1)%10_000 == 1 {
					s.log.Warn("sightings come faster than they are weighed; some are dropped", "total", n.lost.Load())
				}
			}
		})
	}
}

// run weighs sightings until ctx ends.
func (n *sensors) run(ctx context.Context) {
	n.restore()
	defer n.remember()
	n.enroll(ctx)
	n.show()
	every := time.NewTicker(min(max(n.s.cfg.Sensors.Span/2, time.Second), enrollEvery))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-n.queue:
			n.take(ctx, x)
		case <-every.C:
			if n.s.now().Sub(n.enrolled) >= enrollEvery {
				n.enroll(ctx)
				n.show()
			}
			n.list()
			if n.s.now().Sub(n.remembered) >= rememberEvery {
				n.remember()
			}
		}
	}
}

// enroll reads the fleet: who counts is a share of all of it.
func (n *sensors) enroll(ctx context.Context) {
	n.enrolled = n.s.now()
	list, devices, err := n.fleet.Sensors(ctx)
	if err != nil {
		if ctx.Err() == nil {
			n.s.log.Error("reputation: read the fleet; the former one holds", "error", err)
		}
		return
	}
	n.devices = make(map[netip.Prefix]bool, len(devices))
	for _, a := range devices {
		n.devices[network(a.Unmap())] = true
	}
	n.parts = make(map[model.PartID]Sensor, len(list))
	for _, x := range list {
		n.parts[x.Part] = x
		n.consensus.Enroll(n.number("part "+string(x.Part)), n.number("owner "+x.Owner), uint32(x.Since.Unix()), uint32(x.Heard.Unix()))
	}
}

// network is what the consensus takes an address for: IPv6 by its /64.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked()
}

// number gives a name's number, from 1 on.
func (n *sensors) number(name string) uint32 {
	id, ok := n.numbers[name]
	if !ok {
		n.last++
		id = n.last
		n.numbers[name] = id
	}
	return id
}

// take weighs one sighting. Whose it is comes from the enrolment and when it
// was from our own clock: the part chooses neither.
func (n *sensors) take(ctx context.Context, x seen) {
	who, ok := n.parts[x.part]
	if !ok && n.s.now().Sub(n.enrolled) >= enrollSoon {
		n.enroll(ctx)
		who, ok = n.parts[x.part]
	}
	if !ok {
		return // revoked, or no part at all
	}
	if x.between != nil && !x.between.settle(&x, func(a netip.Addr) bool { return n.devices[network(a)] }) {
		return // which end is ours cannot be told
	}
	out := n.consensus.Observe(consensus.Sighting{Site: n.number("part " + string(who.Part)), Owner: n.number("owner " + who.Owner),
		Object: x.object, Kind: x.kind, Count: x.count, At: n.s.seconds(), Forgeable: x.forgeable})
	n.news = true
	if out != consensus.Counted {
		n.s.log.Debug("a sighting does not count", "part", x.part, "object", x.object.String(), "why", out.String())
	}
}

// protected says whether an object must not be listed: the operator's own, a
// device's address, what is allowed, harmless or widely shared.
func (n *sensors) protected(o intel.Object) bool {
	if n.s.own.has(&o) || o.Type == intel.TypePrefix && n.devices[network(o.Prefix.Addr())] {
		return true
	}
	n.s.mu.RLock()
	v := n.s.ledger.Explain(o, n.s.seconds())
	n.s.mu.RUnlock()
	if v.Local == intel.LocalAllow {
		return true
	}
	for _, r := range v.Reasons {
		if r.Kind == intel.KindBenign || r.Kind == intel.KindKnown {
			return true
		}
	}
	return false
}

// list hands the ledger what the sensors agree on, when that has changed. Only
// this leaves: what too few owners saw stays inside the consensus.
func (n *sensors) list() {
	now := n.s.seconds()
	claims := slices.DeleteFunc(n.consensus.Claims(now), func(c intel.Claim) bool { return c.Until <= now })
	next := make(map[intel.Object]intel.Kind, len(claims))
	for i := range claims {
		next[claims[i].Object] = claims[i].Kind
	}
	for _, c := range n.kept {
		if _, again := next[c.Object]; !again && c.Until > now && !n.protected(c.Object) {
			next[c.Object] = c.Kind
			claims = append(claims, c)
		}
	}
	n.s.sharing.Set(sharing.Sensors, claims)
	if same(n.listed, next) && (len(next) == 0 || n.s.now().Sub(n.imported) < refresh) {
		return
	}
	if !n.s.work.TryLock() {
		return // a feed is being imported: next time
	}
	err := n.commit(claims)
	n.s.work.Unlock()
	n.news = true
	n.remember() // before save: what is listed is then known by its sightings
	if err == nil {
		err = n.save(claims)
	}
	if err != nil {
		n.s.log.Error("reputation: list what the sensors saw; trying again", "error", err)
		return
	}
	n.listed, n.imported = next, n.s.now()
	n.s.log.Info("what the sensors agree on has changed", "listed", len(next))
	n.s.notice()
}

func same(a, b map[intel.Object]intel.Kind) bool {
	for o, k := range b {
		if had, ok := a[o]; !ok || had != k {
			return false
		}
	}
	return len(a) == len(b)
}

// commit puts the claims in the place of the former ones. The caller holds
// Service.work.
func (n *sensors) commit(claims []intel.Claim) error {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	imp, err := n.s.ledger.Import(n.id, n.s.seconds())
	if err != nil {
		return err
	}
	for i := range claims {
		var refusal *ledger.Refusal
		if err := imp.Add(&claims[i]); err != nil && !errors.As(err, &refusal) {
			imp.Abort()
			return err
		}
	}
	imp.Commit()
	return nil
}

// keptClaim is a claim as the folder keeps it. It says no more than what has
// left already: nothing of who saw it.
type keptClaim struct {
	Object     string     `json:"object"`
	Kind       intel.Kind `json:"kind"`
	Confidence uint8      `json:"confidence"`
	First      uint32     `json:"first_seen"`
	Last       uint32     `json:"last_seen"`
	Until      uint32     `json:"until"`
	Note       string     `json:"note"`
}

func (n *sensors) save(claims []intel.Claim) error {
	out := make([]keptClaim, 0, len(claims))
	for _, c := range claims {
		out = append(out, keptClaim{c.Object.String(), c.Kind, c.Confidence, c.First, c.Last, c.Until, c.Note})
	}
	return n.s.dir.WriteJSON(sensorsFile, out)
}

// restore takes up the sightings of before a restart. Without them, what was
// listed is listed again until it ends by its own time, and the sensors must
// agree anew on the rest.
func (n *sensors) restore() {
	if n.recall() {
		return
	}
	var kept []keptClaim
	if err := n.s.dir.ReadJSON(sensorsFile, &kept); err != nil {
		n.s.log.Error("reputation: what the sensors had listed cannot be read and begins anew", "error", err)
		return
	}
	for _, k := range kept {
		if o, err := canon.Guess(k.Object); err == nil && k.Until != 0 {
			n.kept = append(n.kept, intel.Claim{Object: o, Source: n.id, Kind: k.Kind, Confidence: k.Confidence,
				First: k.First, Last: k.Last, Until: k.Until, Note: k.Note})
		}
	}
}
