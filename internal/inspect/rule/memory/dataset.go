package memory

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DatasetKind is what the values of a data set are.
type DatasetKind uint8

// The kinds.
const (
	DatasetString DatasetKind = iota
	DatasetMD5
	DatasetSHA256
	DatasetIPv4
	DatasetIP // IPv4 or IPv6
)

var datasetKinds = []string{"string", "md5", "sha256", "ipv4", "ip"}

// ParseDatasetKind reads "string", "md5", "sha256", "ipv4" or "ip" ("ipv6").
func ParseDatasetKind(s string) (DatasetKind, bool) {
	if s == "ipv6" {
		return DatasetIP, true
	}
	for i, k := range datasetKinds {
		if s == k {
			return DatasetKind(i), true
		}
	}
	return 0, false
}

// String is the kind's name in rules.
func (k DatasetKind) String() string { return datasetKinds[k] }

// DefaultDatasetMemory is the memory cap of a data set that names none: bytes.
const DefaultDatasetMemory = 100 << 20

// Dataset is a data set as its file gives it. It is read-only once loaded and
// shared; what rules add and remove is in a DatasetState.
type Dataset struct {
	Name   string
	Kind   DatasetKind
	MemCap uint64 // bytes, 0 for DefaultDatasetMemory
	Save   string // where the caller is to save its state, "" for nowhere

	set valueSet
}

// Load adds the lines of a file: strings in base64, digests in hexadecimal,
// addresses as usual, each with ",NUMBER" behind it when it has a reputation.
// Lines that cannot be honoured are left out and returned.
func (d *Dataset) Load(file string, text []byte) []Problem {
	var problems []Problem
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, number, has := strings.Cut(line, ",")
		bad := func(column int, why string) {
			problems = append(problems, Problem{File: file, Line: i + 1, Column: column, Problem: why})
		}
		rep := uint64(0)
		if has {
			var err error
			if rep, err = strconv.ParseUint(strings.TrimSpace(number), 10, 16); err != nil {
				bad(len(word)+2, fmt.Sprintf("reputation %q is not from 0 to 65535", number))
				continue
			}
		}
		v, err := d.Kind.parse(strings.TrimSpace(word))
		if err != nil {
			bad(1, err.Error())
			continue
		}
		if d.set.cost()+uint64(len(v))+entryCost > d.cap() {
			bad(1, fmt.Sprintf("data set %s is over its memory cap of %d bytes", d.Name, d.cap()))
			break
		}
		d.set.add(v, uint16(rep))
	}
	return problems
}

func (d *Dataset) cap() uint64 {
	if d.MemCap == 0 {
		return DefaultDatasetMemory
	}
	return d.MemCap
}

// Len is the number of values.
func (d *Dataset) Len() int { return d.set.len() }

// parse turns a line of a file into the bytes that rules look up.
func (k DatasetKind) parse(word string) ([]byte, error) {
	switch k {
	case DatasetString:
		v, err := base64.StdEncoding.DecodeString(word)
		if err != nil || len(v) == 0 {
			return nil, fmt.Errorf("%q is not base64 of a string", word)
		}
		return v, nil
	case DatasetMD5, DatasetSHA256:
		v, err := hex.DecodeString(word)
		if want := map[DatasetKind]int{DatasetMD5: 16, DatasetSHA256: 32}[k]; err != nil || len(v) != want {
			return nil, fmt.Errorf("%q is no %s digest in hexadecimal", word, k)
		}
		return v, nil
	}
	a, err := netip.ParseAddr(word)
	if err != nil || k == DatasetIPv4 && !a.Unmap().Is4() {
		return nil, fmt.Errorf("%q is no address of type %s", word, k)
	}
	b := a.As16()
	return b[:], nil
}

// text is the reverse of parse.
func (k DatasetKind) text(dst, v []byte) []byte {
	switch k {
	case DatasetString:
		return base64.StdEncoding.AppendEncode(dst, v)
	case DatasetMD5, DatasetSHA256:
		return hex.AppendEncode(dst, v)
	}
	a := netip.AddrFrom16([16]byte(v)).Unmap()
	return a.AppendTo(dst)
}

