package memory

import "github.com/masugata/masugata/internal/inspect/packet"

// TagUnit is what a tag's length is counted in.
type TagUnit uint8

// The units.
const (
	TagPackets TagUnit = iota
	TagSeconds
	TagBytes
)

// Tag asks for the packets that follow an alert.
type Tag struct {
	Host   bool // of a host; else of the flow
	Dst    bool // Host: the destination of the packet that alerted; else its source
	Amount uint32
	Unit   TagUnit
}

// Tags remembers what was tagged.
type Tags struct{ cache cache[tagged] }

type tagged struct {
	left uint64 // packets or bytes
	unit TagUnit
}

// tagIdle is after how long without a packet a tag by packets or bytes ends.
const tagIdle = 600e9

// NewTags makes a memory of at most about max tags; 0 is 4096.
func NewTags(max int) *Tags {
	if max <= 0 {
		max = 1 << 12
	}
	return &Tags{newCache[tagged](max)}
}

// Active says whether anything is tagged: if not, Packet need not be called.
func (t *Tags) Active() bool { return t.cache.live > 0 }

func flowKey(flow uint64) key { return key{n: flow} }

func hostKey(a packet.Addr) key { return key{a: a, n: 1 << 63} }

// Start begins a tag, or lengthens one that is there. The packet that alerted
// is not counted.
func (t *Tags) Start(tag *Tag, w *Who, now int64) {
	k := flowKey(w.Flow)
	if tag.Host {
		k = hostKey(w.Src)
		if tag.Dst {
			k = hostKey(w.Dst)
		}
	}
	until := now + tagIdle
	if tag.Unit == TagSeconds {
		until = now + int64(tag.Amount)*1e9 + 1
	}
	e := t.cache.find(&k, now)
	if e == nil {
		e = t.cache.add(&k, now, until)
	}
	e.until = max(e.until, until)
	e.value = tagged{left: uint64(tag.Amount), unit: tag.Unit}
}

// Packet says whether a packet of the given length on the wire is tagged, and
// counts it.
func (t *Tags) Packet(w *Who, length int, now int64) bool {
	if t.cache.live == 0 {
		return false
	}
	hit := false
	for _, k := range [3]key{flowKey(w.Flow), hostKey(w.Src), hostKey(w.Dst)} {
		if k.n == 0 {
			continue
		}
		if e := t.cache.find(&k, now); e != nil {
			hit = true
			t.count(e, length, now)
		}
	}
	return hit
}

func (t *Tags) count(e *cacheEntry[tagged], length int, now int64) {
	n := uint64(1)
	switch e.value.unit {
	case TagSeconds:
		return
	case TagBytes:
		n = uint64(length)
	}
	if e.value.left <= n {
		t.cache.drop(e)
		return
	}
	e.value.left -= n
	e.until = now + tagIdle
}
