package flow

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// quiet is a Consumer that only counts.
type quiet struct{ bytes, flows int }

func (q *quiet) Bytes(_ *Flow, _ packet.Direction, data []byte) { q.bytes += len(data) }
func (q *quiet) Gap(*Flow, packet.Direction, uint64)            {}
func (q *quiet) End(*Flow, packet.Direction)                    {}
func (q *quiet) Drained(*Flow, packet.Direction)                {}
func (q *quiet) Finish(*Flow, Reason)                           { q.flows++ }

// rig is packets of one session, ready to be sent again and again.
type rig struct {
	table    *Table
	sink     *quiet
	c, s, u  packet.Packet
	seq      uint32
	now      int64
	perCheck int
}

func newRig(tb testing.TB, change func(*Config)) *rig {
	cfg := Default()
	cfg.Stream.Depth = 0
	if change != nil {
		change(&cfg)
	}
	r := &rig{sink: &quiet{}, now: 1_700_000_000 * second, seq: 1001}
	table, err := New(cfg, r.sink)
	if err != nil {
		tb.Fatal(err)
	}
	r.table = table
	r.c = packet.Packet{IPVersion: 4, Proto: protoTCP, Has: packet.HasIPv4 | packet.HasTCP, Src: v4(10, 0, 0, 1),
		Dst: v4(10, 0, 0, 2), SrcPort: 40000, DstPort: 80, Window: 65535, Payload: make([]byte, 1460), L4Header: 20, Data: make([]byte, 1514)}
	r.s = r.c
	r.s.Src, r.s.Dst, r.s.SrcPort, r.s.DstPort, r.s.Payload = r.c.Dst, r.c.Src, r.c.DstPort, r.c.SrcPort, nil
	r.u = r.c
	r.u.Proto, r.u.Has = protoUDP, packet.HasIPv4|packet.HasUDP
	open := r.c
	open.Payload, open.TCPFlags, open.Seq, open.Time = nil, packet.SYN, 1000, r.now
	r.table.Packet(&open)
	back := r.s
	back.TCPFlags, back.Seq, back.Ack, back.Time = packet.SYN|packet.ACK, 5000, 1001, r.now
	r.table.Packet(&back)
	open.TCPFlags, open.Seq, open.Ack = packet.ACK, 1001, 5001
	r.table.Packet(&open)
	r.c.TCPFlags, r.s.TCPFlags, r.c.Ack, r.s.Seq = packet.ACK, packet.ACK, 5001, 5001
	return r
}

// data sends two segments and the ACK for them.
func (r *rig) data() {
	for range 2 {
		r.now += 1000
		r.c.Time, r.c.Seq = r.now, r.seq
		o := r.table.Packet(&r.c)
		if o.RawDue {
			r.table.Raw(o.Flow, o.Dir)
			r.table.RawDone(o.Flow, o.Dir)
		}
		r.seq += uint32(len(r.c.Payload))
	}
	r.s.Time, r.s.Ack = r.now, r.seq
	r.table.Packet(&r.s)
}

// disorder sends three segments in the wrong order, one of them twice.
func (r *rig) disorder() {
	n := uint32(len(r.c.Payload))
	for _, k := range [...]uint32{1, 2, 2, 0} {
		r.now += 1000
		r.c.Time, r.c.Seq = r.now, r.seq+k*n
		r.table.Packet(&r.c)
	}
	r.seq += 3 * n
	r.s.Time, r.s.Ack = r.now, r.seq
	r.table.Packet(&r.s)
}

func (r *rig) datagram() {
	r.now += 1000
	r.u.Time = r.now
	r.table.Packet(&r.u)
}

// short is a whole short-lived flow that times out.
func (r *rig) short() {
	r.now += 31 * second
	r.u.Time = r.now
	r.u.SrcPort++
	r.table.Advance(r.now)
	r.table.Packet(&r.u)
}

func TestNoAllocation(t *testing.T) {
	for _, inline := range []bool{false, true} {
		for _, raw := range []bool{false, true} {
			r := newRig(t, func(c *Config) { c.Stream.Inline, c.Stream.NoRaw = inline, !raw })
			for i, f := range []func(){r.data, r.disorder, r.datagram, r.short} {
				name := [...]string{"in order", "out of order", "datagram", "short flow"}[i]
				for range 50 {
					f()
				}
				if n := testing.AllocsPerRun(200, f); n != 0 {
					t.Errorf("inline %v raw %v, %s: %v allocations", inline, raw, name, n)
				}
			}
			if r.sink.bytes == 0 {
				t.Error("nothing delivered")
			}
		}
	}
}

func TestFragmentsAllocateNothing(t *testing.T) {
	w := newWire(t, nil)
	parts := fragments4(7, 9, make([]byte, 2000), 800)
	f := func() {
		for _, b := range parts {
			if r := w.table.Defrag(w.fragment(b)); r.Whole != nil && len(r.Whole) != 2020 {
				t.Fatalf("%d bytes", len(r.Whole))
			}
		}
	}
	f()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if w.table.Stats().Reassembled < 100 {
		t.Errorf("%+v", w.table.Stats())
	}
}

func BenchmarkUDPKnownFlow(b *testing.B) {
	r := newRig(b, nil)
	for b.Loop() {
		r.datagram()
	}
}

func benchmarkTCP(b *testing.B, inline, noRaw bool) {
	r := newRig(b, func(c *Config) { c.Stream.Inline, c.Stream.NoRaw = inline, noRaw })
	b.SetBytes(2 * 1460)
	for b.Loop() {
		r.data() // two data segments and an ACK
	}
}

func BenchmarkTCPTwoSegmentsAndACK(b *testing.B)       { benchmarkTCP(b, false, false) }
func BenchmarkTCPTwoSegmentsAndACKNoRaw(b *testing.B)  { benchmarkTCP(b, false, true) }
func BenchmarkTCPTwoSegmentsAndACKInline(b *testing.B) { benchmarkTCP(b, true, true) }

func BenchmarkUDPManyFlows(b *testing.B) {
	r := newRig(b, nil)
	n := uint32(0)
	for b.Loop() {
		n = n*1664525 + 1013904223
		r.u.SrcPort, r.u.Src[15] = uint16(n>>16), byte(n>>13&7)
		r.datagram()
	}
}
