package rule

import "github.com/masugata/masugata/internal/inspect/protocol/file"

// magicBytes is how much of a file tells its kind for good.
const magicBytes = 1024

// kindOf says what a file is by its first bytes, without allocating; it is
// valid until the next call.
func (in *Inspector) kindOf(b []byte) []byte {
	in.kind = append(in.kind[:0], file.Magic(b)...)
	return in.kind
}
