package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// place is a byte offset in a numbered segment.
type place struct{ seg, off uint32 }

// span is a row of records of one class, from start up to end.
type span struct {
	start, end place
	count      uint32
}

// holds says whether the span has records in the segment.
func (r span) holds(seg uint32) bool {
	return r.count > 0 && r.start.seg <= seg && seg <= r.end.seg
}

// segment is one file of records of one class.
type segment struct {
	path  string
	num   uint32
	size  int64 // bytes of whole, sound records
	count int   // of them
	read  int   // of them before the reading place
}

// class is the queue of one severity.
type class struct {
	segs     []*segment // oldest first
	active   *segment   // the last of segs, being written; nil when a new one must be made
	file     *os.File   // of active
	next     uint32     // number of the next segment
	pos      place      // where the next batch begins
	inFlight int        // records in the unacknowledged batch
	full     bool       // the last take left records
	inEnd    int        // records that the last take took from its last segment

	buf    []byte // records that are not in a file yet
	staged int    // how many
}

// A record is its length and checksum (little endian, 4 bytes each), then the
// event. The length is bounded, so that a torn record is told from a sound one.
const (
	recordHeader = 8
	maxRecord    = 128 << 10
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (c *class) stage(element []byte) {
	var head [recordHeader]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(element)))
	binary.LittleEndian.PutUint32(head[4:], castagnoli(element))
	c.buf = append(append(c.buf, head[:]...), element...)
	c.staged++
}

func (c *class) unstage() {
	c.staged = 0
	c.buf = c.buf[:0]
	if cap(c.buf) > 4*flushAt {
		c.buf = nil
	}
}

// write appends the staged records to the active segment, making one when
// there is none or it is full, and gives the bytes written. After an error
// the active segment is closed: its end may be torn.
func (c *class) write(dir string, num int, segSize int64) (int64, error) {
	if c.active != nil && c.active.size >= segSize {
		c.retire()
	}
	if c.active == nil {
		path := filepath.Join(dir, fmt.Sprintf("e%d-%08x", num, c.next))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return 0, err
		}
		c.file, c.active = f, &segment{path: path, num: c.next}
		c.segs = append(c.segs, c.active)
		c.next++
	}
	n := int64(len(c.buf))
	if _, err := c.file.WriteAt(c.buf, c.active.size); err != nil {
		seg := c.active
		c.retire()
		if seg.size == 0 {
			_ = os.Remove(seg.path) // removed at the next start otherwise
			c.segs = c.segs[:len(c.segs)-1]
		}
		return 0, err
	}
	c.active.size += n
	c.active.count += c.staged
	c.unstage()
	return n, nil
}

// retire stops writing to the active segment.
func (c *class) retire() {
	if c.file != nil {
		_ = c.file.Close() // nothing is buffered; sync has its own errors
	}
	c.file, c.active = nil, nil
}

// load finds the segments that a former process left. Those before the
// reading place and outside of keep are removed.
func (c *class) load(dir string, num int, keep span) error {
	paths, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("e%d-*", num)))
	if err != nil {
		return err
	}
	slices.Sort(paths) // numbers have a fixed width
	c.next = max(c.pos.seg+1, keep.end.seg+1)
	for _, p := range paths {
		var n uint32
		if _, err := fmt.Sscanf(filepath.Base(p)[3:], "%08x", &n); err != nil {
			continue // not ours
		}
		c.next = max(c.next, n+1)
		seg := &segment{path: p, num: n}
		if err := seg.scan(c.pos); err != nil {
			return err
		}
		if (seg.read == seg.count || n < c.pos.seg) && !keep.holds(n) {
			_ = os.Remove(p) // tried again at the next start
			continue
		}
		c.segs = append(c.segs, seg)
	}
	c.inFlight = int(keep.count)
	return nil
}

// scan counts the sound records of a segment and those before pos.
func (s *segment) scan(pos place) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachRecord(f, 0, -1, func(at int64, _ []byte) bool {
		if s.num < pos.seg || s.num == pos.seg && at < int64(pos.off) {
			s.read++
		}
		return true
	}, &s.size, &s.count)
}

// eachRecord reads records from off up to end (-1: the end of the file) or to
// the first that is not whole and sound, and calls f with the place and event
// of each until it returns false. size and count, when given, get the place
// after the last sound record and the number of records.
func eachRecord(r io.ReaderAt, off, end int64, f func(at int64, event []byte) bool, size *int64, count *int) error {
	const chunk = 32 << 10
	space := make([]byte, chunk)
	buf := space[:0] // what was read and not looked at yet
	fill := off      // file offset after buf
	n := 0
	for {
		need := recordHeader
		if len(buf) >= recordHeader {
			l := binary.LittleEndian.Uint32(buf)
			if l == 0 || l > maxRecord {
				break
			}
			need += int(l)
		}
		if need > recordHeader && len(buf) >= need {
			ev := buf[recordHeader:need]
			if end >= 0 && off >= end || castagnoli(ev) != binary.LittleEndian.Uint32(buf[4:]) || !f(off, ev) {
				break
			}
			off += int64(need)
			buf = buf[need:]
			n++
			continue
		}
		if need > len(space) {
			space = make([]byte, need+chunk)
		}
		kept := copy(space, buf)
		got, err := r.ReadAt(space[kept:], fill)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if got == 0 {
			break
		}
		buf = space[:kept+got]
		fill += int64(got)
	}
	if size != nil {
		*size, *count = off, n
	}
	return nil
}

