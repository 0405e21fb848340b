// Package contact sums up whom devices speak with: from the data path's flow
// counters, and from the names that the inspection meets, it makes one Contact
// for each device and remote end in an interval. It knows addresses, ports and
// names, and nothing of what was said. It does not know events, reputation or
// the time of day; internal/gate drives it.
package contact

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/datapath"
)

// Config bounds a Book. Zero fields take their defaults.
type Config struct {
	Interval time.Duration // how long a device's contacts are summed up; default 10 minutes
	Most     int           // contacts of a device in an interval that are told one by one; default 64
	Devices  int           // devices that are followed; default 1024
	// Began is when this book began: what flow counters hold from before is not
	// counted again. Of a flow that spoke within an Interval before it, that it did
	// is told.
	Began time.Time
}

const (
	maxFlows = 1 << 16 // flow counters whose former state is remembered
	maxNames = 1 << 15 // names that are remembered
	// nameLife is how long a name is remembered that nobody uses.
	nameLife = time.Hour
	// sameStart is how far the start of a flow may wander with the clock.
	sameStart = int64(time.Second)
	// sweepEvery is how often what is not used any more is looked for.
	sweepEvery = time.Minute
)

// Contact is whom a device spoke with in an interval.
type Contact struct {
	Device datapath.DeviceKey
	Key
	Name        string // of the remote end; empty when none was met
	Flows       uint32 // connections, or times it was quiet before it spoke again; at least 1
	Sent, Got   uint64 // bytes of IP packets, outward and inward
	Answered    bool   // anything came back
	First, Last time.Time
}

// Key is what makes contacts of a device one.
type Key struct {
	Addr    netip.Addr // of the remote end
	Proto   uint8
	Port    uint16 // of the remote end, or of the device when Inbound; 0 without ports
	Inbound bool   // the remote end began
}

// Told is what a device did in an interval.
type Told struct {
	Contacts []Contact // the first comes first
	More     int       // remote ends that there was no room for
	Device   datapath.DeviceKey
}

// Book gathers contacts. One goroutine uses it.
type Book struct {
	c       Config
	seed    maphash.Seed
	salt    uint64
	flows   map[uint64]state
	round   uint32
	devices map[datapath.DeviceKey]*device
	names   map[nameKey]name
	swept   time.Time
}

// state is what a flow counter was when it was last looked at.
type state struct {
	first, last      int64 // nanoseconds since 1970
	packets          uint64
	syn, sent, given uint64
	round            uint32
}

type device struct {
	until time.Time // end of its interval
	list  map[Key]*Contact
	more  map[uint64]struct{} // remote ends without room, by hash
}

type nameKey struct {
	device datapath.DeviceKey
	addr   netip.Addr
}

type name struct {
	text string
	used time.Time
}

// New makes an empty Book.
func New(c Config) *Book {
	c.Interval = cmp.Or(c.Interval, 10*time.Minute)
	c.Most = cmp.Or(c.Most, 64)
	c.Devices = cmp.Or(c.Devices, 1024)
	seed := maphash.MakeSeed()
	return &Book{c: c, seed: seed, salt: maphash.Comparable(seed, 1), flows: map[uint64]state{}, devices: map[datapath.DeviceKey]*device{}, names: map[nameKey]name{}}
}

// Stranger says whether an address can be that of a remote end worth noting:
// not of inner networks, and not of many.
func Stranger(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// shared is the address space between providers and their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Name notes by what name a device knows an address.
func (b *Book) Name(d datapath.DeviceKey, a netip.Addr, text string, now time.Time) {
	if !Stranger(a) {
		return
	}
	k := nameKey{d, a}
	if _, known := b.names[k]; known || len(b.names) < maxNames {
		b.names[k] = name{text, now}
	}
	if dev := b.devices[d]; dev != nil {
		for key, c := range dev.list {
			if key.Addr == a {
				c.Name = text
			}
		}
	}
}

// quiet is how long a flow without connections must be silent to count as a new
// one when it speaks again.
const quiet = time.Minute

// synAck are the TCP flags of who answers a connection.
const synAck = 0x12

// Flow takes up a flow counter; call it for each with some seconds between two
// rounds, and Round after them.
func (b *Book) Flow(c *datapath.FlowCounter) {
	if !Stranger(c.Dst) || c.Device.MAC[0]&1 != 0 {
		return
	}
	k := b.hash(&c.FlowKey)
	old, known := b.flows[k]
	first, last := c.First.UnixNano(), c.Last.UnixNano()
	packets := c.Packets + c.BackPackets
	if known && (first-old.first > sameStart || packets < old.packets) {
		old, known = state{}, false // the counter began anew
	}
	if known && old.packets == packets {
		if old.round != b.round {
			old.round = b.round
			b.flows[k] = old
		}
		return
	}
	next := state{first: first, last: last, packets: packets, syn: c.Syn, sent: c.Bytes, given: c.BackBytes, round: b.round}
	if _, had := b.flows[k]; had || len(b.flows) < maxFlows {
		b.flows[k] = next
	} else {
		old = next // what came before cannot be told from what came now
	}
	if !known && c.First.Before(b.c.Began) {
		if c.Last.Before(b.c.Began.Add(-b.c.Interval)) {
			return
		}
		old, known = next, true
	}
	b.add(c, &old, known)
}

// hash names a flow counter: a pointer-free map of numbers costs the garbage
// collector nothing.
func (b *Book) hash(k *datapath.FlowKey) uint64 {
	a := k.Dst.As16()
	m := k.Device.MAC
	x := b.salt
	for _, w := range [4]uint64{
		binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:]),
		uint64(binary.LittleEndian.Uint32(m[:4])) | uint64(binary.LittleEndian.Uint16(m[4:]))<<32 | uint64(k.Device.VLAN)<<48,
		uint64(k.Proto) | uint64(k.DstPort)<<8,
	} {
		hi, lo := bits.Mul64(x^w, 0x9E3779B97F4A7C15)
		x = hi ^ lo ^ w
	}
	return x
}

