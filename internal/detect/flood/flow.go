package flood

import (
	"net/netip"
	"time"
)

// flowKey names a flow without pointers.
type flowKey struct {
	dst   [16]byte
	dev   uint32
	port  uint16
	proto uint8
	v4    bool
}

func (k *flowKey) addr() netip.Addr {
	if k.v4 {
		return netip.AddrFrom16(k.dst).Unmap()
	}
	return netip.AddrFrom16(k.dst)
}

// window is what one flow did in one scan.
type window struct {
	packets, bytes float32
	raw            [2]float32 // suspicious before what is ordinary was taken off: see slotOf
	syn, done      float32    // connections tried and completed; DNS: queries and answers
	bad            float32    // suspicious: UDP, ACK or ICMP by protocol
	http           float32
}

// flow is the state of one flow.
type flow struct {
	key                flowKey
	prev               [7]uint64
	ring               [3]window
	at                 uint32 // scan that ring was last written in
	seen               uint32 // scan that the counter was last seen in
	alive              uint32 // scan of the last true answer
	credit             float32
	norm               float32 // ordinary unanswered packets a tick
	rate               float32 // ordinary packets a tick
	first, last        int64
	lenMin, lenMax     uint16
	srcMin, srcMax     uint16
	flagsOr, flagsAnd  uint8
	used, hostile, own bool  // own: counted from its first packet by us
	mute               bool  // began while its device flooded the place: answers do not speak for it
	next               int32 // next active flow of the same device, while judging
	after              uint32
}

type flowTable struct {
	index map[flowKey]uint32
	slots []flow
	free  []uint32
	max   int
	hand  int
	// The data path gives its counters in nearly the same order every scan,
	// so the slot that came after the present one last time is looked at
	// before the index: it is most often right, and next in memory.
	last, head uint32 // last: slot of the flow before; none at the start of a scan
}

const none = ^uint32(0)

func (t *flowTable) init(n int) {
	t.index = make(map[flowKey]uint32)
	t.max, t.last, t.head = n, none, none
}

// after is where the slot that followed the last one is noted.
func (t *flowTable) after() *uint32 {
	if t.last == none {
		return &t.head
	}
	return &t.slots[t.last].after
}

func (t *flowTable) slot(k *flowKey) (f *flow, made bool) {
	if i := *t.after(); i < uint32(len(t.slots)) && t.slots[i].used && t.slots[i].key == *k {
		t.last = i
		return &t.slots[i], false
	}
	if i, ok := t.index[*k]; ok {
		*t.after() = i
		t.last = i
		return &t.slots[i], false
	}
	if len(t.index) >= t.max {
		return nil, false
	}
	i := uint32(len(t.slots))
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.slots = append(t.slots, flow{})
	}
	t.index[*k] = i
	*t.after() = i
	f = &t.slots[i]
	*f = flow{key: *k, used: true, after: none}
	t.last = i
	return f, true
}

// sweep drops flows whose counter is gone, a part of the table a scan.
func (t *flowTable) sweep(tick uint32) {
	n := len(t.slots)/32 + 1
	for range min(n, len(t.slots)) {
		if t.hand >= len(t.slots) {
			t.hand = 0
		}
		f := &t.slots[t.hand]
		if f.used && f.seen+20 < tick {
			delete(t.index, f.key)
			f.used = false
			t.free = append(t.free, uint32(t.hand))
		}
		t.hand++
	}
}

