package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// strict is a Consumer that checks what every Consumer may rely on.
type strict struct {
	t     *testing.T
	table *Table
	at    map[uint64][2]uint64 // stream offset delivered, by flow
	ended map[uint64][2]bool
	over  map[uint64]bool
	swap  int

	packets, revived int // the number of the packet at hand, and of the last that revived its flow
}

func (c *strict) Bytes(f *Flow, d packet.Direction, data []byte) {
	c.check(f, d)
	if len(data) == 0 {
		c.t.Error("no bytes delivered")
	}
	at := c.at[f.ID]
	at[d] += uint64(len(data))
	c.at[f.ID] = at
	if c.swap--; c.swap == 0 {
		c.table.Swap(f)
		c.at[f.ID] = [2]uint64{at[1], at[0]}
		e := c.ended[f.ID]
		c.ended[f.ID] = [2]bool{e[1], e[0]}
	}
	if len(data)%7 == 0 {
		c.table.TriggerRaw(f, d)
	}
	if len(data)%41 == 0 {
		c.table.SetFlags(f, FlagNoApp)
	}
}

// revive forgets the ends of a flow whose reset the packet at hand proves
// forged: it goes on.
func (c *strict) revive(f *Flow) {
	if o := c.table.out; o != nil && o.Events.Has(EvSuspectedRstInject) && c.revived != c.packets {
		c.revived = c.packets
		delete(c.ended, f.ID)
	}
}

func (c *strict) check(f *Flow, d packet.Direction) {
	c.revive(f)
	if c.over[f.ID] || c.ended[f.ID][d] && (f.TCPState == TCPClosed || f.Flags&(FlagDepth0|FlagDepth1) != 0) {
		c.t.Fatalf("bytes after the end: over %v ended %v flags %b state %v dir %v", c.over[f.ID], c.ended[f.ID], f.Flags, f.TCPState, d)
	}
}

func (c *strict) Gap(f *Flow, d packet.Direction, n uint64) {
	c.check(f, d)
	at := c.at[f.ID]
	at[d] += n
	c.at[f.ID] = at
}

func (c *strict) End(f *Flow, d packet.Direction) {
	c.revive(f)
	e := c.ended[f.ID]
	e[d] = true
	c.ended[f.ID] = e
}

func (c *strict) Drained(*Flow, packet.Direction) {}

func (c *strict) Finish(f *Flow, _ Reason) {
	if c.over[f.ID] {
		c.t.Error("finished twice")
	}
	c.over[f.ID] = true
	for d := range packet.Direction(2) {
		for {
			data, _, fresh := c.table.Raw(f, d)
			if fresh >= len(data) {
				break
			}
			c.table.RawDone(f, d)
		}
	}
}

