package ledger

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

const million = 1_000_000

// made gives claims as feeds would: half addresses, a third names, the rest URLs
// and hashes, with texts of about 25 bytes.
func made(r *rand.Rand, c *reputation.Claim, text []byte) []byte {
	*c = reputation.Claim{Kind: reputation.KindC2, Note: "family-" + strconv.Itoa(r.IntN(500))}
	n := r.Uint64()
	text = text[:0]
	switch k := r.IntN(12); {
	case k < 6:
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(n))
		p, _ := netip.AddrFrom4(a).Prefix(32 - 8*(k/5))
		c.Object = reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case k < 10:
		text = strconv.AppendUint(text, n, 36)
		text = append(text, ".bad-"...)
		text = strconv.AppendUint(text, n%5000, 10)
		text = append(text, ".example"...)
		c.Object = reputation.Object{Type: reputation.TypeDomain, Text: string(text), Below: n&1 != 0}
	case k < 11:
		text = strconv.AppendUint(text, n, 36)
		text = append(text, ".example/bins/a.sh"...)
		c.Object = reputation.Object{Type: reputation.TypeURL, Text: string(text)}
	default:
		for range 4 {
			text = append(text, strconv.FormatUint(r.Uint64()|1<<63, 16)...)
		}
		c.Object = reputation.Object{Type: reputation.TypeFile, Text: string(text)}
	}
	return text
}

// BenchmarkImport is a claim's whole way: added, committed, scored with all
// covers; it reports claims/s on one core and the bytes an object takes.
func BenchmarkImport(b *testing.B) {
	for _, n := range []int{million / 10, 2 * million} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchImport(b, n) })
	}
}

func benchImport(b *testing.B, n int) {
	claims := make([]reputation.Claim, n)
	r := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for i := range claims {
		text = made(r, &claims[i], text)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var l *Ledger
	began := cpu()
	for b.Loop() {
		l = New(Config{})
		m, err := l.Import(l.Source(src("a", 90, reputation.KindC2)), now)
		if err != nil {
			b.Fatal(err)
		}
		for i := range claims {
			if err := m.Add(&claims[i]); err != nil {
				b.Fatal(err)
			}
		}
		m.Commit()
		l.Each(now, func(reputation.Object, reputation.Brief) bool { return true })
	}
	spent := cpu() - began
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "claims/s")
	b.ReportMetric(float64(n)*float64(b.N)/spent, "claims/cpu-s")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
	b.ReportMetric(float64(l.Bytes())/float64(l.Size()), "B/object")
	runtime.KeepAlive(claims)
}

// cpu is the processor time that the process has used, in seconds: on a machine
// with other work it says more than the clock.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func BenchmarkBrief(b *testing.B) {
	l := New(Config{})
	m, _ := l.Import(l.Source(src("a", 90, reputation.KindC2)), now)
	r := rand.New(rand.NewPCG(1, 2))
	var text []byte
	var c reputation.Claim
	ask := make([]reputation.Object, 0, 4096)
	for range million {
		text = made(r, &c, text)
		if err := m.Add(&c); err != nil {
			b.Fatal(err)
		}
		if r.IntN(300) == 0 && len(ask) < cap(ask) {
			ask = append(ask, c.Object)
		}
	}
	m.Commit()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Brief(ask[i%len(ask)], now)
		i++
	}
}

func BenchmarkExpire(b *testing.B) {
	l := New(Config{})
	m, _ := l.Import(l.Source(src("a", 90, reputation.KindC2)), now)
	r := rand.New(rand.NewPCG(1, 2))
	var text []byte
	var c reputation.Claim
	for range million {
		text = made(r, &c, text)
		_ = m.Add(&c)
	}
	m.Commit()
	for b.Loop() {
		l.Expire(now)
	}
}