// take measures the records of the next batch within the limits; the first
// one is taken whatever its size when atLeastOne is set. Nothing changes.
func (c *class) take(maxEvents, maxBytes int, atLeastOne bool) (r span, bytes int) {
	r.start, r.end = c.pos, c.pos
	c.full = false
	for _, seg := range c.segs {
		if seg.num < c.pos.seg || seg.read == seg.count {
			continue
		}
		off := int64(0)
		if seg.num == c.pos.seg {
			off = int64(c.pos.off)
		}
		if r.count == 0 {
			r.start = place{seg.num, uint32(off)}
		}
		n := 0
		err := c.with(seg, func(f *os.File) error {
			return eachRecord(f, off, seg.size, func(at int64, ev []byte) bool {
				c.full = int(r.count) >= maxEvents || bytes+len(ev) > maxBytes && !(atLeastOne && r.count == 0)
				if c.full {
					return false
				}
				r.count++
				n++
				c.inEnd = n
				bytes += len(ev)
				r.end = place{seg.num, uint32(at) + recordHeader + uint32(len(ev))}
				return true
			}, nil, nil)
		})
		if err != nil || c.full {
			break // an unreadable segment is tried again with the next batch
		}
	}
	if r.count == 0 {
		r.start, r.end = c.pos, c.pos
	}
	return r, bytes
}

// read appends the events of a span to b.
func (c *class) read(b []byte, r span) ([]byte, int, error) {
	got := 0
	if r.count == 0 {
		return b, 0, nil
	}
	for _, seg := range c.segs {
		if !r.holds(seg.num) {
			continue
		}
		off, end := int64(0), int64(-1)
		if seg.num == r.start.seg {
			off = int64(r.start.off)
		}
		if seg.num == r.end.seg {
			end = int64(r.end.off)
		}
		err := c.with(seg, func(f *os.File) error {
			return eachRecord(f, off, end, func(_ int64, ev []byte) bool {
				if got == int(r.count) {
					return false
				}
				b = append(b, ev...)
				got++
				return true
			}, nil, nil)
		})
		if err != nil {
			return b, got, err
		}
	}
	return b, got, nil
}

// with calls f with the segment's file.
func (c *class) with(seg *segment, f func(*os.File) error) error {
	if seg == c.active {
		return f(c.file)
	}
	file, err := os.Open(seg.path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(file)
}

// sync forces the segments of a span to the medium.
func (c *class) sync(r span) error {
	for _, seg := range c.segs {
		if !r.holds(seg.num) {
			continue
		}
		if err := c.with(seg, (*os.File).Sync); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the reading place behind a span that has become a batch and
// gives how many records before it turned out to be unreadable.
func (c *class) advance(r span) (lost int) {
	if r.count == 0 {
		return 0
	}
	passed := 0
	for _, seg := range c.segs {
		n := 0
		switch {
		case seg.num < r.end.seg:
			n = seg.count - seg.read
		case seg.num == r.end.seg:
			n = min(c.inEnd, seg.count-seg.read)
		}
		seg.read += n
		passed += n
	}
	c.pos, c.inFlight = r.end, int(r.count)
	return passed - int(r.count)
}

// forgetRead removes the segments that were read and acknowledged and gives
// their bytes. The active one stays.
func (c *class) forgetRead() (bytes int64) {
	if c.inFlight > 0 {
		return 0
	}
	c.segs = slices.DeleteFunc(c.segs, func(seg *segment) bool {
		if seg == c.active || seg.read < seg.count {
			return false
		}
		_ = os.Remove(seg.path) // removed at the next start otherwise
		bytes += seg.size
		return true
	})
	return bytes
}

// drop removes the oldest segment that keep does not hold and gives the
// unread records and bytes that went with it.
func (c *class) drop(keep span) (lost int, size int64, ok bool) {
	for i, seg := range c.segs {
		if keep.holds(seg.num) || seg.size == 0 {
			continue
		}
		if seg == c.active {
			c.retire()
		}
		if err := os.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c.segs = slices.Delete(c.segs, i, i+1)
		return seg.count - seg.read, seg.size, true
	}
	return 0, 0, false
}

// waiting counts the records that were not acknowledged.
func (c *class) waiting() int {
	n := c.staged + c.inFlight
	for _, seg := range c.segs {
		n += seg.count - seg.read
	}
	return n
}

func (c *class) close() { c.retire() }