// add adds what a flow did since it was last looked at.
func (b *Book) add(c *datapath.FlowCounter, old *state, known bool) {
	key := keyOf(c)
	x := b.contact(c.Device, key, c.BackPackets > 0, c.Last)
	if x == nil {
		return
	}
	flows := c.Syn - min(old.syn, c.Syn)
	if c.Syn == 0 && (!known || c.Last.Sub(time.Unix(0, old.last)) > quiet) {
		flows = 1
	}
	x.Flows += uint32(min(flows, 1<<30-uint64(min(x.Flows, 1<<30))))
	x.Sent += c.Bytes - min(old.sent, c.Bytes)
	x.Got += c.BackBytes - min(old.given, c.BackBytes)
	x.Answered = x.Answered || c.BackPackets > 0
	began := c.First
	if known {
		began = time.Unix(0, old.last)
	}
	if x.First.IsZero() || began.Before(x.First) {
		x.First = began
	}
	if c.Last.After(x.Last) {
		x.Last = c.Last
	}
}

// keyOf says who began and at which port. Of a flow whose beginning was not
// seen, and of UDP, the ports tell: who asks has one from the range that
// systems take theirs from (RFC 6335, section 6, and what Linux takes).
func keyOf(c *datapath.FlowCounter) Key {
	k := Key{Addr: c.Dst, Proto: c.Proto, Port: c.DstPort}
	one := c.SrcPortMin == c.SrcPortMax && c.SrcPortMin != 0
	answers := c.Proto == 6 && c.Syn == 0 && c.TCPFlagsOr&synAck == synAck
	guess := c.Syn == 0 && c.DstPort >= 32768 && c.SrcPortMin < 32768
	if one && (answers || guess) {
		k.Port, k.Inbound = c.SrcPortMin, true
	}
	return k
}

// contact gives the contact of a device; nil when there is no room.
func (b *Book) contact(d datapath.DeviceKey, key Key, answered bool, now time.Time) *Contact {
	dev := b.devices[d]
	if dev == nil {
		if len(b.devices) >= b.c.Devices {
			return nil
		}
		// Devices come to their ends one after the other, not all at once.
		part := time.Duration(maphash.Comparable(b.seed, d) % uint64(b.c.Interval))
		dev = &device{until: now.Add(b.c.Interval/2 + part/2), list: map[Key]*Contact{}, more: map[uint64]struct{}{}}
		b.devices[d] = dev
	}
	if x := dev.list[key]; x != nil {
		return x
	}
	if len(dev.list) >= b.c.Most && !(answered && dev.makeRoom()) {
		if len(dev.more) < maxFlows/64 {
			dev.more[maphash.Comparable(b.seed, key)] = struct{}{}
		}
		return nil
	}
	x := &Contact{Device: d, Key: key}
	n := nameKey{d, key.Addr}
	if known, ok := b.names[n]; ok {
		x.Name = known.text
		b.names[n] = name{known.text, now}
	}
	dev.list[key] = x
	return x
}

// makeRoom drops a contact that nobody answered: one that is answered is worth
// more.
func (d *device) makeRoom() bool {
	for k, c := range d.list {
		if !c.Answered {
			delete(d.list, k)
			return true
		}
	}
	return false
}

// Round ends a round of Flow, and gives what devices did whose interval is over.
func (b *Book) Round(now time.Time) (out []Told) {
	for d, dev := range b.devices {
		if now.Before(dev.until) {
			continue
		}
		if len(dev.list) == 0 && len(dev.more) == 0 {
			delete(b.devices, d)
			continue
		}
		out = append(out, dev.tell(d))
		dev.list, dev.more, dev.until = map[Key]*Contact{}, map[uint64]struct{}{}, now.Add(b.c.Interval)
	}
	b.sweep(now)
	return out
}

// All gives what all devices did since it was last told, when the gate stops.
func (b *Book) All() (out []Told) {
	for d, dev := range b.devices {
		if len(dev.list) > 0 || len(dev.more) > 0 {
			out = append(out, dev.tell(d))
		}
	}
	clear(b.devices)
	return out
}

func (d *device) tell(key datapath.DeviceKey) Told {
	t := Told{Device: key, More: len(d.more)}
	for _, c := range d.list {
		c.Flows = max(c.Flows, 1)
		t.Contacts = append(t.Contacts, *c)
	}
	slices.SortFunc(t.Contacts, func(a, b Contact) int {
		return cmp.Or(a.First.Compare(b.First), a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return t
}

// sweep forgets flows that have left the table, and names that nobody uses.
func (b *Book) sweep(now time.Time) {
	if now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	for k, s := range b.flows {
		if s.round != b.round {
			delete(b.flows, k)
		}
	}
	b.round++
	for k, n := range b.names {
		if now.Sub(n.used) > nameLife {
			delete(b.names, k)
		}
	}
}
