package inline

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// sound decodes a frame with every checksum verified.
func sound(t *testing.T, frame []byte) *packet.Packet {
	t.Helper()
	o := packet.DefaultOptions()
	o.Checksums = packet.CheckAll
	var p packet.Packet
	packet.NewDecoder(o).Decode(&p, packet.LinkEthernet, frame, 0, 0)
	if p.Invalid || p.BadIPSum || p.BadL4Sum {
		t.Errorf("frame %x: invalid %v, bad IP checksum %v, bad transport checksum %v", frame, p.Invalid, p.BadIPSum, p.BadL4Sum)
	}
	return &p
}

var sixAddr = netip.MustParseAddr("2001:db8:7::11")

func TestRewriteKeepsChecksumsRight(t *testing.T) {
	for _, f := range []contract.Frame{
		{Proto: 6, Flags: 24, Payload: []byte("hello")}, {Proto: 6, Flags: 24, Payload: []byte("hello"), Tags: []uint16{5}},
		{Proto: 6, Flags: 24, Payload: []byte("hello"), Src: sixAddr},
	} {
		b := f.Build()
		rewrite(b, []byte("HELLO"))
		if f.Src.Is6() {
			sound(t, b)
		}
		if !bytes.Contains(b, []byte("HELLO")) {
			t.Errorf("%+v: not rewritten", f)
		}
		before := slices.Clone(b)
		if rewrite(b, []byte("other length")); !bytes.Equal(b, before) {
			t.Errorf("%+v: rewritten with a payload of another length", f)
		}
	}
}

func TestAnswers(t *testing.T) {
	var buf [256]byte
	for _, f := range []contract.Frame{
		{Proto: 6, Flags: 24, SrcPort: 4000, DstPort: 80, Payload: []byte("GET")}, {Proto: 6, Flags: 2, SrcPort: 4000, DstPort: 80, Tags: []uint16{9}},
		{Proto: 6, Flags: 24, SrcPort: 4000, DstPort: 80, Payload: []byte("GET"), Src: sixAddr},
		{Proto: 17, SrcPort: 4000, DstPort: 53, Payload: bytes.Repeat([]byte("x"), 100)},
		{Proto: 17, SrcPort: 4000, DstPort: 53, Payload: []byte("short"), Src: sixAddr},
	} {
		frame := f.Build()
		h, ok := readHeads(frame)
		if !ok {
			t.Fatalf("%+v not read", f)
		}
		back := answer(buf[:], frame, &h, true)
		p := sound(t, back)
		if !bytes.Equal(back[:6], frame[6:12]) || !bytes.Equal(back[6:12], frame[:6]) {
			t.Errorf("%+v: not sent back: %x", f, back)
		}
		if f.Proto == 6 && (p.SrcPort != f.DstPort || p.DstPort != f.SrcPort || p.TCPFlags != flagRST|flagACK) {
			t.Errorf("%+v: answered %+v", f, p)
		}
		if f.Proto == 17 && p.Has&packet.HasTCP+p.Has&packet.HasUDP != 0 {
			t.Errorf("%+v: answered %+v", f, p)
		}
		on := answer(buf[:], frame, &h, false)
		if f.Proto == 17 {
			if on != nil {
				t.Errorf("%+v: an answer to the receiver %x", f, on)
			}
			continue
		}
		if p := sound(t, on); p.SrcPort != f.SrcPort || p.TCPFlags != flagRST|flagACK || !bytes.Equal(on[:12], frame[:12]) {
			t.Errorf("%+v: to the receiver %+v", f, p)
		}
	}
	f := contract.Frame{Proto: 6, Flags: 4}.Build()
	if h, _ := readHeads(f); answer(buf[:], f, &h, true) != nil {
		t.Error("a reset is answered")
	}
}

func TestFlowIDIsTheSameBothWays(t *testing.T) {
	out := contract.Frame{Proto: 6, SrcPort: 4000, DstPort: 80, Device: datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0, 9}, VLAN: 12}}
	in := out
	in.Inward = true
	a, b := out.Build(), in.Build()
	ha, _ := readHeads(a)
	hb, _ := readHeads(b)
	one, two := ha.flowID(datapath.Inside, a), hb.flowID(datapath.Outside, b)
	if one != two || one.Device != out.Device || one.InsidePort != 4000 {
		t.Errorf("%+v and %+v", one, two)
	}
}

// FuzzFrame reads, rewrites and answers any frame.
func FuzzFrame(f *testing.F) {
	for _, frame := range []contract.Frame{
		{Proto: 6, Flags: 24, Payload: []byte("x")}, {Src: sixAddr, Tags: []uint16{1, 2}}, {Fragment: 0x2000}, {Options: []byte{1, 1, 1, 0}},
	} {
		f.Add(frame.Build(), []byte("y"))
	}
	f.Fuzz(func(t *testing.T, frame, payload []byte) {
		deviceOf(datapath.Inside, frame)
		h, ok := readHeads(frame)
		if !ok {
			return
		}
		h.flowID(datapath.Outside, frame)
		var buf [256]byte
		answer(buf[:], frame, &h, true)
		answer(buf[:], frame, &h, false)
		rewrite(frame, payload)
	})
}

func TestJournalIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	j, err := openJournal(Eve{Path: path, MaxBytes: 100, Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	line := append(bytes.Repeat([]byte("x"), 39), '\n')
	for range 9 { // two a file
		if _, err := j.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"": 40, ".1": 80, ".2": 80} {
		if b, err := os.ReadFile(path + name); err != nil || len(b) != size {
			t.Errorf("eve.json%s: %d bytes, %v; want %d", name, len(b), err, size)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more files are kept than asked for")
	}
}
