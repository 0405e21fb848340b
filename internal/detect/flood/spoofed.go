package flood

import "net/netip"

// judgeSpoofed finds devices that forge sources, and where they aim.
func (d *Detector) judgeSpoofed() {
	for i := range d.devices.slots {
		s := &d.devices.slots[i]
		if !s.hot && !s.busy {
			continue
		}
		now, before := last2(&s.spoof, d.devices.at)
		if now+before == 0 {
			continue
		}
		need := s.limits.spoofed.floor * perTwo
		now, before = d.shareSpoofed(uint32(i), now, before)
		if now+before >= need && (min(now, before) >= need/4 || s.pulse[numKinds] >= pulsing) {
			d.aimSpoofed(uint32(i), now, before)
		}
	}
}

// allKinds takes every kind of a target.
var allKinds = [numKinds]bool{true, true, true, true, true, true}

// shareSpoofed gives a device's forged packets of the last two scans to the
// floods whose targets they may have gone to, and says how many are left.
func (d *Detector) shareSpoofed(dev uint32, now, before float32) (leftNow, leftBefore float32) {
	sum, left := now+before, now+before
	for i := range d.scratch.targets {
		t := &d.scratch.targets[i]
		if t.dev != dev {
			continue
		}
		f := d.spoofedFlood(dev, t.dst.Addr())
		if f == nil {
			continue
		}
		part := min(left, t.packets)
		left -= part
		f.seenNow.at[0] += now * part / sum
		f.seenNow.at[1] += before * part / sum
		f.bytesNow += t.bytes
		if sum >= 0.5*t.packets {
			t.taken = allKinds
		}
	}
	return now * left / sum, before * left / sum
}

// maxAims is how many targets of one device's forged packets are told apart;
// a device that aims at more is stopped from forging altogether.
const maxAims = 8

// aimSpoofed starts a flood of forged packets that none covers yet.
func (d *Detector) aimSpoofed(dev uint32, now, before float32) {
	top := d.topTarget(dev)
	if top == nil {
		return
	}
	t := *top
	switch {
	case d.spoofedFloods(dev) >= maxAims:
		t.dst = netip.Prefix{}
	case top.packets < 0.5*(now+before):
		t.dst = d.spoofedPrefix(dev, now+before)
	}
	t.kinds = [numKinds]values{}
	d.startSpoofed(&t, now, before)
	if now+before >= 0.5*top.packets {
		top.taken = allKinds
	}
}

// topTarget gives the target that gets most of what no flood of the device's
// forged packets covers.
func (d *Detector) topTarget(dev uint32) *target {
	var top *target
	for i := range d.scratch.targets {
		t := &d.scratch.targets[i]
		if t.dev == dev && (top == nil || t.packets > top.packets) && d.spoofedFlood(dev, t.dst.Addr()) == nil {
			top = t
		}
	}
	return top
}

// spoofedPrefix is the narrowest prefix that gets half of the forged packets,
// the zero Prefix when none does.
func (d *Detector) spoofedPrefix(dev uint32, packets float32) netip.Prefix {
	top := d.topTarget(dev)
	for _, bits := range groupLevels[:2] {
		n := bits[0]
		if !top.dst.Addr().Is4() {
			n = bits[1]
		}
		p := netip.PrefixFrom(top.dst.Addr(), n).Masked()
		sum := float32(0)
		for i := range d.scratch.targets {
			if t := &d.scratch.targets[i]; t.dev == dev && p.Contains(t.dst.Addr()) {
				sum += t.packets
			}
		}
		if sum >= 0.5*packets {
			return p
		}
	}
	return netip.Prefix{}
}
