// Package file follows files that pass through transactions: it keeps a
// sliding, bounded window of their content, counts bytes, computes digests
// when asked, tells the kind of a file from its first bytes, and knows when a
// file is truncated. It knows no protocol; the parsers of protocols that carry
// files call it.
package file

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Limits bound a file. The zero value takes everything, shows it at once and
// keeps the default window.
type Limits struct {
	Inspect uint64 // bytes that must have come before Data shows anything, unless the file has ended
	Back    int    // scanned bytes that stay in Data; 0 is DefaultBack
	Max     int    // bytes in Data at most, scanned or not; 0 is DefaultMax
	Depth   uint64 // bytes taken from the file, it is truncated after them; 0 is all
}

// The defaults of Limits.
const (
	DefaultBack = 16 << 10
	DefaultMax  = 1 << 20
	maxName     = 4 << 10
	maxKept     = 128 << 10 // of a window's memory, from file to file
)

// Tracker feeds one protocol.File. Its zero value is ready for Open and it is
// reused for one file after another. It is for one goroutine.
type Tracker struct {
	file   protocol.File
	limits Limits
	buf    []byte // content from offset base on
	base   uint64
	name   []byte
	hashes protocol.Hashes
	spare  protocol.Hashes // of these, those that a harmless file goes without
	digest [3]hash.Hash    // md5, sha1, sha256; made when first asked for
	open   bool
}

// Open begins the next file; what was there before is forgotten, its memory
// kept. The name is copied, up to 4 KiB of it.
func (t *Tracker) Open(name []byte, id uint32, hashes protocol.Hashes, l Limits) *protocol.File {
	if l.Back == 0 {
		l.Back = DefaultBack
	}
	if l.Max == 0 {
		l.Max = DefaultMax
	}
	t.name = append(t.name[:0], name[:min(len(name), maxName)]...)
	t.buf, t.base = t.buf[:0], 0
	t.limits, t.open = l, true
	t.hashes, t.spare = hashes.Split()
	t.hashes |= t.spare
	t.file = protocol.File{ID: id, Name: t.name}
	t.startDigests()
	return &t.file
}

// File is the file as it stands, never nil. It stays at this address.
func (t *Tracker) File() *protocol.File { return &t.file }

// IsOpen says whether the file takes more bytes.
func (t *Tracker) IsOpen() bool { return t.open }

// Rename sets the name once it is known.
func (t *Tracker) Rename(name []byte) {
	t.name = append(t.name[:0], name[:min(len(name), maxName)]...)
	t.file.Name = t.name
}

// Write takes the next bytes of the file. They are copied. Bytes after Close
// are ignored; at Limits.Depth the file is closed as truncated.
func (t *Tracker) Write(data []byte) {
	if !t.open || len(data) == 0 {
		return
	}
	over := false
	if d := t.limits.Depth; d > 0 && uint64(len(data)) > d-min(d, t.file.Size) {
		data, over = data[:d-min(d, t.file.Size)], true
	}
	if t.spare != 0 {
		if t.file.Size == 0 && harmless(data) {
			t.hashes &^= t.spare
		}
		t.spare = 0
	}
	t.file.Size += uint64(len(data))
	t.sumDigests(data)
	t.keep(data)
	if over {
		t.Close(protocol.FileTruncated)
		return
	}
	t.show()
}

// Gap says that n bytes of the file are missing. Digests are given up, and the
// window starts anew after the gap.
func (t *Tracker) Gap(n uint64) {
	if !t.open || n == 0 {
		return
	}
	t.file.Gaps = true
	t.file.Size += n
	t.hashes = 0
	t.buf, t.base = t.buf[:0], t.base+uint64(len(t.buf))+n
	t.show()
}

// Close ends the file. A file with gaps that is closed as complete becomes
// truncated. Only the first call counts.
func (t *Tracker) Close(state protocol.FileState) {
	if !t.open {
		return
	}
	if state == protocol.FileClosed && t.file.Gaps {
		state = protocol.FileTruncated
	}
	t.open = false
	t.file.State = state
	if state == protocol.FileClosed {
		t.finishDigests()
	}
	t.file.Data.Final = true
	t.show()
}

