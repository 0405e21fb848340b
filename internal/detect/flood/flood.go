// Package flood tells floods that inside devices send from heavy honest use,
// by counters alone. It knows what answers, sizes, ports and onset say of
// traffic, learns what each device normally does, and describes a flood by
// the narrowest shape that stops it. It is pure: counts and times are
// arguments, it does no I/O, starts no goroutine and reads no clock. It does
// not know how counts are made or shapes enforced; internal/gate calls it.
//
// A scan is Begin, then Flow and Device for each counter in any order, Hit
// for each block in force, and End, which gives the verdicts. Scans are meant
// to be Tick apart; a later scan is scaled to that length.
package flood

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Tick is the time between scans.
const Tick = 100 * time.Millisecond

// Device names a device by the MAC address and VLAN of its frames.
type Device struct {
	MAC  [6]byte
	VLAN uint16
}

// Flow is the cumulative count of what one device sends to one address with
// one protocol and destination port, and of what comes back.
type Flow struct {
	Device                  Device
	Dst                     netip.Addr
	Proto                   uint8
	DstPort                 uint16
	Packets, Bytes          uint64 // outward
	Syn                     uint64 // TCP with SYN and without ACK
	BareAck                 uint64 // TCP with ACK, without SYN, FIN, RST and payload
	HTTPRequests            uint64
	BackPackets, BackBytes  uint64 // inward, answering
	LenMin, LenMax          uint16 // IP total length
	SrcPortMin, SrcPortMax  uint16
	TCPFlagsOr, TCPFlagsAnd uint8
	First, Last             time.Time
}

// Class is a kind of outward packets that a device's counters tell apart.
type Class uint8

// The classes of device counters.
const (
	ClassSpoofed Class = iota
	ClassSYN
	ClassACK
	ClassTCP
	ClassDNS
	ClassUDP
	ClassICMP
	ClassOther
	NumClasses = iota
)

// Counts is the cumulative count of one device.
type Counts struct {
	Device      Device
	Packets     [NumClasses]uint64 // outward, each packet in one class
	LastSpoofed netip.Addr         // the last source that was not of the inside
	First, Last time.Time
}

// Phase says where a flood stands in a verdict.
type Phase uint8

// The phases.
const (
	Started Phase = iota // just detected
	Widened              // goes on; Shape had to grow to cover it
	Going                // goes on; given every Config.Repeat
	Ended                // no packet of it for Config.EndAfter
)

// Verdict is what a scan says of one flood.
type Verdict struct {
	ID       uint32 // of the flood, the same in all its verdicts; never 0
	Phase    Phase
	Device   Device
	Vector   model.Vector
	Shape    model.Shape
	LimitPPS uint32 // not 0: the shape covers ordinary traffic of the device, so let this rate pass
	// Devices is how many devices flood the same target the same way now.
	Devices int
	// Others is how many more use the same target, protocol and port in an
	// ordinary way.
	Others      int
	PPS, BPS    float64 // over the last two scans
	BaselinePPS float64 // the device's ordinary rate in this class
	Packets     uint64  // since First
	Sources     uint32  // source addresses seen; for forged ones at least so many
	First       time.Time
	Detected    time.Time
	Last        time.Time
}

// Config sets the times of a Detector. Zero fields take the default.
type Config struct {
	EndAfter   time.Duration // default 10 s
	Repeat     time.Duration // default 5 s
	MaxFlows   int           // default 65536; more are ignored
	MaxDevices int           // default 4096; more are ignored unless they send much and others are quiet
}

// Detector holds what was learned and which floods go on. It is not safe for
// concurrent use.
type Detector struct {
	cfg      Config
	limits   limitTable
	now      time.Time
	tick     uint32
	scale    float64 // counts of this scan times scale are counts of one Tick
	first    bool    // in the first scan
	began    time.Time
	flows    flowTable
	devices  deviceTable
	floods   []live
	nextID   uint32
	hostile  []hostile
	scratch  scratch
	verdicts []Verdict
}

// hostile is a place that was flooded lately: answers from there excuse
// nothing, and what is sent there is not learned as ordinary.
type hostile struct {
	target netip.Prefix
	until  time.Time
}

