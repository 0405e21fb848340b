package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
)

// pcapFile writes a pcap file of the given frames by hand.
func pcapFile(o binary.AppendByteOrder, magic, link uint32, frames ...string) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 65535)
	b = o.AppendUint32(b, link)
	for i, f := range frames {
		b = o.AppendUint32(b, uint32(100+i))
		b = o.AppendUint32(b, 7)
		b = o.AppendUint32(b, uint32(len(f)))
		b = o.AppendUint32(b, uint32(len(f)+3))
		b = append(b, f...)
	}
	return b
}

// block writes a pcapng block.
func block(o binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	b := o.AppendUint32(nil, kind)
	b = o.AppendUint32(b, n)
	return o.AppendUint32(append(b, body...), n)
}

func section(o binary.AppendByteOrder) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0)
	return block(o, 0x0a0d0d0a, o.AppendUint64(b, ^uint64(0)))
}

func ifaceBlock(o binary.AppendByteOrder, link uint16, options ...byte) []byte {
	b := o.AppendUint16(nil, link)
	b = o.AppendUint16(b, 0)
	b = o.AppendUint32(b, 0)
	return block(o, 1, append(b, options...))
}

func enhanced(o binary.AppendByteOrder, id uint32, units uint64, data string, options ...byte) []byte {
	b := o.AppendUint32(nil, id)
	b = o.AppendUint32(b, uint32(units>>32))
	b = o.AppendUint32(b, uint32(units))
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return block(o, 6, append(b, options...))
}

func readAll(t *testing.T, file []byte) (out []capture.Frame, err error) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	for err == nil {
		var f capture.Frame
		if f, err = r.Next(); err == nil {
			f.Data = bytes.Clone(f.Data)
			f.Comment = bytes.Clone(f.Comment)
			out = append(out, f)
		}
	}
	return out, err
}

func TestPcap(t *testing.T) {
	for _, c := range []struct {
		order binary.AppendByteOrder
		magic uint32
		time  int64
	}{
		{binary.LittleEndian, 0xa1b2c3d4, 100e9 + 7000},
		{binary.BigEndian, 0xa1b2c3d4, 100e9 + 7000},
		{binary.LittleEndian, 0xa1b23c4d, 100e9 + 7},
		{binary.BigEndian, 0xa1b23c4d, 100e9 + 7},
	} {
		got, err := readAll(t, pcapFile(c.order, c.magic, 101, "abc", ""))
		if err != io.EOF || len(got) != 2 {
			t.Fatalf("%d frames, %v", len(got), err)
		}
		f := got[0]
		if string(f.Data) != "abc" || f.Time != c.time || f.Link != packet.LinkRaw || f.OrigLen != 6 {
			t.Errorf("%+v", f)
		}
	}
}

// TestOldVersion reads a record of version 2.0, whose lengths are swapped.
func TestOldVersion(t *testing.T) {
	file := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, "abc")
	file[6] = 0
	file[24+8], file[24+12] = 6, 3
	got, err := readAll(t, file)
	if err != io.EOF || len(got) != 1 || string(got[0].Data) != "abc" || got[0].OrigLen != 6 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTruncated(t *testing.T) {
	file := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, "whole", "cut off")
	for cut := 1; cut < 23; cut++ {
		got, err := readAll(t, file[:len(file)-cut])
		var e *capture.Error
		if len(got) != 1 || !errors.As(err, &e) || !e.Truncated || e.Offset != 24+16+5 || e.Frames != 1 {
			t.Fatalf("cut %d: %d frames, %v", cut, len(got), err)
		}
	}
	if _, err := readAll(t, []byte("GIF89a")); err == nil || err == io.EOF {
		t.Fatalf("not a capture: %v", err)
	}
}

