package flow

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// fragment4 is one IPv4 fragment; the last has more false.
func fragment4(id uint16, off int, more bool, data []byte) []byte {
	b := make([]byte, 20, 20+len(data))
	b[0], b[8], b[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(data)))
	binary.BigEndian.PutUint16(b[4:], id)
	word := uint16(off / 8)
	if more {
		word |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], word)
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[10:], headerSum(b[:20]))
	return append(b, data...)
}

func fragments4(id uint16, _ int, data []byte, each int) [][]byte {
	var out [][]byte
	for off := 0; off < len(data); off += each {
		end := min(off+each, len(data))
		out = append(out, fragment4(id, off, end < len(data), data[off:end]))
	}
	return out
}

func (w *wire) fragment(b []byte) *packet.Packet {
	w.now += 1000
	w.p = packet.Packet{Time: w.now, IPVersion: b[0] >> 4, Has: packet.HasFragment, L3: b}
	if w.p.IPVersion == 4 {
		w.p.Proto, w.p.IPID = b[9], uint32(binary.BigEndian.Uint16(b[4:]))
		w.p.Src, w.p.Dst = mapped(b[12:16]), mapped(b[16:20])
	} else {
		w.p.Src, w.p.Dst = packet.Addr(b[8:24]), packet.Addr(b[24:40])
		w.p.IPID = binary.BigEndian.Uint32(b[44:])
	}
	return &w.p
}

func TestDefragInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 3001)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for round := range 50 {
		w := newWire(t, nil)
		parts := fragments4(uint16(round), 0, data, 8*(1+r.IntN(100)))
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var whole []byte
		for _, b := range parts {
			if d := w.table.Defrag(w.fragment(b)); d.Whole != nil {
				whole = d.Whole
			}
		}
		if len(whole) != 20+len(data) || !bytes.Equal(whole[20:], data) {
			t.Fatalf("round %d: %d bytes", round, len(whole))
		}
		if whole[6]|whole[7] != 0 || headerSum(append(append([]byte{}, whole[:10]...), append([]byte{0, 0}, whole[12:20]...)...)) != binary.BigEndian.Uint16(whole[10:]) {
			t.Errorf("header % x", whole[:20])
		}
		if w.table.frags.trackers.used != 0 || w.table.frags.pieces.used != 0 {
			t.Error("left over")
		}
	}
}

// Overlaps in the three forms, by policy: which of A (first) and B (second) wins.
func TestDefragOverlapByPolicy(t *testing.T) {
	for os, want := range map[OS]string{
		OSBSD: "AAABBBBBBCC", OSLinux: "AAABBBBBBCC", OSWindows: "AAABABBBBCC", OSFirst: "AAABABBBBCC", OSLast: "ABBBBBBBBCC", OSSolaris: "AAABBBBBBCC",
	} {
		w := newWire(t, func(c *Config) { c.Hosts = []HostPolicy{{Prefix: allV4(), OS: os}} })
		eight := func(s string, n int) []byte { return bytes.Repeat([]byte(s), 8*n) }
		w.table.Defrag(w.fragment(fragment4(1, 0, true, eight("A", 3))))
		w.table.Defrag(w.fragment(fragment4(1, 32, true, eight("A", 1))))
		w.table.Defrag(w.fragment(fragment4(1, 48, true, eight("B", 3))))
		events := w.table.Defrag(w.fragment(fragment4(1, 24, true, eight("B", 2)))).Events
		if os == OSLast {
			w.table.Defrag(w.fragment(fragment4(1, 8, true, eight("B", 2))))
		}
		w.table.Defrag(w.fragment(fragment4(1, 40, true, eight("B", 1))))
		d := w.table.Defrag(w.fragment(fragment4(1, 72, false, eight("C", 2))))
		if events != FragOverlap || strings.Join(events.Names(4), "") != "ipv4.frag_overlap" {
			t.Errorf("events %v", events)
		}
		var got strings.Builder
		for i := 20; i < len(d.Whole); i += 8 {
			got.WriteByte(d.Whole[i])
		}
		if got.String() != want {
			t.Errorf("%d: got %s want %s", os, got.String(), want)
		}
	}
}

func TestDefrag6(t *testing.T) {
	head := func(next byte, n int) []byte {
		b := make([]byte, 40)
		b[0], b[6], b[7] = 0x60, next, 64
		binary.BigEndian.PutUint16(b[4:], uint16(n))
		b[8], b[24] = 0x20, 0x20
		return b
	}
	frag := func(off int, more byte, data string) []byte {
		f := []byte{protoUDP, 0, byte(off >> 8), byte(off) | more, 0, 0, 0, 9}
		return append(append(head(44, 8+len(data)), f...), data...)
	}
	w := newWire(t, nil)
	if d := w.table.Defrag(w.fragment(frag(8, 0, "world"))); d.Whole != nil || d.Events != 0 {
		t.Errorf("%+v", d)
	}
	d := w.table.Defrag(w.fragment(frag(0, 1, "hello, w")))
	if want := string(head(protoUDP, 13)) + "hello, wworld"; string(d.Whole) != want {
		t.Errorf("%q", d.Whole)
	}
	if d := w.table.Defrag(w.fragment(frag(16, 1, "odd"))); d.Events != FragInvalidLength {
		t.Errorf("%+v", d)
	}
}

func TestDefragBounds(t *testing.T) {
	w := newWire(t, func(c *Config) { c.Defrag.MaxTrackers, c.Defrag.Memory = 4, 1<<17 })
	if d := w.table.Defrag(w.fragment(fragment4(1, 65528, false, make([]byte, 600)))); d.Events != FragTooLarge {
		t.Errorf("%+v", d)
	}
	for i := range 100 {
		w.table.Defrag(w.fragment(fragment4(uint16(i), 8, true, make([]byte, 1400))))
	}
	if s := w.table.Stats(); s.FragmentMemory > 1<<17 || w.table.frags.trackers.used > 4 || s.FragmentsLost < 90 {
		t.Errorf("%+v", s)
	}
	w.now += 61 * second
	w.table.Advance(w.now)
	if w.table.frags.trackers.used != 0 {
		t.Error("fragments outlive their time-out")
	}
}

func FuzzDefrag(f *testing.F) {
	f.Add([]byte{0, 1, 8, 1, 1, 8, 2, 0, 8})
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWire(t, func(c *Config) { c.Defrag.Memory, c.Defrag.MaxTrackers = 1<<17, 3 })
		for at := 0; at+3 <= len(script) && at < 300; at += 3 {
			b := fragment4(uint16(script[at]>>6), int(script[at]&63)*8, script[at+1]&1 != 0, make([]byte, int(script[at+2])))
			if d := w.table.Defrag(w.fragment(b)); d.Whole != nil && len(d.Whole) > maxDatagram {
				t.Fatal("too large")
			}
		}
		w.table.Defrag(w.fragment(append(make([]byte, 0), append([]byte{0x45}, append(make([]byte, 47), script...)...)...)))
		w.table.Close()
		if w.table.frags.pieces.used != 0 {
			t.Fatal("pieces left over")
		}
	})
}
