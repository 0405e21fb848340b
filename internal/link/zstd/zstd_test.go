package zstd

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// unpack is the oracle.
func unpack(t testing.TB, b []byte) []byte {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	return out
}

func TestFramesUnpack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	mixed := bytes.Clone(noise)
	for i := 0; i+100 < len(mixed); i += 150 + r.IntN(900) {
		copy(mixed[i:], mixed[r.IntN(i+1):][:r.IntN(100)])
	}
	var p Packer
	for _, in := range [][]byte{nil, {1}, []byte("abcd"), []byte("abcdabcdabcdabcd"), bytes.Repeat([]byte{0}, 500<<10), noise, mixed,
		[]byte(strings.Repeat("the same text with a number 12345 and once more; ", 9000)), noise[:maxBlock], noise[:maxBlock+1]} {
		out, ok := p.Append([]byte("x"), in)
		if !ok || out[0] != 'x' {
			t.Fatal("not packed")
		}
		if got := unpack(t, out[1:]); !bytes.Equal(got, in) {
			t.Fatalf("%d bytes come back as %d others", len(in), len(got))
		}
		if len(out) > len(in)+16+len(in)/maxBlock*3 {
			t.Errorf("%d bytes grew to %d", len(in), len(out))
		}
	}
}

func TestPackingPays(t *testing.T) {
	in := []byte(strings.Repeat("process.start /usr/bin/uptime was started by /bin/sh (process 4242)\n", 100))
	var p Packer
	out, _ := p.Append(nil, in)
	if len(out) > len(in)/20 {
		t.Errorf("%d bytes became %d", len(in), len(out))
	}
	if n := testing.AllocsPerRun(20, func() { out, _ = p.Append(out[:0], in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFramesUnpack(f *testing.F) {
	f.Add([]byte("abcabcabcabcabcabcabcabd"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, times uint16) {
		in = bytes.Repeat(in, int(times)%300)
		var p Packer
		out, ok := p.Append(nil, in)
		if ok && !bytes.Equal(unpack(t, out), in) {
			t.Fatal("other bytes come back")
		}
	})
}
