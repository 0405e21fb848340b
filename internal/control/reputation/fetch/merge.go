package fetch

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// mergedName is the file of a copy that holds the objects of a collection.
const mergedName = "objects.json"

// spool keeps the newest version of each new object in a file until they are
// merged: a collection may be larger than what should be in memory.
type spool struct {
	file     *os.File
	out      *bufio.Writer
	at, most int64
	newest   map[[16]byte]spooled
	order    [][16]byte
	seen     int // objects, also those that are not kept
}

// spooled is where an object lies.
type spooled struct {
	at                 int64
	size               int32
	revoked, forgotten bool
	version            int64 // microseconds since 1970; 0 is unknown
}

// maxSpooled bounds the objects of one fetch.
const maxSpooled = 5_000_000

func openSpool(path string, most int64) (*spool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &spool{file: f, out: bufio.NewWriterSize(f, 64<<10), most: most, newest: map[[16]byte]spooled{}}, nil
}

func (s *spool) close() {
	_ = s.file.Close() // it is thrown away
	_ = os.Remove(s.file.Name())
}

// add keeps an object if it says something that feeds are read for, and is not
// older than what is there.
func (s *spool) add(o *taxii.Object) error {
	s.seen++
	if !feed.ReadsSTIX(o.Type) {
		return nil
	}
	key, next := keyOf(o), spooled{at: s.at, size: int32(len(o.Raw)), revoked: o.Revoked, version: version(o.Version)}
	old, known := s.newest[key]
	if known && old.version > next.version {
		return nil
	}
	if s.at += int64(len(o.Raw)); s.at > s.most {
		return fmt.Errorf("is larger than %d MB; raise max_mb if that is right", s.most>>20)
	}
	if !known {
		if len(s.order) >= maxSpooled {
			return fmt.Errorf("more than %d objects", maxSpooled)
		}
		s.order = append(s.order, key)
	}
	s.newest[key] = next
	_, err := s.out.Write(o.Raw)
	return err
}

// replaces says whether there is something newer than an object of the copy
// before. What is as old as it is forgotten here, so that a copy in which
// nothing changed stays what it was.
func (s *spool) replaces(o *taxii.Object) bool {
	key, old := keyOf(o), version(o.Version)
	x, again := s.newest[key]
	if !again || x.revoked || x.version > old || x.version == 0 {
		return again && (x.version >= old || x.version == 0)
	}
	x.forgotten = true
	s.newest[key] = x
	return false
}

func version(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// keyOf is what all versions of an object have in common.
func keyOf(o *taxii.Object) (key [16]byte) {
	sum := sha256.Sum256([]byte(o.ID))
	if o.ID == "" {
		sum = sha256.Sum256(o.Raw)
	}
	copy(key[:], sum[:])
	return key
}

// merge writes the objects of the copy at base (none when it is empty) that news
// does not replace, and then those of news that are not revoked.
func (w *copyWriter) merge(base string, news *spool, now time.Time) error {
	if err := news.out.Flush(); err != nil {
		return err
	}
	to, err := w.archive.Create(mergedName)
	if err != nil {
		return err
	}
	m := &merger{w: w, out: bufio.NewWriterSize(io.MultiWriter(to, w.digest), 64<<10)}
	if err := m.write([]byte(`{"objects":[`)); err != nil {
		return err
	}
	if base != "" {
		if err := m.old(base, news, now); err != nil {
			return err
		}
	}
	var raw []byte
	for _, key := range news.order {
		x := news.newest[key]
		if x.revoked || x.forgotten {
			continue
		}
		raw = append(raw[:0], make([]byte, x.size)...)
		if _, err := news.file.ReadAt(raw, x.at); err != nil {
			return err
		}
		if err := m.object(raw); err != nil {
			return err
		}
	}
	if err := m.write([]byte("]}\n")); err != nil {
		return err
	}
	return m.out.Flush()
}

// merger writes one envelope.
type merger struct {
	w    *copyWriter
	out  *bufio.Writer
	some bool
}

func (m *merger) write(b []byte) error {
	if m.w.left -= int64(len(b)); m.w.left < 0 {
		return fmt.Errorf("is larger than %d MB; raise max_mb if that is right", m.w.most>>20)
	}
	_, err := m.out.Write(b)
	return err
}

func (m *merger) object(raw []byte) error {
	if m.some {
		if err := m.write([]byte(",\n")); err != nil {
			return err
		}
	}
	m.some = true
	return m.write(raw)
}

// old writes what news does not replace of the copy before. Objects whose time
// ended long ago go: their collection will not speak of them again.
func (m *merger) old(base string, news *spool, now time.Time) error {
	return Read(base, func(_ string, r io.Reader) error {
		p := taxii.NewReader(r)
		var o taxii.Object
		for {
			err := p.Next(&o)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if news.replaces(&o) || !o.Until.IsZero() && now.Sub(o.Until) > wholeEvery {
				continue
			}
			if err := m.object(o.Raw); err != nil {
				return err
			}
		}
	})
}