// playPackets makes packets of few addresses and near sequence numbers out of
// the script, and checks what holds for any packets at all.
func playPackets(t *testing.T, mode byte, script []byte) {
	sink := &strict{t: t, at: map[uint64][2]uint64{}, ended: map[uint64][2]bool{}, over: map[uint64]bool{}, swap: int(mode >> 4)}
	cfg := Default()
	cfg.MaxFlows = 3
	cfg.Stream.Memory, cfg.Stream.MaxPending, cfg.Stream.MaxSegments = 1<<18, 1<<14, 8
	cfg.Stream.Inline, cfg.Stream.Midstream, cfg.Stream.AsyncOneside = mode&1 != 0, mode&2 != 0, mode&4 != 0
	cfg.Stream.Live = mode&9 == 9
	cfg.Stream.ToServerChunk, cfg.Stream.Depth = 128, 5000
	table, err := New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	sink.table = table
	now := int64(1000) * second
	seqs := [2]uint32{0xffffff00, 77}
	for at := 0; at+6 <= len(script); at += 6 {
		b := script[at : at+6]
		if b[0]&0x40 != 0 {
			table.Missed()
		}
		p := packet.Packet{IPVersion: 4, Proto: protoTCP, Has: packet.HasIPv4 | packet.HasTCP, Dst: v4(10, 0, 0, 2), DstPort: 80,
			Src: v4(10, 0, 0, 1), SrcPort: 1000 + uint16(b[0]&3), TCPFlags: b[1] & 0x3f, Window: 4000, L4Header: 20}
		d := b[0] >> 7
		if d == 1 {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		if b[0]&0x40 != 0 {
			p.Proto, p.Has = protoUDP, packet.HasIPv4|packet.HasUDP
		}
		p.Seq, p.Ack = seqs[d]+uint32(int8(b[2])), seqs[1-d]-uint32(b[3]&15)
		if b[3]&0x40 != 0 {
			p.Ack = seqs[1-d] + uint32(b[3])*100
		}
		p.Payload = make([]byte, int(b[4])*(1+int(b[3]>>7)*8))
		if p.TCPFlags&(packet.SYN|packet.FIN) != 0 && b[3]&1 == 0 {
			p.Payload = nil
		}
		if b[5] < 4 {
			p.HasTS, p.TSVal = true, uint32(b[5])
		}
		now += int64(b[5]) * second / 16
		p.Time = now
		table.Advance(now)
		sink.packets++
		o := table.Packet(&p)
		if o.Flow == nil {
			t.Fatal("no flow")
		}
		if o.Events.Has(EvSuspectedRstInject) && sink.revived != sink.packets {
			delete(sink.ended, o.Flow.ID) // it goes on
		}
		if o.RawDue {
			if data, _, fresh := table.Raw(o.Flow, o.Dir); fresh > len(data) {
				t.Fatal("fresh bytes beyond the window")
			}
			table.RawDone(o.Flow, o.Dir)
		}
		if o.Rewrite != nil && len(o.Rewrite) != len(p.Payload) {
			t.Fatal("rewritten to another length")
		}
		if p.TCPFlags&packet.SYN != 0 {
			seqs[d] = p.Seq + 1
		} else {
			seqs[d] = p.Seq + uint32(len(p.Payload))
		}
	}
	table.Close()
	if s := table.Stats(); s.ActiveFlows != 0 || s.ActiveSessions != 0 || table.segments.used != 0 || table.others.used != 0 || s.StreamMemory > 1<<18 {
		t.Fatalf("left over: %+v", s)
	}
	if uint64(len(sink.over)) != table.Stats().Flows {
		t.Fatal("flows not finished")
	}
}

func TestRandomPackets(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	script := make([]byte, 6*300)
	flags := []byte{packet.SYN, packet.SYN | packet.ACK, packet.ACK, packet.ACK, packet.ACK, packet.ACK, packet.FIN | packet.ACK, packet.RST}
	for range 400 {
		for i := range script {
			script[i] = byte(r.UintN(256))
			switch i % 6 {
			case 0:
				script[i] &= 0xc1
			case 1:
				if r.UintN(8) > 0 {
					script[i] = flags[r.IntN(len(flags))]
				}
			case 2:
				script[i] = byte(int8(script[i]) / 32)
			case 3, 5:
				if r.UintN(4) > 0 {
					script[i] = 16
				}
			}
		}
		playPackets(t, byte(r.UintN(256)), script)
	}
}

func FuzzPackets(f *testing.F) {
	f.Add(byte(0), []byte{0, 2, 0, 0, 0, 9, 0x80, 18, 0, 0, 0, 9, 0, 16, 0, 0, 0, 9, 0, 16, 0, 0, 50, 9, 0x80, 16, 0, 0, 0, 9, 0, 4, 0, 0, 0, 9})
	f.Add(byte(3), []byte{0, 16, 0, 0, 90, 9, 0x80, 16, 0, 0, 30, 9, 0, 16, 250, 0, 90, 9})
	f.Fuzz(func(t *testing.T, mode byte, script []byte) {
		playPackets(t, mode, script[:min(len(script), 1200)])
	})
}
