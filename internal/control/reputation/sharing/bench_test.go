package sharing

import (
	"net/netip"
	"testing"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// many makes claims of n addresses.
func many(n int) []intel.Claim {
	at := uint32(time.Now().Unix())
	claims := make([]intel.Claim, n)
	for i := range claims {
		a := netip.AddrFrom4([4]byte{45, byte(i >> 16), byte(i >> 8), byte(i)})
		claims[i] = intel.Claim{Object: intel.Object{Type: intel.TypePrefix, Prefix: netip.PrefixFrom(a, 32)}, Kind: intel.KindC2,
			Confidence: 80, First: at - 3600, Last: at, Until: at + 86400, Note: "seen by 8 or more independent sites"}
	}
	return claims
}

// BenchmarkSharedPages gives a whole collection of 100,000 objects in pages of
// 1,000, as a partner reads it for the first time.
func BenchmarkSharedPages(b *testing.B) {
	x := &Shelves{shelves: map[string]*shelf{}}
	sh := &shelf{}
	sh.open(feed.Author{Name: "Fleet A", ID: "identity--" + newUUID()})
	sh.sync(many(MaxObjects-1), time.Now())
	x.shelves[Sensors] = sh
	objects := 0
	for b.Loop() {
		objects = 0
		for f := (taxii.Filter{}); ; {
			_, page, err := x.Envelope(Sensors, f)
			if err != nil {
				b.Fatal(err)
			}
			objects += page.Count
			if f.Next = page.Next; !page.More {
				break
			}
		}
	}
	b.ReportMetric(float64(objects)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
