package memory

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// ThresholdKind is what a threshold does.
type ThresholdKind uint8

// The kinds.
const (
	KindLimit     ThresholdKind = iota // the first Count matches of a window alert
	KindThreshold                      // every Count-th match of a window alerts
	KindBoth                           // the Count-th match of a window alerts, once
	KindDetection                      // detection_filter: matches after Count of a window alert
	KindRate                           // rate_filter: after Count matches of a window the action changes
	KindBackoff                        // the Count-th match, then Count*Multiplier-th … alert
)

// Track is what matches are counted by.
type Track uint8

// The tracks. TrackEither is for suppressions only.
const (
	TrackSrc Track = iota
	TrackDst
	TrackBoth // the pair of hosts, in either order
	TrackRule
	TrackFlow
	TrackEither
)

// Threshold limits a rule.
type Threshold struct {
	Kind       ThresholdKind
	Track      Track
	Count      uint32
	Seconds    uint32
	Multiplier uint32     // KindBackoff
	Timeout    uint32     // KindRate: seconds that the new action lasts; 0 is for ever
	Action     RateAction // KindRate
	Unique     Unique     // KindDetection: count different ports instead of matches
}

// Unique is what a detection_filter counts each value of once.
type Unique uint8

// What it may count.
const (
	UniqueNone Unique = iota
	UniqueSrcPort
	UniqueDstPort
)

// RateAction is what a rate_filter turns a rule's action into.
type RateAction uint8

// The actions.
const (
	RateAlert RateAction = iota
	RateDrop
	RatePass
	RateReject
)

// Answer is what a threshold says of a match.
type Answer uint8

// The answers.
const (
	Alert  Answer = iota // alert
	Silent               // no alert; a drop or reject action is done all the same
	Ignore               // as if the rule had not matched
	Change               // alert, with the action of the rate_filter
)

// Who is on both ends of the packet that matched.
type Who struct {
	Src, Dst packet.Addr
	Flow     uint64 // flow.Flow.ID, 0 for none

	SrcPort, DstPort uint16 // 0 for none
}

// RuleKey names a rule across sets.
func RuleKey(gid, sid uint32) uint64 { return uint64(gid)<<32 | uint64(sid) }

// Thresholds counts matches.
type Thresholds struct{ cache cache[counted] }

type counted struct {
	start   int64 // of the window
	rated   int64 // since when the rate_filter's action holds; 0 when it does not
	count   uint32
	backoff uint32   // the count that alerts next
	ports   []uint16 // Unique: those seen in the window, sorted, at most one more than Count
}

// NewThresholds makes a memory of at most about max counters; 0 is 65536.
// When it is full the counters that would end first give way.
func NewThresholds(max int) *Thresholds {
	if max <= 0 {
		max = 1 << 16
	}
	return &Thresholds{newCache[counted](max)}
}

// forever is the life of counters without a window, in nanoseconds.
const forever = 1 << 61

// key of a counter. Kinds have counters of their own, so that a rule may have
// a detection_filter and a threshold.
func (th *Threshold) key(rule uint64, w *Who) key {
	k := key{n: rule ^ uint64(th.Kind+1)<<56 ^ uint64(th.Track+1)<<60}
	switch th.Track {
	case TrackSrc:
		k.a = w.Src
	case TrackDst:
		k.a = w.Dst
	case TrackBoth:
		return pair(w.Src, w.Dst, k.n)
	case TrackFlow:
		for i := range 8 {
			k.a[i] = byte(w.Flow >> (8 * i))
		}
	}
	return k
}

// Count takes a match of a rule at now (nanoseconds since 1970) and says what
// becomes of it.
func (t *Thresholds) Count(rule uint64, th *Threshold, w *Who, now int64) Answer {
	k := th.key(rule, w)
	window := int64(th.Seconds) * 1e9
	e := t.cache.find(&k, now)
	if e == nil {
		e = t.cache.add(&k, now, now+th.life())
		e.value = counted{start: now}
		if th.Kind == KindBackoff {
			e.value.backoff = th.Count
		}
		e.value.see(th, w)
		return th.first(&e.value, now)
	}
	v := &e.value
	if th.Kind == KindBackoff {
		return th.backoff(v)
	}
	if th.Kind == KindRate && v.rated != 0 {
		if th.Timeout == 0 || now <= v.rated+int64(th.Timeout)*1e9 {
			return Change
		}
		v.rated = 0
	}
	if now > v.start+window {
		v.start, v.count, v.ports = now, 0, v.ports[:0]
		e.until = now + th.life()
		v.see(th, w)
		return th.first(v, now)
	}
	v.see(th, w)
	return th.within(v, now)
}

// see notes a match's port when ports are counted.
func (v *counted) see(th *Threshold, w *Who) {
	if th.Unique == UniqueNone || uint32(len(v.ports)) > th.Count {
		return
	}
	port := w.SrcPort
	if th.Unique == UniqueDstPort {
		port = w.DstPort
	}
	if i, seen := slices.BinarySearch(v.ports, port); !seen {
		v.ports = slices.Insert(v.ports, i, port)
	}
}

// life is how long a counter may be of use after its window began.
func (th *Threshold) life() int64 {
	switch th.Kind {
	case KindBackoff:
		return forever
	case KindRate:
		if th.Timeout == 0 {
			return forever
		}
		return (int64(th.Seconds) + int64(th.Timeout) + 1) * 1e9
	}
	return (int64(th.Seconds) + 1) * 1e9
}

// first takes the first match of a window.
func (th *Threshold) first(v *counted, now int64) Answer {
	switch th.Kind {
	case KindBackoff:
		return th.backoff(v)
	case KindDetection:
		v.count = 1
		if th.Count == 0 {
			return Alert
		}
		return Ignore
	}
	return th.within(v, now)
}

// within takes a match within a window.
func (th *Threshold) within(v *counted, now int64) Answer {
	v.count++
	switch th.Kind {
	case KindLimit:
		if v.count <= th.Count {
			return Alert
		}
		return Silent
	case KindThreshold:
		if v.count >= th.Count {
			v.count = 0
			return Alert
		}
		return Ignore
	case KindBoth:
		switch {
		case v.count == th.Count:
			return Alert
		case v.count > th.Count:
			return Silent
		}
		return Ignore
	case KindDetection:
		if th.Unique != UniqueNone {
			v.count = uint32(len(v.ports))
		}
		if v.count > th.Count {
			return Alert
		}
		return Ignore
	default: // KindRate
		if v.count > th.Count {
			v.rated = now
			return Change
		}
		return Alert
	}
}

func (th *Threshold) backoff(v *counted) Answer {
	v.count++
	if v.count < v.backoff {
		return Silent
	}
	next := uint64(v.backoff) * uint64(max(th.Multiplier, 1))
	v.backoff = uint32(min(max(next, uint64(v.count)+1), 1<<32-1))
	return Alert
}
