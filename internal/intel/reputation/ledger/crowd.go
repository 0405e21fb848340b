package ledger

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// crowdBits is the size of the IPv4 networks that are looked at: what is handed out
// as one, and routed at the least.
const crowdBits = 24

// fewCrowd is from how many listed addresses a network counts as crowded.
const fewCrowd = 5

// Crowd is the source under which the claims of Crowded are best imported: it
// speaks for itself, and at this trust never reaches the default block alone.
func Crowd() reputation.Source {
	return reputation.Source{Name: "neighbourhood", Owner: "neighbourhood", Trust: 85, Licence: "own", Kind: reputation.KindSuspicious, Life: 3 * day}
}

// Crowded gives a claim on each IPv4 network of 24 bits in which five or more
// addresses are listed as bots, servers of malware or the like, in order of the
// addresses: those who run such things come back to the same hosters, so what is
// new there is worth a look before any list names it. What merely scans or hides
// does not count. It takes 16 MiB while it runs; the caller imports the claims.
func (l *Ledger) Crowded(now uint32) []reputation.Claim {
	count := make([]uint8, 1<<crowdBits)
	var v level
	for id := uint32(1); id < l.objects.used; id++ {
		o := l.objects.at(id)
		if o.size != 6 {
			continue
		}
		key := l.keyOf(o)
		if typeOf(key) != reputation.TypePrefix || key[5] != 32 {
			continue
		}
		l.hear(&v, id, now)
		if v.against < 0.5 || v.allow || v.benign > 0 || v.known > 0 || !crowds(v.kind) {
			continue
		}
		if n := &count[int(key[1])<<16|int(key[2])<<8|int(key[3])]; *n < 255 {
			*n++
		}
	}
	var out []reputation.Claim
	for net, n := range count {
		if n < fewCrowd {
			continue
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(net >> 16), byte(net >> 8), byte(net)}), crowdBits)
		out = append(out, reputation.Claim{
			Object:     reputation.Object{Type: reputation.TypePrefix, Prefix: p},
			Kind:       reputation.KindSuspicious,
			Confidence: uint8(min(50+2*int(n), 100)),
			Last:       now,
			Note:       strconv.Itoa(int(n)) + " listed addresses",
		})
	}
	return slices.Clip(out)
}

// crowds says whether addresses of a kind tell of their neighbours: what is rented
// for it, or stands where nobody cares.
func crowds(k reputation.Kind) bool {
	switch k {
	case reputation.KindExploit, reputation.KindFlood, reputation.KindPhishing, reputation.KindBot, reputation.KindDistribution,
		reputation.KindMalware, reputation.KindC2, reputation.KindMining:
		return true
	}
	return false
}
