package inline

import (
	"encoding/hex"
	"math"
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Hit is a thing of bad reputation that a device met, joined with its repeats.
type Hit struct {
	HitKey
	App         string // what the flow speaks, "" when it is not known
	Where       string // what named it, as in engine.Listed
	Score       uint8  // it is at least this
	File        string // name of a file
	SHA256      string // of a file that another digest made known; may be ""
	Count       uint32
	First, Last time.Time
}

// HitKey is what makes hits one.
type HitKey struct {
	Device         datapath.DeviceKey // zero when it is not known
	Kind           engine.SubjectKind
	Value          string     // the thing as it was named, at most maxValue bytes; digests in hexadecimal digits
	Client, Server netip.Addr // of the flow
	ServerPort     uint16
	Proto          uint8
	Inward         bool // the client is outside: nothing that the device asked for
	Blocked        bool
}

const (
	maxHits     = 4096 // different hits kept until they are fetched
	maxHitsEach = 512  // of those, of one device
	maxValue    = 512  // bytes of what was named
)

// hits gathers what of bad reputation was met.
type hits struct {
	list map[HitKey]*Hit
	each map[datapath.DeviceKey]int // different ones of a device
	lost uint64                     // that found the list or their device's part of it full
}

// Join adds the repeats of a hit with the same key.
func (x *Hit) Join(o *Hit) {
	x.Count += min(o.Count, math.MaxUint32-x.Count)
	if o.First.Before(x.First) {
		x.First = o.First
	}
	if o.Last.After(x.Last) {
		x.Last = o.Last
	}
}

func (h *hits) join(k HitKey, x *Hit) {
	if old := h.list[k]; old != nil {
		old.Join(x)
		return
	}
	if len(h.list) >= maxHits || h.each[k.Device] >= maxHitsEach {
		h.lost += uint64(x.Count)
		return
	}
	if h.list == nil {
		h.list, h.each = make(map[HitKey]*Hit), make(map[datapath.DeviceKey]int)
	}
	h.list[k] = x
	h.each[k.Device]++
}

// Listed implements engine.ListedSink.
func (a *alerts) Listed(l *engine.Listed) {
	if a.records != nil {
		a.records.Listed(l)
	}
	var b [maxValue + 2048]byte
	text := l.Subject.AppendText(b[:0])
	k := HitKey{Device: a.whose(l.Packet, l.Flow), Kind: l.Subject.Kind, Value: string(text[:min(len(text), maxValue)]), Blocked: l.Stop}
	x := &Hit{Where: l.Where, Score: l.Score, Count: 1}
	if f := l.Flow; f != nil {
		k.Client, k.Server = netip.AddrFrom16(f.Client).Unmap(), netip.AddrFrom16(f.Server).Unmap()
		k.Proto = f.Proto
		k.Inward = onWire(l.Packet) && (a.side == datapath.Outside) == (l.Dir == packet.ToServer)
		if f.Proto == protoTCP || f.Proto == protoUDP {
			k.ServerPort = f.ServerPort
		}
		if f.App != protocol.Unknown && f.App != protocol.Failed {
			x.App = f.App.String()
		}
	}
	if l.File != nil {
		x.File = string(l.File.Name[:min(len(l.File.Name), maxValue)])
		if sum := l.File.SHA256[:]; l.File.HasSHA256 && len(l.Subject.Sum) != len(sum) {
			x.SHA256 = hex.EncodeToString(sum)
		}
	}
	x.First = time.Unix(0, l.Packet.Time)
	x.HitKey, x.Last = k, x.First
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hits.join(k, x)
}

// FetchHits gives what of bad reputation was met since the last call, and how
// many more there were than are kept.
func (i *Inspection) FetchHits() (list []*Hit, lost uint64) {
	var all hits
	for _, w := range i.workers {
		w.sink.mu.Lock()
		mine := w.sink.hits
		w.sink.hits = hits{}
		w.sink.mu.Unlock()
		lost += mine.lost
		for k, x := range mine.list {
			all.join(k, x)
		}
	}
	for _, x := range all.list {
		list = append(list, x)
	}
	return list, lost + all.lost
}
