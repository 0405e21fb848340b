//go:build hyperscan

package prefilter

/*
#cgo LDFLAGS: -lhs
#cgo noescape prefilter_scan
#cgo nocallback prefilter_scan
#include <stdint.h>
#include <stdlib.h>
#include <hs/hs.h>

// Where a match must end: from first, and up to last unless that is 0.
struct bound {
	uint32_t first, last;
};

struct found {
	const struct bound *bounds;
	uint64_t base; // of the window
	uint32_t *numbers;
	uint32_t n, most;
};

// Marks a number whose pattern was found where it does not count.
#define PREFILTER_ELSEWHERE 0x80000000u

static int prefilter_found(unsigned int number, unsigned long long from, unsigned long long to, unsigned int flags, void *context) {
	struct found *f = context;
	const struct bound *b = &f->bounds[number];
	if (f->n == f->most)
		return 1;
	to += f->base;
	if (to < b->first || (b->last != 0 && to > b->last))
		number |= PREFILTER_ELSEWHERE;
	f->numbers[f->n++] = number;
	return 0;
}

// prefilter_scan writes the numbers of the patterns that occur. It returns how
// many there are, or -1 when the scan failed or there are more than fit.
static int prefilter_scan(const hs_database_t *db, const char *data, unsigned int n, hs_scratch_t *scratch, const struct bound *bounds, uint64_t base, uint32_t *numbers, uint32_t most) {
	struct found f = {bounds, base, numbers, 0, most};
	if (hs_scan(db, data, n, 0, scratch, prefilter_found, &f) != HS_SUCCESS)
		return -1;
	return f.n;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
	"weak"

	"github.com/masugata/masugata/internal/inspect/rule/needle"
)

// hyper scans long buffers with Hyperscan and short ones, for which a call out
// of Go costs more than the scan, with the pure search. Patterns that must lie
// near the buffer's begin are always searched by near, which looks no further:
// such bounds make Hyperscan's databases slow to build.
type hyper struct {
	pure    *pure
	near    *pure // nil for none
	db      *C.hs_database_t
	bounds  []C.struct_bound // in C memory
	bounded []bounded
	long    int // buffers of so many bytes and more go to Hyperscan
	size    int
	self    weak.Pointer[hyper]
}

// Costs in nanoseconds for the choice between the two: measured.
const (
	costCall     = 160.0
	costHyper    = 0.35
	neverLong    = 1 << 30
	longAtLeast  = 96
	foundAtOnce  = 1024 // numbers that a scan has room for; more are found by the pure search
	scratchKnows = 1 << 14
)

func buildBest(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	if freq == nil {
		freq = Ordinary()
	}
	p, err := buildPure(patterns, freq)
	if err != nil || len(patterns) == 0 {
		return p, err
	}
	h := &hyper{pure: p.(*pure), long: neverLong}
	if gain := h.pure.cost - costHyper; gain > 0 {
		h.long = max(int(costCall/gain), longAtLeast)
	}
	if h.long > 4096 {
		return p, nil // the pure search is as fast
	}
	near, far := divide(patterns)
	if len(near) > 0 {
		s, err := buildPure(near, freq)
		if err != nil {
			return nil, err
		}
		h.near = s.(*pure)
	}
	if len(far) == 0 {
		return p, nil
	}
	if err := h.compile(far); err != nil {
		return nil, err
	}
	return h, nil
}

// divide tells the patterns that must lie near the buffer's begin from others.
func divide(patterns []Pattern) (near, far []Pattern) {
	for _, x := range patterns {
		if x.Depth > 0 && x.Depth <= nearLimit {
			near = append(near, x)
		} else {
			far = append(far, x)
		}
	}
	return near, far
}

// compile makes the database of literals.
func (h *hyper) compile(patterns []Pattern) error {
	n := len(patterns)
	h.bounded = make([]bounded, n)
	h.bounds = cArray[C.struct_bound](n)
	texts, lengths, flags, numbers := cArray[*C.char](n), cArray[C.size_t](n), cArray[C.uint](n), cArray[C.uint](n)
	defer func() {
		for _, t := range texts {
			C.free(unsafe.Pointer(t))
		}
		freeArray(texts)
		freeArray(lengths)
		freeArray(flags)
		freeArray(numbers)
	}()
	for i := range patterns {
		x := &patterns[i]
		texts[i], lengths[i] = (*C.char)(C.CBytes(x.Bytes)), C.size_t(len(x.Bytes))
		numbers[i], flags[i] = C.uint(i), flagsOf(x)
		if x.Offset > 0 {
			h.bounds[i].first = C.uint32_t(x.Offset + len(x.Bytes))
		}
		h.bounds[i].last = C.uint32_t(x.Depth)
		h.bounded[i] = bounded{needle.New(x.Bytes, x.NoCase), x.ID, int32(x.Offset), int32(x.Depth)}
	}
	var problem *C.hs_compile_error_t
	if C.hs_compile_lit_multi(&texts[0], &flags[0], &numbers[0], &lengths[0], C.uint(n), C.HS_MODE_BLOCK, nil, &h.db, &problem) != C.HS_SUCCESS {
		freeArray(h.bounds)
		defer C.hs_free_compile_error(problem)
		return fmt.Errorf("prefilter: Hyperscan: %s", C.GoString(problem.message))
	}
	var size C.size_t
	C.hs_database_size(h.db, &size)
	h.size = int(size)
	h.self = weak.Make(h)
	runtime.AddCleanup(h, func(db *C.hs_database_t) { C.hs_free_database(db) }, h.db)
	runtime.AddCleanup(h, func(b *C.struct_bound) { C.free(unsafe.Pointer(b)) }, unsafe.SliceData(h.bounds))
	return nil
}

// bounded is a pattern for the search that Scan does itself.
type bounded struct {
	needle   needle.Needle
	id       uint32
	from, to int32
}

func (x *bounded) find(data []byte, base int) bool {
	from, end := max(0, int(x.from)-base), len(data)
	if x.to > 0 {
		end = min(end, int(x.to)-base)
	}
	return from < end && x.needle.Index(data, from, end) >= 0
}

// flagsOf asks for one match: where it does not count, Scan looks for another.
func flagsOf(x *Pattern) C.uint {
	f := C.uint(C.HS_FLAG_SINGLEMATCH)
	if x.NoCase {
		f |= C.HS_FLAG_CASELESS
	}
	return f
}

// cArray is n zeroed elements in C memory.
func cArray[T any](n int) []T {
	var zero T
	return unsafe.Slice((*T)(C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(zero)))), n)
}

func freeArray[T any](a []T) { C.free(unsafe.Pointer(unsafe.SliceData(a))) }

func (h *hyper) Size() int {
	size := h.pure.Size() + h.size + 56*len(h.bounded)
	if h.near != nil {
		size += h.near.Size()
	}
	return size
}

// Scan implements Searcher.
func (h *hyper) Scan(data []byte, s *Scratch) { h.ScanWindow(data, 0, s) }

// ScanWindow implements Searcher.
func (h *hyper) ScanWindow(data []byte, base uint64, s *Scratch) {
	if len(data) < h.long || !s.prepare(h) {
		h.pure.ScanWindow(data, base, s)
		return
	}
	k := s.box
	n := C.prefilter_scan(h.db, (*C.char)(unsafe.Pointer(unsafe.SliceData(data))), C.uint(len(data)), k.scratch, &h.bounds[0], C.uint64_t(min(base, farAway)), &k.numbers[0], foundAtOnce)
	if n < 0 {
		h.pure.ScanWindow(data, base, s)
		return
	}
	s.begin(h.pure.maxID, base)
	for _, i := range k.numbers[:n] {
		if i&C.PREFILTER_ELSEWHERE == 0 {
			s.report(h.bounded[i].id)
		} else if x := &h.bounded[i&^C.PREFILTER_ELSEWHERE]; x.find(data, s.base) {
			s.report(x.id)
		}
	}
	if h.near != nil {
		h.near.find(data, s)
	}
	s.end()
}

// native is Hyperscan's part of Scratch. It knows for which Searchers it is
// ready without keeping them alive.
type native struct {
	box *box
}

type box struct {
	scratch *C.hs_scratch_t
	ready   map[weak.Pointer[hyper]]struct{}
	last    [512]weak.Pointer[hyper] // of ready, by address
	numbers [foundAtOnce]C.uint32_t
}

var errScratch = errors.New("prefilter: Hyperscan: no memory for a scan")

// prepare makes the scratch fit h.
func (s *Scratch) prepare(h *hyper) bool {
	if s.box == nil {
		s.box = &box{ready: map[weak.Pointer[hyper]]struct{}{}}
	}
	k := s.box
	last := &k.last[uintptr(unsafe.Pointer(h))>>6%uintptr(len(k.last))]
	if *last == h.self {
		return true
	}
	if _, ok := k.ready[h.self]; !ok && k.grow(h) != nil {
		return false
	}
	*last = h.self
	return true
}

func (k *box) grow(h *hyper) error {
	first := k.scratch == nil
	if len(k.ready) >= scratchKnows { // sets were replaced many times
		clear(k.ready)
		clear(k.last[:])
	}
	if C.hs_alloc_scratch(h.db, &k.scratch) != C.HS_SUCCESS {
		return errScratch
	}
	k.ready[h.self] = struct{}{}
	if first {
		runtime.SetFinalizer(k, func(k *box) { C.hs_free_scratch(k.scratch) })
	}
	return nil
}