// hostileFor is how long after a flood its target stays hostile.
const hostileFor = 10 * time.Minute

// New makes a Detector with the built-in limits.
func New(cfg Config) *Detector {
	if cfg.EndAfter == 0 {
		cfg.EndAfter = 10 * time.Second
	}
	if cfg.Repeat == 0 {
		cfg.Repeat = 5 * time.Second
	}
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = 65536
	}
	if cfg.MaxDevices == 0 {
		cfg.MaxDevices = 4096
	}
	d := &Detector{cfg: cfg, first: true}
	d.limits.set(model.FloodLimits{}, nil)
	d.flows.init(cfg.MaxFlows)
	d.devices.init(cfg.MaxDevices)
	d.scratch.init()
	return d
}

// SetLimits replaces the hard ceilings: all of every device, own those of
// single ones; a zero field falls back to the former, then to the built-in.
func (d *Detector) SetLimits(all model.FloodLimits, own map[Device]model.FloodLimits) {
	d.limits.set(all, own)
	for i := range d.devices.slots {
		d.devices.slots[i].limits = d.limits.of(d.devices.slots[i].id)
	}
}

// SetEndAfter changes Config.EndAfter.
func (d *Detector) SetEndAfter(t time.Duration) { d.cfg.EndAfter = t }

// Adopt names a target that a former process was blocking, so that the flood
// is not learned as ordinary. Call it before the first scan.
func (d *Detector) Adopt(target netip.Prefix, now time.Time) {
	d.hostile = append(d.hostile, hostile{target, now.Add(hostileFor)})
}

// Begin starts a scan at the given time, which must not go back.
func (d *Detector) Begin(now time.Time) {
	d.scale = 1
	if d.tick > 0 {
		dt := now.Sub(d.now)
		if dt > Tick*13/10 {
			d.scale = float64(Tick) / float64(dt)
		}
	} else {
		d.began = now
	}
	d.first = d.tick == 0
	d.now = now
	d.tick++
	d.devices.begin()
	d.flows.last = none
	d.expireHostile()
	d.verdicts = d.verdicts[:0]
}

// Hit tells that a block against flood id stopped packets since the last
// scan; it keeps the flood going even if no counter shows it.
func (d *Detector) Hit(id uint32, packets uint64) {
	for i := range d.floods {
		if f := &d.floods[i]; f.id == id && packets > 0 {
			f.hits += packets
			f.met = float32(float64(packets) * d.scale)
			f.last = d.now
		}
	}
}

// End finishes the scan and gives its verdicts, which are valid until the next
// Begin. In steady state it allocates nothing.
func (d *Detector) End() []Verdict {
	hot := d.devices.judgeHot(len(d.floods) > 0)
	if hot || len(d.floods) > 0 {
		d.judge()
	}
	d.turnFloods()
	d.devices.learn(d.tick)
	d.flows.sweep(d.tick)
	return d.verdicts
}

// Live gives how many floods go on.
func (d *Detector) Live() int { return len(d.floods) }

// Baseline gives a device's ordinary rate in packets per second in a class
// and whether enough was seen to know it.
func (d *Detector) Baseline(dev Device, c Class) (pps float64, known bool) {
	i, ok := d.devices.index[dev]
	if !ok || c >= NumClasses {
		return 0, false
	}
	s := &d.devices.slots[i]
	return float64(s.rate[c]) * ticksPerSecond, s.ticks >= warmTicks
}

const ticksPerSecond = float64(time.Second / Tick)

func (d *Detector) expireHostile() {
	keep := d.hostile[:0]
	for _, h := range d.hostile {
		if d.now.Before(h.until) {
			keep = append(keep, h)
		}
	}
	d.hostile = keep
}

func (d *Detector) isHostile(a netip.Addr) bool {
	for i := range d.hostile {
		if d.hostile[i].target.Contains(a) {
			return true
		}
	}
	return false
}

func (d *Detector) markHostile(p netip.Prefix) {
	if !p.IsValid() {
		return
	}
	for i := range d.hostile {
		if d.hostile[i].target == p {
			d.hostile[i].until = d.now.Add(hostileFor)
			return
		}
	}
	d.hostile = append(d.hostile, hostile{p, d.now.Add(hostileFor)})
}