// Flow takes one flow counter of a scan. Multicast and link-local
// destinations are not judged: no router carries them.
func (d *Detector) Flow(c *Flow) {
	if c.Dst.IsMulticast() || c.Dst.IsLinkLocalUnicast() || c.Dst == broadcast {
		return
	}
	dev, ok := d.devices.slot(c.Device, &d.limits, c.First.UnixNano(), c.Packets)
	if !ok {
		return
	}
	d.devices.slots[dev].seen = d.tick
	a := c.Dst.Unmap()
	k := flowKey{dst: a.As16(), dev: dev, port: c.DstPort, proto: c.Proto, v4: a.Is4()}
	f, made := d.flows.slot(&k)
	if f == nil {
		return
	}
	f.seen = d.tick
	if made || c.Packets < f.prev[0] {
		d.meet(f, c)
	}
	if c.Packets == f.prev[0] && c.BackPackets == f.prev[5] && f.at+3 < d.tick {
		return // idle for longer than the window
	}
	d.advance(f, c)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// meet starts the state of a counter that is new to us. What it counted
// before we looked is history: it is learned, not judged.
func (d *Detector) meet(f *flow, c *Flow) {
	k := f.key
	*f = flow{key: k, used: true, after: f.after, seen: d.tick, at: d.tick, first: c.First.UnixNano()}
	f.mute = len(d.hostile) > 0 && d.devices.slots[k.dev].busy && d.isHostile(c.Dst)
	if !d.first && d.now.Sub(c.First) < 5*Tick {
		f.own = d.now.Sub(d.began) > 3*time.Second
		return
	}
	f.prev = counts(c)
	age := c.Last.Sub(c.First)
	if age < 5*time.Second || d.now.Sub(c.Last) > time.Second || d.isHostile(c.Dst) {
		return
	}
	f.rate = float32(float64(c.Packets) * float64(Tick) / float64(age))
	if k.proto != 6 && c.BackPackets*answered < c.Packets {
		f.norm = f.rate
	}
	if c.BackPackets > 0 {
		f.alive = d.tick
	}
}

func counts(c *Flow) [7]uint64 {
	return [7]uint64{c.Packets, c.Bytes, c.Syn, c.BareAck, c.HTTPRequests, c.BackPackets, c.BackBytes}
}

const (
	// answered is how many UDP packets one answer excuses. QUIC acknowledges
	// every 2 to 10, RTP over one port reports a few times a second.
	answered = 100
	// ackedTCP is the same for TCP data: receivers with large offloads
	// acknowledge every 45.
	ackedTCP = 128
	// refused is how many TCP segments a scan, each answered by one without
	// options and data, are no upload: receivers acknowledge every second one
	// (RFC 5681, section 4.2), and answer gaps with options.
	refused = 200
	// ackBytes is how many bytes of data from the far side excuse one bare ACK.
	ackBytes = 16
	normUp   = 1.0 / 300
	normDown = 1.0 / 6000
)

// advance adds what a counter grew by to the flow's window.
func (d *Detector) advance(f *flow, c *Flow) {
	for t := max(f.at+1, d.tick-min(d.tick, 2)); t <= d.tick; t++ {
		f.ring[t%3] = window{}
	}
	f.at = d.tick
	now := counts(c)
	var grew [7]float32
	for i := range now {
		grew[i] = float32(float64(now[i]-f.prev[i]) * d.scale)
	}
	f.prev = now
	f.last = c.Last.UnixNano()
	f.lenMin, f.lenMax, f.srcMin, f.srcMax = c.LenMin, c.LenMax, c.SrcPortMin, c.SrcPortMax
	f.flagsOr, f.flagsAnd = c.TCPFlagsOr, c.TCPFlagsAnd
	w := &f.ring[d.tick%3]
	w.packets, w.bytes = grew[0], grew[1]
	switch f.key.proto {
	case 6:
		d.advanceTCP(f, w, &grew)
	case 1, 58:
		f.excuse(w, grew[0])
	default:
		d.advanceUDP(f, w, &grew)
	}
	f.learnRate(grew[0])
	d.devices.slots[f.key.dev].add(f, d.tick, d.devices.at)
}

// advanceTCP sorts TCP packets into connection attempts, requests and
// packets that belong to no connection.
func (d *Detector) advanceTCP(f *flow, w *window, grew *[7]float32) {
	packets, syn, bare, back := grew[0], grew[2], grew[3], grew[5]
	header := float32(60) // a SYN-ACK with its options is no data
	if !f.key.v4 {
		header = 80
	}
	data := max(0, grew[6]-header*back)
	if data > 0 {
		f.alive = d.tick
	}
	f.credit = min(f.credit*0.7+data/ackBytes, 1<<20)
	used := min(bare, f.credit)
	f.credit -= used
	rest := max(0, packets-syn-bare)
	bad := bare - used
	heard := f.backSum(back)
	orphan := f.own && f.flagsOr&flagSYN == 0
	bareBack := grew[6] <= back*(header-16) // answers without options and data, as resets are
	switch {
	case bareBack && (orphan && back >= 0.8*rest || rest >= refused && back >= 0.9*rest):
		bad += rest // each segment answered by a reset
	case rest >= 30 && heard*ackedTCP < rest:
		bad += rest
	case heard == 0 && f.prev[2] == 0:
		bad += rest // in no connection that was opened from here
	}
	w.syn, w.done = syn, bare+data/256
	w.bad, w.raw = bad, [2]float32{bad, back}
	w.http = grew[4]
}

const flagSYN = 0x02

// backSum is the number of answers in the window with this scan's.
func (f *flow) backSum(now float32) float32 {
	for i := range f.ring {
		now += f.ring[i].raw[1]
	}
	return now
}

// advanceUDP takes off what answers excuse and what is ordinary.
func (d *Detector) advanceUDP(f *flow, w *window, grew *[7]float32) {
	back := grew[5]
	if back > 0 {
		f.alive = d.tick
	}
	if f.key.port == 53 && f.key.proto == 17 {
		w.syn, w.done = grew[0], back
		return
	}
	f.credit = min(f.credit*0.85+back*answered, 1<<20)
	if f.mute {
		f.credit = 0
	}
	used := min(grew[0], f.credit)
	f.credit -= used
	w.raw[1] = back
	f.excuse(w, grew[0]-used)
}

// excuse takes what is ordinary for the flow off its suspicious packets and
// learns slowly upward, more slowly downward, and nothing of a flood.
func (f *flow) excuse(w *window, bad float32) {
	w.raw[0] = bad
	w.bad = max(0, bad-2*f.norm)
	switch {
	case f.hostile:
	case bad > f.norm:
		f.norm += (bad - f.norm) * normUp
	default:
		f.norm -= (f.norm - bad) * normDown
	}
}

func (f *flow) learnRate(packets float32) {
	if !f.hostile {
		f.rate += (packets - f.rate) * normUp
	}
}

// kind is what the flow's suspicious packets would be called.
func (f *flow) kind() kind {
	switch f.key.proto {
	case 6:
		return kindACK
	case 1, 58:
		return kindICMP
	case 17:
		if f.key.port == 53 {
			return kindDNS
		}
	}
	return kindUDP
}

// add counts the flow's suspicious packets of this scan for its device.
func (s *device) add(f *flow, tick, at uint32) {
	w := &f.ring[tick%3]
	sum := &s.sum[at]
	switch k := f.kind(); k {
	case kindDNS:
		sum[kindDNS] += w.syn
	case kindACK:
		sum[kindACK] += w.bad
		sum[kindSYN] += w.syn
		sum[kindHTTP] += w.http
	default:
		sum[k] += w.bad
	}
}
