package file

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func TestTracker(t *testing.T) {
	var tr Tracker
	f := tr.Open([]byte("n"), 1, protocol.WantSHA256, Limits{Inspect: 10, Back: 4, Max: 64})
	tr.Write([]byte("01234"))
	if len(f.Data.Data) != 0 {
		t.Errorf("shows %q before there is enough", f.Data.Data)
	}
	tr.Write([]byte("56789abcdef"))
	if string(f.Data.Data) != "0123456789abcdef" || f.Data.Offset != 0 {
		t.Errorf("window %q at %d", f.Data.Data, f.Data.Offset)
	}
	in := protocol.Inspection{}
	in.Scanned[packet.ToClient] = []protocol.StreamProgress{{Field: protocol.FileData, Upto: 16}}
	tr.Trim(&in, packet.ToClient, 0)
	if string(f.Data.Data) != "cdef" || f.Data.Offset != 12 {
		t.Errorf("window after scanning %q at %d", f.Data.Data, f.Data.Offset)
	}
	tr.Close(protocol.FileClosed)
	if !f.Data.Final || !f.HasSHA256 || f.SHA256 != sha256.Sum256([]byte("0123456789abcdef")) || f.Size != 16 {
		t.Errorf("closed as %+v", f)
	}
}

func TestTrackerBounds(t *testing.T) {
	var tr Tracker
	f := tr.Open(nil, 1, 0, Limits{Back: 4, Max: 64, Depth: 1000})
	for range 300 {
		tr.Write([]byte("0123456"))
		if len(f.Data.Data) > 64 || f.Data.Offset+uint64(len(f.Data.Data)) != f.Size {
			t.Fatalf("window of %d at %d of %d", len(f.Data.Data), f.Data.Offset, f.Size)
		}
	}
	if f.Size != 1000 || f.State != protocol.FileTruncated {
		t.Errorf("size %d state %v", f.Size, f.State)
	}
	f = tr.Open(nil, 2, protocol.WantMD5, Limits{})
	tr.Write([]byte("ab"))
	tr.Gap(5)
	tr.Write([]byte("cd"))
	tr.Close(protocol.FileClosed)
	if f.State != protocol.FileTruncated || f.HasMD5 || f.Size != 9 || f.Data.Offset != 7 || string(f.Data.Data) != "cd" {
		t.Errorf("with a gap %+v", f)
	}
}

func TestTrackerAllocates(t *testing.T) {
	var l List
	data := bytes.Repeat([]byte("x"), 1000)
	run := func() {
		for range 2 {
			tr := l.Open([]byte("name"), 1, protocol.WantMD5|protocol.WantSHA1|protocol.WantSHA256, Limits{})
			tr.Write(data)
			tr.Close(protocol.FileClosed)
		}
		l.Reset()
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMagic(t *testing.T) {
	pe := make([]byte, 300)
	copy(pe, "MZ")
	pe[60] = 128
	copy(pe[128:], "PE\x00\x00\x64\x86")
	pe[128+24], pe[128+25], pe[128+92] = 0x0b, 0x02, 3
	for in, want := range map[string]string{
		"%PDF-1.7\nx": "PDF document, version 1.7",
		"\x7fELF\x01\x01\x01" + zeros(9) + "\x02\x00\x28\x00": "ELF 32-bit LSB executable, ARM, version 1 (SYSV)",
		"\x7fELF\x01\x02\x01" + zeros(9) + "\x00\x02\x00\x08": "ELF 32-bit MSB executable, MIPS, MIPS-I, version 1 (SYSV)",
		string(pe): "PE32+ executable (console) x86-64, for MS Windows",
		"MZ":       "MS-DOS executable", "#!/bin/sh\nid": "POSIX shell script, ASCII text executable", "GIF89a1": "GIF image data, version 89a",
		"PK\x03\x04\x14\x00" + zeros(30): "Zip archive data, at least v2.0 to extract", "<html>": "HTML document, ASCII text", "hello\n": "ASCII text",
		"\x00\x01\x02": "data", "": "empty", "hsqs....": "Squashfs filesystem, little endian", "\xca\xfe\xba\xbe\x00\x00\x00\x34": "compiled Java class data",
	} {
		if got := Magic([]byte(in)); got != want {
			t.Errorf("%.20q is %q, want %q", in, got, want)
		}
	}
}

func zeros(n int) string { return string(make([]byte, n)) }

func FuzzMagic(f *testing.F) {
	f.Add([]byte("\x7fELF\x01\x01\x01"))
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Magic(b) == "" {
			t.Error("no name")
		}
	})
}

// TestHarmless: digests that are wanted of hazardous files only are left out for
// what is nothing but data, and for nothing else.
func TestHarmless(t *testing.T) {
	for text, want := range map[string]bool{
		"\x89PNG\r\n\x1a\n----": true, "GIF89a------": true, "\xff\xd8\xff\xe0--------": true, "RIFF----WEBP": true, "\x00\x00\x00\x18ftypmp42": true,
		"\x1aE\xdf\xa3--------": true, "OggS--------": true, "wOF2--------": true, "\xff\xfb\x90\x64--------": true, "{ \"temperature\": 21}": true, "[{\n\"a\": 1}, {}]": true,
		"#!/bin/sh\nwget x": false, "\x7fELF\x01\x01\x01-----": false, "MZ----------": false, "PK\x03\x04--------": false, "%PDF-1.7----": false,
		"<html><script>": false, "<!DOCTYPE html><html>": true, "\xff\xfea\x00b\x00c\x00d\x00e\x00": false, "{x=1;while(1)}": false, "\x00\x01\x00\x00Standard Jet": false, "GIF8": false, "": false,
	} {
		var tr Tracker
		f := tr.Open(nil, 1, protocol.WantSHA256.OfHazards()|protocol.WantMD5, Limits{})
		tr.Write([]byte(text))
		tr.Write([]byte("and more"))
		tr.Close(protocol.FileClosed)
		if f.HasSHA256 == want || !f.HasMD5 || f.HasSHA1 {
			t.Errorf("%q: SHA-256 %v, MD5 %v, SHA-1 %v", text, f.HasSHA256, f.HasMD5, f.HasSHA1)
		}
		if !want && f.SHA256 != sha256.Sum256([]byte(text+"and more")) {
			t.Errorf("%q: another digest", text)
		}
	}
}
