package listed

import (
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/host/sockets"
	"github.com/masugata/masugata/internal/host/traffic"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// Bounds of what is seen by its packets.
const (
	maxMet    = 64        // flows that wait to be looked at
	maxHalted = 256       // addresses that are prohibited at a time
	haltFor   = time.Hour // after that the next packet halts it anew, and is told
)

// IP protocols, and the flag of a TCP reset.
const (
	protoTCP, protoUDP = 6, 17
	tcpReset           = 4
)

// looking is what Met looks for; it never changes.
type looking struct {
	set   *edge.Set
	least edge.Tier
	kept  []netip.Prefix
}

// tier says what the set says of an address; TierNone when it does not count.
func (l *looking) tier(a netip.Addr) edge.Tier {
	if l == nil {
		return edge.TierNone
	}
	t := l.set.Address(a)
	if t < l.least || slices.ContainsFunc(l.kept, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return edge.TierNone
	}
	return t
}

// meeting is a flow to a listed address.
type meeting struct {
	remote netip.AddrPort
	proto  uint8
	ports  [4]uint16 // of the device, 0 for none
}

// Met takes a flow that the device sent since the last tick. It never waits,
// keeps no reference to f and allocates nothing for one that is not listed; one
// goroutine calls it, beside Run.
func (w *Watch) Met(f *traffic.Flow) {
	l := w.look.Load()
	if l == nil || f.Proto != protoTCP && f.Proto != protoUDP || f.Class == traffic.ClassSpoofed {
		return
	}
	if f.Proto == protoTCP && f.FlagsAnd&tcpReset != 0 {
		return // only refusals of what came from there
	}
	a := f.Address()
	if l.tier(a) == edge.TierNone {
		return
	}
	select {
	case w.met <- meeting{netip.AddrPortFrom(a, f.Port), f.Proto, f.SrcPorts}:
	default: // it comes again with its next packet
	}
}

// meet has the kernel stop what goes to a listed address, and tells it once for
// as long as it goes on.
func (r *runner) meet(m *meeting, now time.Time) {
	if r.look.Load().tier(m.remote.Addr()) == edge.TierNone || r.told.meanwhile(m, now) {
		return
	}
	// A process that is stopped may end at once, and its socket with it.
	a := connect.Attempt{Remote: m.remote, Proto: m.proto, PID: owner(m), Count: 1}
	what := passed
	if r.table != nil {
		what = halted
		if err := r.table.Prohibit(m.remote.Addr(), now); err != nil {
			r.cfg.Log.Warn("a connection cannot be stopped", "error", err)
			what = unstopped
		}
		r.table.Keep(maxHalted, func(netip.Addr, time.Time) bool { return true })
		r.countHalted()
	}
	r.count(what, 1)
	r.told.put(key{m.remote, m.proto, a.PID, what}, r.event(&a, what, now), now, r.cfg.Submit)
}

// owner finds the process that holds the socket of a flow, or any raw socket
// when none does; 0 for none. This process has packet sockets of its own.
func owner(m *meeting) uint32 {
	self := uint32(os.Getpid())
	flow := sockets.Flow{Proto: m.proto, LocalPorts: m.ports[:], Remote: m.remote.Addr(), RemotePort: m.remote.Port()}
	if pids, _ := sockets.Owners(flow, func(pid uint32) bool { return pid == self }); len(pids) > 0 {
		return pids[0]
	}
	return 0
}