// canonical gives the bytes under which a value is kept, in buf when they
// differ from v; false when v cannot be a value of the kind.
func (k DatasetKind) canonical(v []byte, buf *[16]byte) ([]byte, bool) {
	switch k {
	case DatasetMD5:
		return v, len(v) == 16
	case DatasetSHA256:
		return v, len(v) == 32
	case DatasetIPv4, DatasetIP:
		if len(v) == 4 {
			*buf = [16]byte{10: 0xff, 11: 0xff, 12: v[0], 13: v[1], 14: v[2], 15: v[3]}
			return buf[:], true
		}
		return v, len(v) == 16 && (k == DatasetIP || netip.AddrFrom16([16]byte(v)).Is4In6())
	}
	return v, len(v) > 0
}

// DatasetState is a data set with what one goroutine's rules added and
// removed.
type DatasetState struct {
	base    *Dataset
	own     valueSet // added, or with a reputation of its own
	removed valueSet // of base
	buf     [16]byte
}

// Open makes the state of a data set for one goroutine.
func (d *Dataset) Open() *DatasetState { return &DatasetState{base: d} }

// Adopt takes over what was added to and removed from an earlier state of a
// data set of the same name and kind.
func (s *DatasetState) Adopt(old *DatasetState) {
	if old == nil || old.base.Kind != s.base.Kind {
		return
	}
	s.own, s.removed = old.own, old.removed
}

// Has says whether a value is in the set. Addresses are 4 or 16 bytes, digests
// raw.
func (s *DatasetState) Has(v []byte) bool {
	_, ok := s.Reputation(v)
	return ok
}

// Reputation gives the number that stands beside a value, 0 when there is
// none; false when the value is not in the set.
func (s *DatasetState) Reputation(v []byte) (uint16, bool) {
	v, ok := s.base.Kind.canonical(v, &s.buf)
	if !ok {
		return 0, false
	}
	if rep, ok := s.own.has(v); ok {
		return rep, true
	}
	rep, ok := s.base.set.has(v)
	if ok && s.removed.len() > 0 {
		if _, gone := s.removed.has(v); gone {
			return 0, false
		}
	}
	return rep, ok
}

// Add adds a value and says whether it was not there; false also when the
// memory cap is reached.
func (s *DatasetState) Add(v []byte) bool {
	if s.Has(v) {
		return false
	}
	v, ok := s.base.Kind.canonical(v, &s.buf)
	if !ok {
		return false
	}
	if s.removed.remove(v) {
		return true
	}
	if s.base.set.cost()+s.own.cost()+uint64(len(v))+entryCost > s.base.cap() {
		return false
	}
	return s.own.add(v, 0)
}

// Remove takes a value out and says whether it was there.
func (s *DatasetState) Remove(v []byte) bool {
	if !s.Has(v) {
		return false
	}
	v, _ = s.base.Kind.canonical(v, &s.buf)
	if s.own.remove(v) {
		return true
	}
	if s.removed.cost()+uint64(len(v))+entryCost > s.base.cap() {
		return false
	}
	return s.removed.add(v, 0)
}

// Len is the number of values.
func (s *DatasetState) Len() int { return s.base.set.len() + s.own.len() - s.removed.len() }

// AppendText appends the set in the form that Load reads, oldest value first.
func (s *DatasetState) AppendText(dst []byte) []byte {
	line := func(v []byte, rep uint16) {
		dst = s.base.Kind.text(dst, v)
		if rep != 0 {
			dst = strconv.AppendUint(append(dst, ','), uint64(rep), 10)
		}
		dst = append(dst, '\n')
	}
	s.base.set.each(func(v []byte, rep uint16) {
		if _, gone := s.removed.has(v); !gone {
			line(v, rep)
		}
	})
	s.own.each(line)
	return dst
}
