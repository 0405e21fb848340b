package reputation

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/consensus"
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

// BenchmarkFollow reads that collection over HTTP as a feed, with its import.
func BenchmarkFollow(b *testing.B) {
	c := Default()
	c.Sharing = sharing.Config{Enabled: true, Name: "Fleet A", Sensors: true}
	a, err := Open(c, b.TempDir(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	a.sharing.Set(sharing.Sensors, many(sharing.MaxObjects-1))
	web := serve(b, a)
	token := filepath.Join(b.TempDir(), "token")
	if err := os.WriteFile(token, []byte(partnerToken), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d := Default()
		d.Feeds = []Feed{{Name: "a", TAXII: web.URL + "/taxii2/fleet/collections/sensors/", Login: fetch.Login{TokenFile: token}, Trust: 90}}
		d.Feeds[0].complete()
		s, err := Open(d, b.TempDir(), slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			b.Fatal(err)
		}
		if v, err := s.FetchFeed(b.Context(), "a"); err != nil || v.Entries != sharing.MaxObjects-1 {
			b.Fatal(v.Entries, err)
		}
	}
	b.ReportMetric(float64(sharing.MaxObjects)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkRemember writes and reads the sightings of a full consensus.
func BenchmarkRemember(b *testing.B) {
	c := consensus.New(consensus.Config{})
	for i := range 600_000 {
		c.Observe(consensus.Sighting{Site: uint32(i%1000) + 1, Owner: uint32(i%1000) + 1, Kind: intel.KindBot, At: 1_800_000_000,
			Object: intel.Object{Type: intel.TypePrefix, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{45, byte(i >> 13), byte(i >> 5), byte(i % 7)}), 32)}})
	}
	d := keep.Folder(b.TempDir())
	runtime.GC()
	size := 0
	for b.Loop() {
		state := c.AppendState(nil)
		if err := d.WriteSealed("x", "x", 1, state); err != nil {
			b.Fatal(err)
		}
		again, err := d.ReadSealed("x", "x", 1)
		if err != nil {
			b.Fatal(err)
		}
		fresh := consensus.New(consensus.Config{})
		if err := fresh.Restore(again, 1_800_000_000); err != nil {
			b.Fatal(err)
		}
		size = len(state)
	}
	b.ReportMetric(float64(size), "bytes")
	b.Log(fmt.Sprintf("%+v", c.Stats()))
}