// Reset forgets the file without closing it and keeps memory, at most 128 KiB.
func (t *Tracker) Reset() {
	t.open = false
	t.file = protocol.File{}
	if cap(t.buf) > maxKept {
		t.buf = nil
	}
}

// Lend gives the tracker memory for the window of the file that was just
// opened.
func (t *Tracker) Lend(b []byte) {
	if len(t.buf) == 0 && cap(b) > cap(t.buf) {
		t.buf = b[:0]
	}
}

// Reclaim takes the window's memory away, nil when there is none worth it; the
// file must not be used any more.
func (t *Tracker) Reclaim() []byte {
	t.Reset()
	b := t.buf
	t.buf = nil
	return b
}

// Scanned frees what lies more than Limits.Back bytes before offset upto.
// Trim is the same with what the engine noted for file.data.
func (t *Tracker) Scanned(upto uint64) {
	if t.open && len(t.buf) > t.limits.Back {
		t.discard(upto)
	}
}

// Trim frees what the engine has scanned but for the last Limits.Back bytes:
// in is the transaction's state, d the file's direction and index its position
// among the transaction's files. Parsers call it before they add bytes.
func (t *Tracker) Trim(in *protocol.Inspection, d packet.Direction, index int) {
	if len(t.buf) <= t.limits.Back {
		return
	}
	for i := range in.Scanned[d] {
		p := &in.Scanned[d][i]
		if p.Field == protocol.FileData && int(p.Index) == index {
			t.discard(p.Upto)
			return
		}
	}
}

// discard drops the bytes more than Limits.Back before offset upto, once they
// are enough to be worth the move.
func (t *Tracker) discard(upto uint64) {
	back := uint64(t.limits.Back)
	if upto < t.base+back {
		return
	}
	n := min(upto-back-t.base, uint64(len(t.buf)))
	if n < back {
		return
	}
	t.shift(int(n))
	t.show()
}

// keep appends data to the window, dropping its oldest bytes over Limits.Max.
func (t *Tracker) keep(data []byte) {
	if skip := len(data) - t.limits.Max; skip > 0 {
		t.base += uint64(len(t.buf) + skip)
		t.buf = append(t.buf[:0], data[skip:]...)
		return
	}
	if over := len(t.buf) + len(data) - t.limits.Max; over > 0 {
		t.shift(min(len(t.buf), max(over, t.limits.Max/2)))
	}
	t.buf = append(t.buf, data...)
}

func (t *Tracker) shift(n int) {
	t.buf = t.buf[:copy(t.buf, t.buf[n:])]
	t.base += uint64(n)
}

// show sets the part of the content that is to be inspected.
func (t *Tracker) show() {
	w := &t.file.Data
	if !w.Final && t.file.Size < t.limits.Inspect {
		w.Data, w.Offset = nil, 0
		return
	}
	w.Data, w.Offset = t.buf, t.base
}

func (t *Tracker) startDigests() {
	if t.hashes == 0 {
		return
	}
	makers := [3]func() hash.Hash{md5.New, sha1.New, sha256.New}
	for i := range t.digest {
		if t.hashes&(1<<i) == 0 {
			continue
		}
		if t.digest[i] == nil {
			t.digest[i] = makers[i]()
		}
		t.digest[i].Reset()
	}
}

func (t *Tracker) sumDigests(data []byte) {
	if t.hashes == 0 {
		return
	}
	for i, h := range t.digest {
		if t.hashes&(1<<i) != 0 {
			h.Write(data)
		}
	}
}

func (t *Tracker) finishDigests() {
	f := &t.file
	if t.hashes&protocol.WantMD5 != 0 {
		t.digest[0].Sum(f.MD5[:0])
		f.HasMD5 = true
	}
	if t.hashes&protocol.WantSHA1 != 0 {
		t.digest[1].Sum(f.SHA1[:0])
		f.HasSHA1 = true
	}
	if t.hashes&protocol.WantSHA256 != 0 {
		t.digest[2].Sum(f.SHA256[:0])
		f.HasSHA256 = true
	}
}
