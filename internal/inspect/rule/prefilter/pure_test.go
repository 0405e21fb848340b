package prefilter

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// scanOf gives the sorted ids that a Searcher reports.
func scanOf(p Searcher, data []byte, s *Scratch) []uint32 {
	s.Hits = s.Hits[:0]
	p.Scan(data, s)
	out := slices.Clone(s.Hits)
	slices.Sort(out)
	return out
}

// randomSet makes patterns over a small alphabet, so that they occur.
func randomSet(r *rand.Rand, n int) []Pattern {
	set := make([]Pattern, n)
	for i := range set {
		b := make([]byte, 1+r.IntN(3)*r.IntN(9)+r.IntN(4))
		fill(r, b)
		set[i] = Pattern{ID: uint32(r.IntN(n + 5)), Bytes: b, NoCase: r.IntN(2) == 0}
		if r.IntN(4) == 0 {
			set[i].Offset = r.IntN(20)
		}
		if r.IntN(4) == 0 {
			set[i].Depth = set[i].Offset + len(b) + r.IntN(30)
		}
	}
	return set
}

func fill(r *rand.Rand, b []byte) {
	const alphabet = "abAB@`[{\x00\x20\xff\xdfcd"
	k := 2 + r.IntN(len(alphabet)-1)
	for i := range b {
		b[i] = alphabet[r.IntN(k)]
	}
}

func TestPureAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Scratch
	for range 3000 {
		set := randomSet(r, 1+r.IntN(40))
		p, err := BuildPure(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := newNaive(set)
		for range 4 {
			data := make([]byte, r.IntN(200))
			fill(r, data)
			compare(t, p, want, data, &s)
		}
	}
}

func compare(t *testing.T, p, want Searcher, data []byte, s *Scratch) {
	t.Helper()
	got := scanOf(p, data, s)
	if exp := scanOf(want, data, s); !slices.Equal(got, exp) {
		t.Fatalf("%q: found %v, want %v", data, got, exp)
	}
	for _, base := range []uint64{1, 9, 200} {
		s.Hits = s.Hits[:0]
		p.ScanWindow(data, base, s)
		got := slices.Clone(s.Hits)
		s.Hits = s.Hits[:0]
		want.ScanWindow(data, base, s)
		exp := slices.Clone(s.Hits)
		slices.Sort(got)
		if slices.Sort(exp); !slices.Equal(got, exp) {
			t.Fatalf("%q at %d: found %v, want %v", data, base, got, exp)
		}
	}
}

// Buffers long enough for every backend.
func TestLongBuffers(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var s Scratch
	for range 60 {
		set := randomSet(r, 200+r.IntN(800))
		p, err := Build(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 300+r.IntN(3000))
		fill(r, data)
		compare(t, p, newNaive(set), data, &s)
	}
}

func TestScanKeepsHitsOfOtherScans(t *testing.T) {
	p, err := Build([]Pattern{{ID: 7, Bytes: []byte("abcdefgh")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s Scratch
	for range 2 {
		p.Scan([]byte("xxabcdefghabcdefgh"), &s)
	}
	if !slices.Equal(s.Hits, []uint32{7, 7}) {
		t.Fatalf("hits %v, want 7 once a scan", s.Hits)
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, p := range []Pattern{{}, {Bytes: make([]byte, MaxPattern+1)}, {Bytes: []byte("a"), ID: MaxID + 1}, {Bytes: []byte("a"), Offset: -1}} {
		if _, err := Build([]Pattern{p}, nil); err == nil {
			t.Errorf("%v was taken", p)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p, err := Build(randomSet(r, 500), nil)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 2000)
	fill(r, data)
	var s Scratch
	p.Scan(data, &s)
	if n := testing.AllocsPerRun(100, func() { s.Hits = s.Hits[:0]; p.Scan(data, &s) }); n != 0 {
		t.Errorf("%v allocations a scan", n)
	}
}

// FuzzScan reads patterns and a buffer from one input and compares every
// Searcher of this build with the oracle.
func FuzzScan(f *testing.F) {
	f.Add([]byte("\x03abc\x02AB\xff\x00xxabcabxAB"))
	f.Add([]byte("\x08GET /abc\x05\r\nHos\x00GET /abc HTTP/1.1\r\nHost: x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var set []Pattern
		for len(in) > 0 && in[0] != 0 {
			n := int(in[0]&31) + 1
			flags := in[0] >> 5
			if in = in[1:]; n > len(in) {
				n = len(in)
			}
			if n == 0 {
				break
			}
			x := Pattern{ID: uint32(len(set)), Bytes: in[:n], NoCase: flags&1 != 0, Offset: int(flags & 2)}
			if flags&4 != 0 {
				x.Depth = n + 9
			}
			set, in = append(set, x), in[n:]
		}
		var s Scratch
		want := newNaive(set)
		for _, build := range []func([]Pattern, *Frequencies) (Searcher, error){Build, BuildPure} {
			p, err := build(set, nil)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, p, want, in, &s)
			compare(t, p, want, bytes.Repeat(in, 5), &s)
		}
	})
}
