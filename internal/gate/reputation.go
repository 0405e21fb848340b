package gate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/datapath/xdp"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// blocklist is the reputation set in force and what became of it. Gate.mu
// guards it but for writing.
type blocklist struct {
	writing sync.Mutex // one write at a time; taken before Gate.mu

	set     *edge.Set // nil: none came yet
	sure    *edge.Set // what the inspection asks: set with its tails, or an older one until they come
	tails   []byte    // that came before their set; nil: none
	came    time.Time // when set came
	inputs  blockInputs
	written bool      // inputs are those of the list in the data path
	failed  time.Time // when the data path did not take a list, which is tried again; zero: it did
	blocked int       // prefixes in it
	noRoom  int       // prefixes for which it had no place
}

// blockInputs are what the list in the data path is made of.
type blockInputs struct {
	set   *edge.Set
	least edge.Tier      // that is blocked; TierNone: nothing is
	kept  []netip.Prefix // never blocked
}

func (a *blockInputs) equal(b *blockInputs) bool {
	return a.set == b.set && a.least == b.least && slices.Equal(a.kept, b.kept)
}

// setReputation takes the signed set "reputation": the kernel stops all
// traffic to and from its addresses. A set that is refused leaves the one
// before in force.
func (g *Gate) setReputation(version uint64, payload []byte) error {
	g.mu.Lock()
	held := uint64(0)
	if g.blocklist.set != nil {
		held = g.blocklist.set.Header().Version
	}
	g.mu.Unlock()
	set, err := edge.Open(payload, uint32(time.Now().Unix()), held)
	if err != nil {
		return fmt.Errorf("reputation %d: %w", version, err)
	}
	g.mu.Lock()
	g.blocklist.set, g.blocklist.came = set, time.Now()
	err = g.matchTails()
	g.mu.Unlock()
	if err != nil {
		g.log.Error("reputation tails; names, URLs and files are matched without", "error", err)
	}
	if err := g.writeBlocklist(); err != nil {
		return fmt.Errorf("reputation %d: %w", version, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log.Info("reputation in force", "version", version, "entries", set.Len(), "blocked", g.blocklist.blocked, "no_room", g.blocklist.noRoom)
	return nil
}

// setReputationTails takes the signed set "reputation-tails". Tails of another
// set than the one in force wait for theirs, which comes with them.
func (g *Gate) setReputationTails(version uint64, payload []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocklist.tails = payload
	if err := g.matchTails(); err != nil {
		return fmt.Errorf("reputation tails %d: %w", version, err)
	}
	return nil
}

// tailsWithin is how long the inspection goes on with an older set that has its
// tails when those of the one in force do not come.
const tailsWithin = time.Minute

// lateTails gives up waiting for tails. Call it with mu held.
func (g *Gate) lateTails(now time.Time) {
	b := &g.blocklist
	if b.sure != nil && b.sure.Header().Version < b.set.Header().Version && now.Sub(b.came) > tailsWithin {
		b.sure = b.set
		g.inspectListed()
		g.log.Warn("the tails of the reputation set did not come; names, URLs and files are only counted", "version", b.set.Header().Version)
	}
}

// matchTails gives the inspection the set in force, once its tails are there.
// Until then it goes on with the older set, if that has its own: the time in
// between is that of one call to the control plane, and without tails matches
// of names, URLs and files are not sure, so nothing is done about them. Call it
// with mu held.
func (g *Gate) matchTails() error {
	b := &g.blocklist
	if b.set == nil {
		return nil
	}
	var err error
	if b.tails != nil && b.set.Fits(b.tails) {
		var sure *edge.Set
		if sure, err = b.set.WithTails(b.tails); err == nil {
			b.sure = sure
		}
		b.tails = nil
	}
	if b.sure == nil || !b.sure.Sure() {
		b.sure = b.set
	}
	g.inspectListed()
	return err
}

// neverBlocked are addresses that no list takes away.
var neverBlocked = edge.NeverStopped()

// blockInputs gives what the list must be made of now, and whether that is
// anything new. Without a set what a former process put there stays. Call it
// with mu held.
func (g *Gate) blockInputs() (in blockInputs, fresh bool) {
	b := &g.blocklist
	in = blockInputs{set: b.set, kept: g.neverListed()}
	if all := g.reputationRegards().All; all.Mode == model.ModeEnforce {
		in.least = all.Least
	}
	nothing := in.least != edge.TierNone && in.set == nil
	return in, !nothing && !(b.written && b.inputs.equal(&in))
}

// writeBlocklist puts the addresses of the set into the data path, unless they
// are there already. It takes its time with a large set: the scans go on
// meanwhile.
func (g *Gate) writeBlocklist() error {
	b := &g.blocklist
	b.writing.Lock()
	defer b.writing.Unlock()
	g.mu.Lock()
	in, fresh := g.blockInputs()
	g.mu.Unlock()
	if !fresh {
		return nil
	}
	list, more := in.list(xdp.DefaultMaxBlocked)
	err := g.dp.SetBlocklist(list)
	g.mu.Lock()
	defer g.mu.Unlock()
	b.written, b.failed = err == nil, time.Now()
	if err == nil {
		b.failed = time.Time{}
		b.inputs, b.blocked, b.noRoom = in, len(list), more
	}
	return err
}

// rewriteBlocklist writes the list beside the caller's work when configuration
// or policy changed it. Call it with mu held.
func (g *Gate) rewriteBlocklist() {
	if _, fresh := g.blockInputs(); !fresh {
		return
	}
	go func() {
		if err := g.writeBlocklist(); err != nil {
			g.log.Error("blocklist not written; the former one holds", "error", err)
		}
	}()
}

// retryBlocklist tries again what the data path did not take. Call it with mu
// held.
func (g *Gate) retryBlocklist(now time.Time) {
	b := &g.blocklist
	if b.failed.IsZero() || now.Sub(b.failed) < retryEvery {
		return
	}
	b.failed = now // one try at a time
	g.rewriteBlocklist()
}

// list gives at most room prefixes of each family, the worst first, and how
// many more there would be.
func (in *blockInputs) list(room int) (list []netip.Prefix, more int) {
	if in.least == edge.TierNone || in.set == nil {
		return nil, 0
	}
	var kept [2]keep // of each family
	kept[0].spans, kept[1].spans = spansOf(in.kept)
	var held [2]int
	list, tiers := make([]netip.Prefix, 0, in.set.Addresses()), make([]edge.Tier, 0, in.set.Addresses())
	in.set.Prefixes(in.least, func(p netip.Prefix, t edge.Tier) bool {
		f := familyOf(p)
		if !kept[f].has(p) {
			list, tiers = append(list, p), append(tiers, t)
			held[f]++
			return true
		}
		edge.Without(p, kept[f].spans, func(p netip.Prefix) bool { // in the order of addresses, too
			list, tiers = append(list, p), append(tiers, t)
			held[f]++
			return true
		})
		return true
	})
	if max(held[0], held[1]) <= room {
		return list, 0
	}
	all := list
	list = nil
	var taken [2]int
	for t := edge.TierDeny; t >= in.least; t-- {
		for i, p := range all {
			if f := familyOf(p); tiers[i] != t {
				continue
			} else if taken[f] < room {
				taken[f]++
				list = append(list, p)
			} else {
				more++
			}
		}
	}
	return list, more
}

// familyOf is 0 for IPv4, 1 for IPv6.
func familyOf(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 0
	}
	return 1
}

// keep are spans that are asked for prefixes in the order of their addresses,
// mostly for single addresses: it knows up to where the next are all clear of them.
type keep struct {
	spans
	from, to netip.Addr // clear from one to before the other; of to, if invalid, to the end
}

func (k *keep) has(p netip.Prefix) bool {
	a := p.Addr()
	if k.from.IsValid() && p.IsSingleIP() && !a.Less(k.from) && (!k.to.IsValid() || a.Less(k.to)) {
		return false
	}
	if k.touch(p) {
		return true
	}
	k.from, k.to = a, netip.Addr{}
	if i, _ := k.search(a); i < len(k.spans) {
		k.to = k.spans[i].Addr()
	}
	return false
}

// spans are prefixes of one family, sorted, none within another.
type spans []netip.Prefix

func spansOf(prefixes []netip.Prefix) (v4, v6 spans) {
	sorted := slices.Clone(prefixes)
	for i, p := range sorted {
		sorted[i] = p.Masked()
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	for _, p := range sorted {
		to := &v4
		if p.Addr().Is6() {
			to = &v6
		}
		if n := len(*to); n == 0 || !(*to)[n-1].Overlaps(p) {
			*to = append(*to, p)
		}
	}
	return v4, v6
}

// search finds the first that does not begin before an address.
func (s spans) search(a netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(s, a, func(x netip.Prefix, a netip.Addr) int { return x.Addr().Compare(a) })
}

// touch says whether a masked prefix of the family shares an address with one
// of them.
func (s spans) touch(p netip.Prefix) bool {
	i, _ := s.search(p.Addr())
	return i < len(s) && s[i].Overlaps(p) || i > 0 && s[i-1].Overlaps(p)
}

// reputationMissing says why addresses of bad reputation are not all blocked;
// "" when they are. Call it with mu held.
func (g *Gate) reputationMissing(now time.Time) string {
	b, all := &g.blocklist, g.reputationRegards().All
	switch {
	case all.Mode != model.ModeEnforce && strength[g.policy.Reputation.Mode] > strength[all.Mode]:
		return fmt.Sprintf("reputation.limit of the gate's configuration is %s; set it to enforce to stop traffic with what is listed", all.Mode)
	case all.Mode != model.ModeEnforce:
		return fmt.Sprintf("the reputation mode is %s; set it to enforce in the policy to stop traffic with what is listed", all.Mode)
	case b.set == nil:
		return "no reputation set came from the control plane yet"
	case !b.written:
		return "the data path did not take the reputation set"
	case b.set.Expired(uint32(now.Unix())):
		return "the reputation set is past its life; its addresses stay blocked"
	case !b.sure.Sure():
		return "the tails of the reputation set did not come, so names, URLs and files are only counted; addresses are blocked"
	case b.noRoom > 0:
		return fmt.Sprintf("%d addresses of bad reputation have no place in the kernel's table", b.noRoom)
	}
	return ""
}
