package http

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestInflate compares with the standard library on random text in random pieces.
func TestInflate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := new(inflater)
	for round := range 60 {
		plain := randomText(r, r.IntN(200<<10))
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, []int{0, 1, 6, 9, flate.HuffmanOnly}[round%5])
		w.Write(plain)
		w.Close()
		f.reset()
		var got []byte
		for in := packed.Bytes(); len(in) > 0; {
			n := min(1+r.IntN(3000), len(in))
			if err := f.write(in[:n], func(b []byte) error { got = append(got, b...); return nil }); err != nil {
				t.Fatal(err)
			}
			in = in[n:]
		}
		if !bytes.Equal(got, plain) {
			t.Fatalf("round %d: %d bytes, want %d", round, len(got), len(plain))
		}
	}
}

func randomText(r *rand.Rand, n int) []byte {
	words := strings.Fields("the of and a to in is you that it he was for on are as with his they at \x00\x01\xff 0123456789")
	var b []byte
	for len(b) < n {
		if r.IntN(50) == 0 {
			b = append(b, byte(r.Uint32()), byte(r.Uint32()))
		}
		b = append(append(b, words[r.IntN(len(words))]...), ' ')
		if r.IntN(200) == 0 && len(b) > 10 {
			from := r.IntN(len(b) - 5)
			b = append(b, b[from:min(len(b), from+r.IntN(2000))]...)
		}
	}
	return b[:n]
}

func FuzzInflate(f *testing.F) {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, 6)
	io.WriteString(w, strings.Repeat("abc def ", 50))
	w.Close()
	f.Add(packed.Bytes(), uint16(3))
	f.Add([]byte{1, 3, 0, 252, 255, 'a', 'b', 'c'}, uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		want, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(in)), 1<<20))
		var got []byte
		x := new(inflater)
		var e error
		for b := in; len(b) > 0 && e == nil && len(got) < 1<<20; {
			n := min(int(size)+1, len(b))
			e = x.write(b[:n], func(p []byte) error { got = append(got, p...); return nil })
			b = b[n:]
		}
		if err == nil && !bytes.HasPrefix(got, want) {
			t.Errorf("%d bytes, want %d: %v", len(got), len(want), e)
		}
	})
}

// lzmaSample is the sentence of TestLZMA, packed.
const lzmaSample = "5d00001000ffffffffffffffff003a1a08ce7640e7c62c4ef4f6d598fdc2f60474fa990e8b8a5dc512c03f899c3de91866713aa26bc3adafb3bdfa3d" +
	"c3e86db7cbed00e4f2a57660b80859e84e7e044978d899a7bb925783c123365a986d4bcb56e626c6e3b5a75064afb2a50b2024d120196e8465325faf" +
	"7489fff287ac00"

func TestLZMA(t *testing.T) {
	packed, err := hex.DecodeString(lzmaSample)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("the bytes that a browser would see, the bytes that a browser would see. ", 5)
	for c := range byte(64) {
		want += string(rune(c))
	}
	for _, size := range []int{1, 7, len(packed)} {
		z := &lzmaReader{limit: 1 << 20}
		z.reset()
		var got []byte
		emit := func(b []byte) error { got = append(got, b...); return nil }
		for in := packed; len(in) > 0; in = in[min(size, len(in)):] {
			if err := z.write(in[:min(size, len(in))], emit); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.finish(emit); err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}
