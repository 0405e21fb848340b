//go:build !linux

package reputation

import "github.com/masugata/masugata/internal/intel/reputation/index"

// collapse does nothing where the kernel takes no such hint.
func collapse(*index.Index) {}