func TestPcapng(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	var file []byte
	file = append(file, section(le)...)
	file = append(file, ifaceBlock(le, 1)...)
	file = append(file, ifaceBlock(le, 101, 9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0)...)
	file = append(file, block(le, 0xbad, []byte("unknown"))...)
	file = append(file, enhanced(le, 0, 1_000_001, "ether", 1, 0, 2, 0, 'h', 'i', 0, 0)...)
	file = append(file, enhanced(le, 1, 17, "raw")...)
	file = append(file, block(le, 3, append(le.AppendUint32(nil, 3), "sim"...))...)
	file = append(file, section(be)...)
	file = append(file, ifaceBlock(be, 113, 0, 9, 0, 1, 0x81, 0, 0, 0)...)
	file = append(file, enhanced(be, 0, 3, "cooked")...)
	got, err := readAll(t, file)
	if err != io.EOF || len(got) != 4 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	want := []capture.Frame{
		{Data: []byte("ether"), Time: 1_000_001_000, Link: 1, OrigLen: 5, Comment: []byte("hi")},
		{Data: []byte("raw"), Time: 5e9 + 17, Link: 101, OrigLen: 3, Interface: 1},
		{Data: []byte("sim"), Link: 1, OrigLen: 3},
		{Data: []byte("cooked"), Time: 1_500_000_000, Link: 113, OrigLen: 6},
	}
	for i, w := range want {
		g := got[i]
		if string(g.Data) != string(w.Data) || g.Time != w.Time || g.Link != w.Link || g.Interface != w.Interface || string(g.Comment) != string(w.Comment) {
			t.Errorf("frame %d: %+v, want %+v", i, g, w)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	frames := make([]string, 500)
	for i := range frames {
		frames[i] = "some frame of a capture"
	}
	r, err := capture.NewReader(bytes.NewReader(pcapFile(binary.LittleEndian, 0xa1b2c3d4, 1, frames...)))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(300, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// corpus lists files of the shared corpus, or skips the test.
func corpus(t *testing.T, pattern ...string) (files []string) {
	t.Helper()
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = "../../../../../shared/corpus"
	}
	for _, p := range pattern {
		found, _ := filepath.Glob(filepath.Join(root, p))
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("no corpus: set MASUGATA_CORPUS to its folder")
	}
	return files
}

// TestAgainstPcapgo reads corpus files with gopacket's reader beside ours.
func TestAgainstPcapgo(t *testing.T) {
	for _, name := range corpus(t, "pcap/ndpi/*.pcap*", "pcap/ics/*.pcap*") {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(file) > 4<<20 || len(file) < 24 {
			continue
		}
		var other interface {
			ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		}
		if binary.BigEndian.Uint32(file) == 0x0a0d0d0a {
			o, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
			if err != nil {
				continue
			}
			other = o
		} else {
			o, err := pcapgo.NewReader(bytes.NewReader(file))
			if err != nil {
				continue
			}
			other = o
		}
		r, err := capture.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		for n := 0; ; n++ {
			want, info, werr := other.ZeroCopyReadPacketData()
			got, gerr := r.Next()
			if werr != nil {
				break
			}
			if gerr != nil || !bytes.Equal(want, got.Data) || !info.Timestamp.IsZero() && info.Timestamp.UnixNano() != got.Time || info.Length != got.OrigLen {
				t.Errorf("%s: frame %d differs: %d bytes at %d (%v), want %d at %d", filepath.Base(name), n, len(got.Data), got.Time, gerr, len(want), info.Timestamp.UnixNano())
				break
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	le := binary.LittleEndian
	f.Add(pcapFile(le, 0xa1b2c3d4, 1, "frame", "another"))
	f.Add(pcapFile(binary.BigEndian, 0xa1b23c4d, 113, "x"))
	f.Add(bytes.Join([][]byte{section(le), ifaceBlock(le, 1, 9, 0, 1, 0, 9, 0, 0, 0), enhanced(le, 0, 5, "abc", 1, 0, 1, 0, 'x')}, nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := capture.NewReader(bytes.NewReader(file))
		for n := 0; err == nil; n++ {
			if n > len(file) {
				t.Fatal("more frames than bytes")
			}
			_, err = r.Next()
		}
		if r != nil && r.Offset() > int64(len(file)) {
			t.Fatalf("offset %d of %d", r.Offset(), len(file))
		}
	})
}
