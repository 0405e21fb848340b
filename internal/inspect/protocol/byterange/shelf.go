// Package byterange puts files together that come in several HTTP responses,
// each with a part (RFC 9110 section 14.4). It bounds what it keeps by number,
// size and age, and knows nothing of HTTP but what its callers tell. The
// parsers of HTTP/1 and HTTP/2 share one Shelf each among the flows of an engine.
package byterange

// Bounds of a Shelf.
const (
	maxFile   = 8 << 20  // bytes of a file that is put together
	maxBytes  = 32 << 20 // of all files together
	maxFiles  = 256
	maxPieces = 64   // parts of a file that do not touch each other
	maxAge    = 60e9 // nanoseconds without a new part
)

// Shelf keeps the files that are not whole yet. The zero value is ready. It is
// for one goroutine.
type Shelf struct {
	files map[string]*File
	bytes int
}

// File is a file of which parts have come.
type File struct {
	shelf  *Shelf
	key    string
	data   []byte
	pieces []piece // sorted, apart from each other
	total  uint64
	used   int64 // nanoseconds since 1970
}

// piece is a part that is there.
type piece struct{ from, to uint64 }

// Open gives the file that a part belongs to, begun when there is none. key
// says which it is (host, path), total its size in bytes, now the time in
// nanoseconds since 1970. It is nil for files that are too large.
func (s *Shelf) Open(key []byte, total uint64, now int64) *File {
	if total == 0 || total > maxFile {
		return nil
	}
	if f := s.files[string(key)]; f != nil {
		if f.total == total && now-f.used <= maxAge {
			f.used = now
			return f
		}
		f.drop()
	}
	if len(s.files) >= maxFiles {
		s.makeRoom(maxBytes, now)
	}
	if s.files == nil {
		s.files = make(map[string]*File)
	}
	f := &File{shelf: s, key: string(key), total: total, used: now}
	s.files[f.key] = f
	return f
}

// makeRoom drops what is too old, and the oldest until one more file and n
// bytes fit.
func (s *Shelf) makeRoom(limit int, now int64) {
	for _, f := range s.files {
		if now-f.used > maxAge {
			f.drop()
		}
	}
	for len(s.files) > 0 && (len(s.files) >= maxFiles || s.bytes > limit) {
		var oldest *File
		for _, f := range s.files {
			if oldest == nil || f.used < oldest.used || f.used == oldest.used && f.key < oldest.key {
				oldest = f
			}
		}
		oldest.drop()
	}
}

// drop forgets the file; what is written to it later goes nowhere.
func (f *File) drop() {
	if f.shelf == nil {
		return
	}
	f.shelf.bytes -= cap(f.data)
	delete(f.shelf.files, f.key)
	f.shelf, f.data, f.pieces = nil, nil, nil
}

// Write takes bytes of the file that begin at an offset. What has come before
// stays as it is.
func (f *File) Write(offset uint64, b []byte) {
	if f.shelf == nil || offset >= f.total || len(b) == 0 {
		return
	}
	b = b[:min(uint64(len(b)), f.total-offset)]
	end := offset + uint64(len(b))
	if !f.grow(end) {
		return
	}
	at := offset
	for _, p := range f.pieces {
		if p.to <= at {
			continue
		}
		if p.from >= end {
			break
		}
		if p.from > at {
			copy(f.data[at:p.from], b[at-offset:])
		}
		at = p.to
	}
	if at < end {
		copy(f.data[at:end], b[at-offset:])
	}
	f.note(piece{offset, end})
}

// grow makes room for the file's first n bytes, at the cost of older files.
func (f *File) grow(n uint64) bool {
	if n <= uint64(len(f.data)) {
		return true
	}
	if n > uint64(cap(f.data)) {
		s := f.shelf
		size := int(min(max(n, 2*uint64(cap(f.data))), f.total))
		s.makeRoom(maxBytes-size, f.used)
		if f.shelf == nil {
			return false
		}
		data := make([]byte, len(f.data), size)
		copy(data, f.data)
		s.bytes += size - cap(f.data)
		f.data = data
	}
	f.data = f.data[:n]
	return true
}

// note adds a piece to those that are there.
func (f *File) note(n piece) {
	kept := f.pieces[:0:0]
	placed := false
	for _, p := range f.pieces {
		switch {
		case p.to < n.from:
			kept = append(kept, p)
		case p.from > n.to:
			if !placed {
				kept, placed = append(kept, n), true
			}
			kept = append(kept, p)
		default:
			n = piece{min(n.from, p.from), max(n.to, p.to)}
		}
	}
	if !placed {
		kept = append(kept, n)
	}
	if f.pieces = kept; len(kept) > maxPieces {
		f.drop()
	}
}

// Take gives the file's content once it is whole, and forgets it then.
func (f *File) Take() ([]byte, bool) {
	if f.shelf == nil || len(f.pieces) != 1 || f.pieces[0] != (piece{0, f.total}) {
		return nil, false
	}
	data := f.data
	f.drop()
	return data, true
}
