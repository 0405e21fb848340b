package index

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// advise asks for huge pages, as the reputation role does, when the
// environment has MASUGATA_HUGEPAGES.
func advise(b testing.TB, x *Index) {
	if os.Getenv("MASUGATA_HUGEPAGES") == "" {
		return
	}
	const huge = 2 << 20
	x.Blocks(func(start unsafe.Pointer, size int) {
		if size < huge {
			return
		}
		from := uintptr(start) &^ (huge - 1)
		to := (uintptr(start) + uintptr(size) + huge - 1) &^ (huge - 1)
		if _, _, err := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_COLLAPSE); err != 0 {
			b.Logf("huge pages for %d bytes: %v", size, err)
		}
	})
}
