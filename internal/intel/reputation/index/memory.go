package index

import "unsafe"

// Blocks calls yield with where each large piece of the Index's memory begins
// and how many bytes it has. Look-ups jump about in it: whoever may advise the
// kernel to back it with huge pages (MADV_COLLAPSE of Linux) makes them up to
// twice as fast. Nothing is to be read or written through it.
func (x *Index) Blocks(yield func(start unsafe.Pointer, size int)) {
	block(x.four.hostTop, yield)
	block(x.four.hosts, yield)
	block(x.four.rangeTop, yield)
	block(x.four.rangeLow, yield)
	block(x.four.rangeVal, yield)
	block(x.six.slots, yield)
	block(x.six.marks, yield)
	block(x.table.buckets, yield)
	block(x.hosts.bits, yield)
	block(x.prefixes, yield)
	for _, c := range x.table.chunks {
		yield(unsafe.Pointer(unsafe.StringData(c)), len(c))
	}
}

func block[T any](s []T, yield func(start unsafe.Pointer, size int)) {
	if len(s) > 0 {
		yield(unsafe.Pointer(unsafe.SliceData(s)), cap(s)*int(unsafe.Sizeof(s[0])))
	}
}

// Bytes is about how much memory the Index holds.
func (x *Index) Bytes() int {
	n := 8 * len(x.asn)
	x.Blocks(func(_ unsafe.Pointer, size int) { n += size })
	return n
}
