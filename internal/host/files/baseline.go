package files

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// record is what is remembered of one file.
type record struct {
	hash  [32]byte // zero: not hashed yet, or too large
	size  int64
	mtime int64
	ctime int64
	ino   uint64
	mode  uint32
}

func (r *record) sum() string {
	if r.hash == [32]byte{} {
		return ""
	}
	return hex.EncodeToString(r.hash[:])
}

// same says whether the file's content cannot have changed without notice.
func (r *record) same(o *record) bool {
	return r.size == o.size && r.mtime == o.mtime && r.ctime == o.ctime && r.ino == o.ino
}

// The file: magic, records (path length, path, fixed part), CRC-32 of all before.
const (
	magic     = "masugata files 1\n"
	fixedSize = 32 + 8*4 + 4
)

var errBaseline = errors.New("the baseline file is damaged; it is made anew")

// load reads a baseline; a missing file is an empty one.
func load(name string) (map[string]record, error) {
	out := map[string]record{}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer f.Close()
	sum := crc32.NewIEEE()
	r := bufio.NewReader(f)
	if err := readRecords(r, sum, out); err != nil {
		return map[string]record{}, err
	}
	return out, nil
}

func readRecords(r io.Reader, sum io.Writer, out map[string]record) error {
	tee := io.TeeReader(r, sum)
	var start [len(magic)]byte
	if _, err := io.ReadFull(tee, start[:]); err != nil || string(start[:]) != magic {
		return errBaseline
	}
	var head [2]byte
	var body [maxPath + fixedSize]byte
	for {
		if _, err := io.ReadFull(tee, head[:]); err != nil {
			return errBaseline
		}
		n := int(binary.LittleEndian.Uint16(head[:]))
		if n == 0 {
			break
		}
		if n > maxPath || len(out) >= maxFiles {
			return errBaseline
		}
		b := body[:n+fixedSize]
		if _, err := io.ReadFull(tee, b); err != nil {
			return errBaseline
		}
		out[string(b[:n])] = unpack(b[n:])
	}
	want := sum.(interface{ Sum32() uint32 }).Sum32()
	var end [4]byte
	if _, err := io.ReadFull(r, end[:]); err != nil || binary.LittleEndian.Uint32(end[:]) != want {
		return errBaseline
	}
	return nil
}

func unpack(b []byte) (r record) {
	le := binary.LittleEndian
	copy(r.hash[:], b)
	r.size, r.mtime, r.ctime = int64(le.Uint64(b[32:])), int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:]))
	r.ino, r.mode = le.Uint64(b[56:]), le.Uint32(b[64:])
	return r
}

func (r *record) pack(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, r.hash[:]...)
	for _, v := range []uint64{uint64(r.size), uint64(r.mtime), uint64(r.ctime), r.ino} {
		b = le.AppendUint64(b, v)
	}
	return le.AppendUint32(b, r.mode)
}

// save replaces the baseline as a whole, so that being killed leaves the old
// or the new one.
func save(name string, files map[string]record) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".baseline-*")
	if err != nil {
		return errors.New("save baseline: " + err.Error())
	}
	defer os.Remove(tmp.Name())
	w := bufio.NewWriter(tmp)
	sum := crc32.NewIEEE()
	both := io.MultiWriter(w, sum)
	_, _ = io.WriteString(both, magic) // errors of w come again at Flush
	var b []byte
	for path, r := range files {
		b = binary.LittleEndian.AppendUint16(b[:0], uint16(len(path)))
		b = r.pack(append(b, path...))
		_, _ = both.Write(b)
	}
	_, _ = both.Write([]byte{0, 0})
	_, _ = w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	err = errors.Join(w.Flush(), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.New("save baseline: " + err.Error())
	}
	return nil
}
