package index

import (
	"math/bits"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// hostFilter knows which hosts have expressions and which paths are listed on every
// host, with few false alarms: two bits of sixteen or more each. Most URLs need
// no further look then.
type hostFilter struct{ bits []uint64 }

func newHostFilter(hosts []uint64) hostFilter {
	if len(hosts) == 0 {
		return hostFilter{}
	}
	f := hostFilter{bits: make([]uint64, 1<<bits.Len(uint(len(hosts)/4)))}
	for _, h := range hosts {
		a, b := f.places(h)
		f.bits[a/64] |= 1 << (a % 64)
		f.bits[b/64] |= 1 << (b % 64)
	}
	return f
}

func (f *hostFilter) places(h uint64) (a, b uint64) {
	mask := uint64(len(f.bits))*64 - 1
	return h & mask, h >> 32 & mask
}

func (f *hostFilter) has(h uint64) bool {
	a, b := f.places(h)
	return f.bits[a/64]>>(a%64)&(f.bits[b/64]>>(b%64))&1 != 0
}

// note takes up what look-ups need to know of an entry beforehand.
func (x *Index) note(e entry, hosts []uint64) []uint64 {
	switch {
	case e.typ == reputation.TypeDomain && e.below:
		x.minLabels = min(x.minLabels, strings.Count(e.text, ".")+1)
	case e.typ == reputation.TypeURL && e.text[0] == '/':
		x.alone++
		return append(hosts, x.table.exactURL(split(e.text)))
	case e.typ == reputation.TypeURL && e.below:
		return append(hosts, x.table.hostKey(split(e.text)))
	}
	return hosts
}
