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
	var sum, part flow
	out := &d.scratch.flow
	for cpu := range int(d.t.cpus) {
		for i := range d.t.flowsUsed(cpu) {
			if !copyFlow(&d.t.flows[cpu*d.t.maxFlows()+i], &sum) || !d.gather(cpu, &sum, &part) {
				continue
			}
			d.fillFlow(out, &sum)
			f(out)
		}
	}
	return nil
}

func (t *tables) flowsUsed(cpu int) int {
	return min(int(atomic.LoadUint64(&t.totals[cpu].FlowsUsed)), t.maxFlows())
}

// gather adds what the CPUs after this one counted of the flow; false when
// one before has it too.
func (d *Datapath) gather(cpu int, sum, part *flow) bool {
	if d.t.cpus == 1 {
		return true
	}
	hash := flowHash(sum, d.seed)
	for other := range int(d.t.cpus) {
		if other == cpu {
			continue
		}
		e := d.t.findFlow(other, hash, sum)
		if e == nil || !copyFlow(e, part) || !sameFlow(sum, part) {
			continue
		}
		if other < cpu {
			return false
		}
		addFlow(sum, part)
	}
	return true
}

// findFlow looks the flow up in a CPU's table.
func (t *tables) findFlow(cpu int, hash uint64, f *flow) *flow {
	place := &t.flowIdx[cpu*int(t.flowPlaces)+int(uint32(hash)&(t.flowPlaces-1))]
	tag := uint16(hash >> 48)
	for way := range flowWays {
		index := atomic.LoadUint32(&place.Index[way])
		if index == 0 || int(index) > t.maxFlows() {
			return nil
		}
		if place.Tag[way] != tag {
			continue
		}
		if e := &t.flows[cpu*t.maxFlows()+int(index)-1]; sameFlow(e, f) {
			return e
		}
	}
	return nil
}

// copyFlow takes a consistent copy of an entry, false when it is free or
// changes hands just now.
func copyFlow(e, out *flow) bool {
	if atomic.LoadUint64(&e.Last) == 0 {
		return false
	}
	*out = *e
	return atomic.LoadUint64(&e.Last) != 0 && out.Last != 0 && e.First == out.First && sameFlow(e, out)
}

func sameFlow(a, b *flow) bool {
	return a.Device == b.Device && a.Dst == b.Dst && a.Dport == b.Dport && a.Proto == b.Proto && a.Family == b.Family
}

func addFlow(sum, f *flow) {
	sum.Packets += f.Packets
	sum.Bytes += f.Bytes
	sum.Syn += f.Syn
	sum.BareAck += f.BareAck
	sum.HTTP += f.HTTP
	sum.DNS += f.DNS
	sum.BackPackets += f.BackPackets
	sum.BackBytes += f.BackBytes
	sum.LenMin, sum.LenMax = min(sum.LenMin, f.LenMin), max(sum.LenMax, f.LenMax)
	sum.SportMin, sum.SportMax = min(sum.SportMin, f.SportMin), max(sum.SportMax, f.SportMax)
	sum.FlagsOr |= f.FlagsOr
	sum.FlagsAnd &= f.FlagsAnd
	sum.First, sum.Last = min(sum.First, f.First), max(sum.Last, f.Last)
}

func (d *Datapath) fillFlow(out *datapath.FlowCounter, f *flow) {
	*out = datapath.FlowCounter{
		FlowKey: datapath.FlowKey{Device: wordKey(f.Device), Dst: netipAddr(f.Dst, f.Family), Proto: f.Proto, DstPort: f.Dport},
		Packets: f.Packets, Bytes: f.Bytes, Syn: f.Syn, BareAck: f.BareAck, HTTPRequests: f.HTTP, DNSQueries: f.DNS,
		BackPackets: f.BackPackets, BackBytes: f.BackBytes, TCPFlagsOr: f.FlagsOr,
		First: d.clock.wall(f.First), Last: d.clock.wall(f.Last),
	}
	if f.Packets == 0 {
		return // only answers were counted; the minima were never set
	}
	out.LenMin, out.LenMax, out.SrcPortMin, out.SrcPortMax = f.LenMin, f.LenMax, f.SportMin, f.SportMax
	if f.FlagsOr != 0 {
		out.TCPFlagsAnd = f.FlagsAnd
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
			if l.First == 0 {
				continue
			}
			for c := range l.Class {
				out.Classes[i*lineClasses+c] = added(out.Classes[i*lineClasses+c], l.Class[c])
			}
			if first == 0 || l.First < first {
				first = l.First
			}
			last = max(last, l.Last)
			if l.Last > source && l.LastSource != (addr{}) {
				source, out.LastSource = l.Last, anyAddr(l.LastSource)
			}
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
	}
	return sum, nil
}
