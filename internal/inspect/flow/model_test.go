package flow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// slowStream is the obvious model of one direction in order to check the fast
// one: every byte of the stream with the bounds of the piece that brought it.
type slowStream struct {
	os       OS
	inline   bool
	have     [1024]bool
	val      [1024]byte
	from, to [1024]uint64
	app, ack uint64
	out      []byte // what was delivered, gaps as 0xff
}

func (m *slowStream) segment(off uint64, data []byte) {
	end := off + uint64(len(data))
	if end < m.ack {
		return
	}
	type place struct{ from, to uint64 }
	holes := map[uint64]place{}
	for i := max(off, m.app); i < end; i++ {
		if m.have[i] {
			continue
		}
		j := i
		for j < end && !m.have[j] {
			j++
		}
		for k := i; k < j; k++ {
			holes[k] = place{i, j}
		}
		i = j
	}
	for i := max(off, m.app); i < end; i++ {
		b := data[i-off]
		if h, ok := holes[i]; ok {
			m.have[i], m.val[i], m.from[i], m.to[i] = true, b, h.from, h.to
		} else if !m.inline && newWins(m.os, off, end, m.from[i], m.to[i]) {
			m.val[i] = b
		}
	}
	if m.inline {
		m.deliver()
	}
}

func (m *slowStream) deliver() {
	for {
		for m.have[m.app] && (m.inline || m.app < m.ack) {
			m.out = append(m.out, m.val[m.app])
			m.app++
		}
		beyond := false
		for i := m.app; i < uint64(len(m.have)); i++ {
			beyond = beyond || m.have[i]
		}
		if m.app >= m.ack || !beyond || m.have[m.app] {
			return
		}
		for m.app < m.ack && !m.have[m.app] {
			m.out = append(m.out, 0xff)
			m.app++
		}
	}
}

// checkAgainstModel plays segments and acknowledgements to both.
func checkAgainstModel(t *testing.T, os OS, inline bool, script []byte) {
	w := newWire(t, func(c *Config) {
		c.Hosts = []HostPolicy{}
		c.Stream.Inline = inline
		c.Stream.ToServerChunk = 64
	})
	m := &slowStream{os: os, inline: inline}
	w.handshake()
	s := w.table.sessions.at(w.table.entries.at(0).sess)
	s.half[0].os = os
	sent := uint64(0)
	for at := 0; at+4 <= len(script); at += 4 {
		op, a, b, fill := script[at], uint64(script[at+1]), int(script[at+2]), script[at+3]
		if op&3 == 0 {
			ack := min(m.ack+a/4, sent)
			m.ack = max(m.ack, ack)
			w.tcp("s", "A", 5001, 1001+uint32(ack), "")
			if !inline {
				m.deliver()
			}
			continue
		}
		off := a
		if op&4 != 0 {
			off = m.app + a%24
		}
		if off > 256 {
			continue
		}
		data := bytes.Repeat([]byte{fill & 0x7f}, b%40+2)
		for i := range data {
			data[i] ^= byte(i & 3)
		}
		o := w.tcp("c", "A", 1001+uint32(off), 5001, string(data))
		if inline && o.Rewrite != nil && len(o.Rewrite) != len(data) {
			t.Fatalf("rewritten to %d bytes, payload has %d", len(o.Rewrite), len(data))
		}
		m.segment(off, data)
		sent = max(sent, off+uint64(len(data)))
		if o.RawDue {
			raw, _, _ := w.table.Raw(o.Flow, o.Dir)
			if len(raw) == 0 && !inline {
				t.Fatal("raw is due and empty")
			}
			w.table.RawDone(o.Flow, o.Dir)
		}
	}
	got := w.notes.stream()
	if !bytes.Equal(got, m.out) {
		t.Fatalf("os %d inline %v script %x\ngot  %q\nwant %q", os, inline, script, got, m.out)
	}
	w.table.Close()
	if w.table.segments.used != 0 {
		t.Fatal("segments left over")
	}
	for c := range w.table.arena.class {
		for _, used := range w.table.arena.class[c].used {
			if used != 0 {
				t.Fatal("blocks left over")
			}
		}
	}
}

// stream is what was delivered to the server, with gaps as 0xff.
func (n *notes) stream() []byte {
	var out []byte
	for _, l := range n.lines {
		var gap int
		var data []byte
		if _, err := fmt.Sscanf(l, "to_server gap %d", &gap); err == nil {
			out = append(out, bytes.Repeat([]byte{0xff}, gap)...)
		} else if _, err := fmt.Sscanf(l, "to_server %q", &data); err == nil {
			out = append(out, data...)
		}
	}
	return out
}

func TestReassemblyAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	script := make([]byte, 240)
	for round := range 3000 {
		for i := range script {
			script[i] = byte(r.UintN(256))
		}
		checkAgainstModel(t, OS(round%int(OSLast+1)), round%3 == 0, script[:40+round%50*4])
	}
}

func FuzzReassembly(f *testing.F) {
	f.Add(uint8(11), false, []byte{1, 0, 3, 'a', 1, 2, 3, 'b', 0, 40, 0, 0})
	f.Add(uint8(4), true, []byte{1, 9, 3, 'a', 1, 0, 30, 'b', 0, 40, 0, 0})
	f.Fuzz(func(t *testing.T, os uint8, inline bool, script []byte) {
		checkAgainstModel(t, OS(os%uint8(OSLast+1)), inline, script[:min(len(script), 400)])
	})
}
