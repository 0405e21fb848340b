package xdp

import (
	"net/netip"
	"sync/atomic"

	"github.com/masugata/masugata/internal/datapath"
)

// ReadFlows implements datapath.Datapath. Flows with counts on several CPUs
// are given once, added up.
func (d *Datapath) ReadFlows(f func(*datapath.FlowCounter)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	d.clock.sync()
	var sum, part flowCopy
	out := &d.scratch.flow
	for set := range int(d.t.flowSets) {
		for cpu := range int(d.t.cpus) {
			for way := range flowWays {
				if d.t.copyFlow(cpu, set, way, &sum) && d.t.gather(cpu, set, &sum, &part) {
					d.fillFlow(out, &sum)
					f(out)
				}
			}
		}
	}
	return nil
}

// flowCopy is an entry and its other half.
type flowCopy struct {
	flow
	more flowMore
}

// gather adds what the CPUs after this one counted of the flow; false when
// one before has it too.
func (t *tables) gather(cpu, set int, sum, part *flowCopy) bool {
	for other := range int(t.cpus) {
		if other == cpu {
			continue
		}
		for way := range flowWays {
			if !sameFlow(&t.flows[other*int(t.flowSets)+set].Way[way], &sum.flow) || !t.copyFlow(other, set, way, part) {
				continue
			}
			if other < cpu {
				return false
			}
			sum.add(part)
		}
	}
	return true
}

// copyFlow takes a consistent copy of an entry, false when it is free or
// changes hands just now.
func (t *tables) copyFlow(cpu, set, way int, out *flowCopy) bool {
	i := cpu*int(t.flowSets) + set
	e, more := &t.flows[i].Way[way], &t.more[i].Way[way]
	if atomic.LoadUint64(&e.Last) == 0 {
		return false
	}
	out.flow, out.more = *e, *more
	return atomic.LoadUint64(&e.Last) != 0 && out.Last != 0 && more.First == out.more.First && sameFlow(e, &out.flow)
}

func sameFlow(a, b *flow) bool {
	return a.Device == b.Device && a.Dst == b.Dst && a.Tail == b.Tail
}

func (f *flowCopy) add(o *flowCopy) {
	f.Packets += o.Packets
	f.Bytes += o.Bytes
	f.more.Syn += o.more.Syn
	f.more.BareAck += o.more.BareAck
	f.more.HTTP += o.more.HTTP
	f.more.DNS += o.more.DNS
	f.more.BackPackets += o.more.BackPackets
	f.more.BackBytes += o.more.BackBytes
	f.LenMin, f.LenMax = min(f.LenMin, o.LenMin), max(f.LenMax, o.LenMax)
	f.SportMin, f.SportMax = min(f.SportMin, o.SportMin), max(f.SportMax, o.SportMax)
	f.more.FlagsOr |= o.more.FlagsOr
	f.more.FlagsAnd &= o.more.FlagsAnd
	f.more.First, f.Last = min(f.more.First, o.more.First), max(f.Last, o.Last)
}

func (d *Datapath) fillFlow(out *datapath.FlowCounter, f *flowCopy) {
	*out = datapath.FlowCounter{
		FlowKey: datapath.FlowKey{Device: wordKey(f.Device), Dst: netipAddr(f.Dst, uint8(f.Tail>>24)), Proto: uint8(f.Tail >> 16), DstPort: uint16(f.Tail)},
		Packets: f.Packets, Bytes: f.Bytes, Syn: f.more.Syn, BareAck: f.more.BareAck, HTTPRequests: f.more.HTTP,
		DNSQueries: f.more.DNS, BackPackets: f.more.BackPackets, BackBytes: f.more.BackBytes, TCPFlagsOr: f.more.FlagsOr,
		First: d.clock.wall(f.more.First), Last: d.clock.wall(f.Last),
	}
	if f.Packets == 0 {
		return // only answers were counted; the minima were never set
	}
	out.LenMin, out.LenMax, out.SrcPortMin, out.SrcPortMax = f.LenMin, f.LenMax, f.SportMin, f.SportMax
	if f.more.FlagsOr != 0 {
		out.TCPFlagsAnd = f.more.FlagsAnd
	}
}

func netipAddr(a addr, family uint8) netip.Addr {
	switch ip := netip.AddrFrom16(a.bytes()); family {
	case 4:
		return ip.Unmap()
	case 6:
		return ip
	}
	return netip.Addr{}
}

