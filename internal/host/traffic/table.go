package traffic

import (
	"math/bits"
	"time"
)

// The table is set-associative: all classes of a destination fall into one
// set, which answers are looked up in too.
const (
	ways = 16
	sets = 64
)

// idle is how long a flow without packets keeps its slot against others.
const idle = int64(10 * time.Second)

type table struct {
	tags  [sets][ways]uint32 // hash of Dst and class; for a quick look
	flows [sets][ways]Flow
	own   ownAddrs
}

// ownAddrs are the device's addresses; without any, nothing counts as spoofed.
type ownAddrs struct {
	n     int
	addrs [64][16]byte
}

func (o *ownAddrs) spoofed(a *[16]byte) bool {
	if o.n == 0 {
		return false
	}
	for i := range o.n {
		if o.addrs[i] == *a {
			return false
		}
	}
	return !unroutable(a)
}

// unroutable says whether hosts send from the address without owning it:
// unspecified (DHCP, duplicate address detection), link-local, multicast.
func unroutable(a *[16]byte) bool {
	if isV4(a) {
		return a[12] == 0 || a[12] == 127 || a[12] == 169 && a[13] == 254 || a[12] >= 224
	}
	return a[0] == 0xfe && a[1]&0xc0 == 0x80 || a[0] == 0xff || *a == [16]byte{}
}

func isV4(a *[16]byte) bool {
	return [12]byte(a[:12]) == [12]byte{10: 0xff, 11: 0xff}
}

func hash(a *[16]byte) uint32 {
	h := uint32(2166136261)
	for _, c := range a {
		h = (h ^ uint32(c)) * 16777619
	}
	return h ^ h>>15
}

// out counts a sent packet. n is how many packets it stands for by itself:
// more than 1 when the network card still has to cut it into pieces.
func (t *table) out(h *head, now int64, n float64, s *Sample) {
	class := h.class
	if t.own.spoofed(&h.src) {
		class = ClassSpoofed
	}
	s.Total[class] += n
	f := t.slot(&h.dst, class, now, s)
	if f.Sampled == 0 {
		f.First, f.LenMin, f.FlagsAnd = now, h.length, h.flags
	}
	f.seen, f.Last, f.Proto, f.Src = now, now, h.proto, h.src
	f.Packets += n
	f.Bytes += float64(h.length)
	f.Sampled++
	if h.http {
		f.HTTP++
	}
	f.FlagsOr |= h.flags
	f.FlagsAnd &= h.flags
	f.LenMin, f.LenMax = min(f.LenMin, h.length), max(f.LenMax, h.length)
	vote(&f.Port, &f.PortShare, &f.portWeight, h.dstPort)
	vote(&f.Len, &f.LenShare, &f.lenWeight, h.length)
	f.SrcPorts[f.Sampled&3] = h.srcPort
	bit := hash(&h.src) & 127
	f.sources[bit>>6] |= 1 << (bit & 63)
}

// vote keeps the most frequent value, when one makes up most.
func vote(value *uint16, share, weight *uint32, v uint16) {
	switch {
	case *weight == 0:
		*value, *share, *weight = v, 1, 1
	case *value == v:
		*share++
		*weight++
	default:
		*weight--
	}
}

// back counts a received packet as an answer to what was sent to its source.
func (t *table) back(h *head, n float64) {
	if h.refusal {
		return
	}
	set := hash(&h.src) % sets
	for i := range ways {
		f := &t.flows[set][i]
		if f.seen != 0 && f.Proto == h.proto && f.Dst == h.src {
			f.Back += n
		}
	}
}

// slot finds the flow or takes the slot that is free, longest idle or counts
// the least.
func (t *table) slot(dst *[16]byte, class Class, now int64, s *Sample) *Flow {
	h := hash(dst)
	set, tag := h%sets, h<<4|uint32(class)
	victim := 0
	for i := range ways {
		f := &t.flows[set][i]
		if f.seen == 0 {
			victim = i
			continue
		}
		if t.tags[set][i] == tag && f.Class == class && f.Dst == *dst {
			return f
		}
		if v := &t.flows[set][victim]; v.seen != 0 && worth(f, now) < worth(v, now) {
			victim = i
		}
	}
	f := &t.flows[set][victim]
	if f.Sampled > 0 {
		s.Evicted++
	}
	t.tags[set][victim] = tag
	*f = Flow{Dst: *dst, Class: class, seen: now}
	return f
}

// worth says how much a flow deserves its slot.
func worth(f *Flow, now int64) float64 {
	if now-f.seen > idle {
		return 0
	}
	return 1 + f.Packets
}

// drain calls f for every flow that counted something and begins a new count.
func (t *table) drain(weightOut, weightBack float64, f func(*Flow)) {
	for set := range sets {
		for i := range ways {
			fl := &t.flows[set][i]
			if fl.Sampled > 0 {
				fl.Packets *= weightOut
				fl.Frames = float64(fl.Sampled) * weightOut
				fl.Bytes *= weightOut
				fl.HTTP *= weightOut
				fl.Back *= weightBack
				f(fl)
			}
			if fl.seen != 0 {
				*fl = Flow{Dst: fl.Dst, Class: fl.Class, Proto: fl.Proto, seen: fl.seen}
			}
		}
	}
}

// Sources estimates how many source addresses sent the flow (linear counting
// over 128 bits: exact for few, at most about 600).
func (f *Flow) Sources() uint32 {
	ones := bits.OnesCount64(f.sources[0]) + bits.OnesCount64(f.sources[1])
	return uint32(linear[min(ones, 127)])
}

// linear is -128·ln(1-n/128), rounded, at least n.
var linear = [128]uint16{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16,
	17, 18, 19, 21, 22, 23, 24, 25, 27, 28, 29, 30, 32, 33, 34, 35,
	37, 38, 40, 41, 42, 44, 45, 47, 48, 49, 51, 52, 54, 55, 57, 59,
	60, 62, 63, 65, 67, 68, 70, 72, 74, 75, 77, 79, 81, 83, 85, 87,
	89, 91, 93, 95, 97, 99, 101, 104, 106, 108, 110, 113, 115, 118, 120, 123,
	126, 128, 131, 134, 137, 140, 143, 146, 149, 152, 155, 159, 162, 166, 170, 174,
	177, 182, 186, 190, 195, 199, 204, 209, 214, 220, 225, 231, 238, 244, 251, 258,
	266, 274, 283, 293, 303, 314, 326, 340, 355, 372, 392, 415, 444, 480, 532, 621,
}
