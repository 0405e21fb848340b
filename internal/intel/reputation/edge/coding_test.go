package edge

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// gapsOf are sorted numbers' gaps, one by one.
func gapsOf(sorted []uint64, step uint64) (out []uint64) {
	before := uint64(0)
	for _, v := range sorted {
		out = append(out, v-before)
		before = v + step
	}
	return out
}

// guessed is the k that the mean gap suggests.
func guessed(gaps []uint64) uint {
	var sum float64
	for _, g := range gaps {
		sum += float64(g)
	}
	return uint(bits.Len64(uint64(sum / float64(len(gaps)))))
}

func riceCost(gaps []uint64, k uint) (sum uint64) {
	for _, g := range gaps {
		if q := g >> k; q < riceEscape {
			sum += q + 1 + uint64(k)
		} else {
			sum += riceEscape + 64
		}
	}
	return sum
}

// TestBestRiceIsTheCheapest: what one pass finds is what trying each finds, and
// what is written with it is as long as was computed and is read again.
func TestBestRiceIsTheCheapest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		var sorted []uint64
		for range 1 + r.IntN(60) {
			sorted = append(sorted, r.Uint64()>>r.UintN(64))
		}
		if round%2 == 0 { // all about as wide
			wide := r.UintN(64)
			for i := range sorted {
				sorted[i] = r.Uint64() >> wide
			}
		}
		slices.Sort(sorted)
		sorted = slices.Compact(sorted)
		k, cost := bestRice(sorted, 1)
		gaps := gapsOf(sorted, 1)
		if want := riceCost(gaps, k); cost != want {
			t.Fatalf("%d numbers, k %d: %d bits, want %d", len(sorted), k, cost, want)
		}
		for other := uint(0); other < 64; other++ {
			if c := riceCost(gaps, other); other >= guessed(gaps)-min(6, guessed(gaps)) && other <= guessed(gaps)+1 && (c < cost || c == cost && other < k) {
				t.Fatalf("k %d costs %d bits, %d costs %d", k, cost, other, c)
			}
		}
		b := appendGaps(nil, sorted, 1, nil, 0)
		places, rest, err := readGaps(b, len(sorted))
		if err != nil || len(rest) > 0 || !slices.Equal(places, gaps) {
			t.Fatalf("written and read: %v, %d bytes left", err, len(rest))
		}
	}
}

func readGaps(b []byte, most int) (gaps []uint64, rest []byte, err error) {
	n, k, stream, rest, err := readStream("test", b, most)
	if err != nil {
		return nil, nil, err
	}
	r := bitReader{b: stream}
	gaps = make([]uint64, n)
	r.gaps(k, gaps)
	if r.bad {
		return nil, nil, refuse("test", Corrupt, "too few")
	}
	return gaps, rest, nil
}

func TestMergedIsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var sections []*section
		var want []uint64
		for tier := TierAllow; tier < numTiers; tier++ {
			s := &section{family: familyHash, tier: tier, bits: 32}
			for range r.IntN(40) {
				s.high = append(s.high, r.Uint64N(50))
			}
			slices.Sort(s.high)
			s.high = slices.Compact(s.high)
			for _, v := range s.high {
				want = append(want, v<<tierBits|uint64(tier))
			}
			sections = append(sections, s)
		}
		slices.Sort(want)
		if got := merged(sections); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// TestApplyIsGivenWhatIsNoSet: a difference that names what it is given, which is
// no set or no tails, is refused or gives what it should.
func TestApplyIsGivenWhatIsNoSet(t *testing.T) {
	whole := build(t, random(rand.New(rand.NewPCG(1, 1)), 60), Config{Header: header(ClassSmall, 1)})
	next := build(t, random(rand.New(rand.NewPCG(2, 1)), 60), Config{Header: header(ClassSmall, 2)})
	d, err := Delta(whole.Payload, next.Payload)
	if err != nil {
		t.Fatal(err)
	}
	dt, err := TailsDelta(whole.Tails, next.Tails)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]byte{whole.Payload, whole.Tails} {
		for n := range len(from) {
			for _, old := range [][]byte{from[:n], from[n:], seal(from[:n:n]), slices.Concat(from[:n], from[n+1:])} {
				for i, delta := range [][]byte{d, dt} {
					body := slices.Clone(delta[:len(delta)-digestSize])
					sum := Digest(old)
					copy(body[4:], sum[:])
					apply := []func(_, _ []byte) ([]byte, error){Apply, ApplyTails}[i]
					got, err := apply(old, seal(body)) // what is behind its end may be anything
					if err == nil && !slices.Equal(got, [][]byte{next.Payload, next.Tails}[i]) {
						t.Fatalf("%d of %d bytes: taken", n, len(from))
					}
				}
			}
		}
	}
}

// TestNoSectionChangesTwice: a difference that says so is refused.
func TestNoSectionChangesTwice(t *testing.T) {
	one := build(t, random(rand.New(rand.NewPCG(1, 1)), 60), Config{Header: header(ClassSmall, 1)})
	two := build(t, random(rand.New(rand.NewPCG(2, 1)), 60), Config{Header: header(ClassSmall, 2)})
	d, err := Delta(one.Payload, two.Payload)
	if err != nil {
		t.Fatal(err)
	}
	changes := d[4+2*digestSize+headerSize : len(d)-digestSize]
	if _, err := Apply(one.Payload, seal(slices.Concat(d[:len(d)-digestSize], changes))); err == nil {
		t.Error("taken")
	}
}