// anyAddr is for addresses stored without their family: mapped ones are IPv4.
func anyAddr(a addr) netip.Addr {
	if a == (addr{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(a.bytes()).Unmap()
}

// ReadDevices implements datapath.Datapath.
func (d *Datapath) ReadDevices(f func(*datapath.DeviceCounter)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	d.clock.sync()
	out := &d.scratch.device
	used := 0
	for p := range d.t.index {
		place := &d.t.index[p]
		for way := range deviceWays {
			key := atomic.LoadUint64(&place.Key[way])
			if key == deviceFree || key == deviceGone || place.Index[way] == 0 {
				continue
			}
			used++
			if d.fillDevice(out, key, int(place.Index[way])-1) {
				f(out)
			}
		}
	}
	d.ageDevices(used)
	return nil
}

// fillDevice adds up the CPUs' counts; false when nothing was ever counted.
func (d *Datapath) fillDevice(out *datapath.DeviceCounter, key uint64, index int) bool {
	*out = datapath.DeviceCounter{DeviceKey: wordKey(key)}
	var first, last, source, spoofed uint64
	for cpu := range int(d.t.cpus) {
		e := &d.t.devices[cpu*d.t.stride()+index]
		for i := range e.Line {
			l := &e.Line[i]
			if l.Key == 0 {
				continue
			}
			for c := range l.Class {
				out.Classes[i*lineClasses+c] = added(out.Classes[i*lineClasses+c], l.Class[c])
			}
			last = max(last, l.Last)
			if l.Last > source && l.LastSource != (addr{}) {
				source, out.LastSource = l.Last, anyAddr(l.LastSource)
			}
		}
		if e.First != 0 && (first == 0 || e.First < first) {
			first = e.First
		}
		out.RxPackets += e.Rx.Packets
		out.RxBytes += e.Rx.Bytes
		out.Dropped += e.Dropped
		if e.SpoofedAt > spoofed {
			spoofed, out.LastSpoofed = e.SpoofedAt, anyAddr(e.LastSpoofed)
		}
	}
	for _, c := range out.Classes {
		out.TxPackets += c.Packets
		out.TxBytes += c.Bytes
	}
	out.First, out.Last = d.clock.wall(first), d.clock.wall(last)
	return first != 0 || out.RxPackets != 0
}

func added(a datapath.ClassCount, b count) datapath.ClassCount {
	return datapath.ClassCount{Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes}
}

// ReadHits implements datapath.Datapath.
func (d *Datapath) ReadHits(f func(*datapath.RuleHits)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	d.clock.sync()
	out := &d.scratch.hits
	for slot, id := range d.rules.inForce() {
		*out = datapath.RuleHits{ID: id}
		var last uint64
		for cpu := range int(d.t.cpus) {
			h := &d.t.hits[cpu*int(d.t.slots)+int(slot)]
			out.Packets += h.Matched.Packets
			out.Bytes += h.Matched.Bytes
			out.Stopped += h.Stopped.Packets
			out.StoppedBytes += h.Stopped.Bytes
			last = max(last, h.Last)
		}
		out.Last = d.clock.wall(last)
		f(out)
	}
	return nil
}

// Totals implements datapath.Datapath.
func (d *Datapath) Totals() (datapath.Totals, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var sum datapath.Totals
	if d.t == nil {
		return sum, errClosed
	}
	for i := range d.t.totals {
		t := &d.t.totals[i]
		sum.Forwarded += t.Forwarded.Packets
		sum.ForwardedBytes += t.Forwarded.Bytes
		sum.DroppedRule += t.DroppedRule
		sum.DroppedBlocklist += t.DroppedBlocklist
		sum.DroppedCeiling += t.DroppedCeiling
		sum.DroppedFail += t.DroppedFail
		sum.DroppedSpoofed += t.DroppedSpoofed
		sum.Malformed += t.Malformed
		sum.FlowTableFull += t.FlowFull
		sum.DeviceTableFull += t.DeviceFull
		sum.Inspected += t.Inspected
		sum.Settled += t.Settled
		sum.DroppedVerdict += t.DroppedVerdict
		sum.Uninspected += t.Uninspected
		sum.UncountedRefusals += t.UncountedRefusals
	}
	return sum, nil
}
