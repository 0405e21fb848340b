package reputation

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/intel/reputation/index"
)

// hugePage is the size of a huge page.
const hugePage = 2 << 20

// collapse backs the large pieces of an index with huge pages, where the kernel
// can (Linux 6.1). Look-ups jump about in them, and most of their time is the
// search for ordinary pages. It is a hint: without it all is right but slower.
func collapse(x *index.Index) {
	x.Blocks(func(start unsafe.Pointer, size int) {
		if size < hugePage {
			return
		}
		from := uintptr(start) &^ (hugePage - 1)
		to := (uintptr(start) + uintptr(size) + hugePage - 1) &^ (hugePage - 1)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_COLLAPSE)
	})
}
