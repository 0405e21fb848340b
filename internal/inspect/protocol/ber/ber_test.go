package ber

import (
	"bytes"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		in   string
		size int
		want Outcome
	}{
		{"\x02\x01\x05", 3, OK}, {"\x30\x81\x80", 131, Long}, {"\x30\x82\x01", 0, More}, {"\x30", 0, More},
		{"\x30\x80\x00\x00", 0, Bad}, {"\x1f\x01\x00", 0, Bad}, {"\x30\x85\x00\x00\x00\x00\x01", 0, Bad}, {"\x30\x84\xff\xff\xff\xff", 0, Bad},
	} {
		e, o := Read([]byte(c.in))
		if o != c.want || e.Size != c.size {
			t.Errorf("%x: %v, %d bytes", c.in, o, e.Size)
		}
	}
}

func TestOID(t *testing.T) {
	if got := AppendOID(nil, []byte{0x2b, 6, 1, 2, 1, 1, 4, 0}); string(got) != "1.3.6.1.2.1.1.4.0" {
		t.Errorf("%s", got)
	}
	if got := AppendOID(nil, []byte{0x88, 0x37, 0x83, 0x10}); string(got) != "2.999.400" {
		t.Errorf("%s", got)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\x30\x05\x02\x01\x05\x04\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n := Reader{Rest: b}, 0
		for {
			e, ok := r.Next()
			if !ok {
				break
			}
			n += e.Size
			AppendOID(nil, e.Data)
			Uint(e.Data)
		}
		if n+len(r.Rest) != len(b) || !bytes.HasSuffix(b, r.Rest) {
			t.Fatal("bytes were lost")
		}
	})
}
