package reputation

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/consensus"
)

const (
	// sightingsFile keeps what the sensors saw over a restart: who saw what is in
	// it, so it is for the service's own eyes.
	sightingsFile    = "sightings.state"
	sightingsWhat    = "sightings"
	sightingsVersion = 1
	// rememberEvery is how often it is written while there is news; a kill costs
	// at most the sightings since.
	rememberEvery = 5 * time.Minute
	// maxName bounds the name of a part or owner, in bytes.
	maxName = 512
)

// remember writes the sightings when there are new ones. An error is logged:
// the sensors work without the file.
func (n *sensors) remember() {
	if !n.news {
		return
	}
	b := appendNames(nil, n.numbers)
	if err := n.s.dir.WriteSealed(sightingsFile, sightingsWhat, sightingsVersion, n.consensus.AppendState(b)); err != nil {
		n.s.log.Error("reputation: the sightings of the sensors are not kept", "error", err)
		return
	}
	n.news, n.remembered = false, n.s.now()
}

// recall takes up the sightings of before a restart. A file that cannot be
// believed is put aside with the reason in the log, and the sensors begin anew.
func (n *sensors) recall() bool {
	b, err := n.s.dir.ReadSealed(sightingsFile, sightingsWhat, sightingsVersion)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = n.restoreState(b)
	}
	if err == nil {
		st := n.consensus.Stats()
		n.s.log.Info("sightings of before the restart are back", "objects", st.Objects, "sites", st.Sites)
		return true
	}
	path := string(n.s.dir) + string(os.PathSeparator) + sightingsFile
	n.s.log.Error("reputation: the kept sightings are refused and begin anew; the file is put aside", "error", err, "file", path+".refused")
	if err := os.Rename(path, path+".refused"); err != nil {
		n.s.log.Error("reputation: put aside", "error", err)
	}
	return false
}

// restoreState fills names and consensus, or leaves both empty.
func (n *sensors) restoreState(b []byte) error {
	names, rest, err := readNames(b)
	if err != nil {
		return err
	}
	fresh := consensus.New(n.config)
	if err := fresh.Restore(rest, n.s.seconds()); err != nil {
		return err
	}
	n.consensus, n.numbers = fresh, names
	for _, number := range names {
		n.last = max(n.last, number)
	}
	return nil
}

// appendNames appends which number stands for which part or owner.
func appendNames(dst []byte, names map[string]uint32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		dst = binary.AppendUvarint(dst, uint64(names[name]))
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		dst = append(dst, name...)
	}
	return dst
}

var errNames = errors.New("its list of parts cannot be read")

// readNames reads what appendNames wrote and gives what follows it.
func readNames(b []byte) (map[string]uint32, []byte, error) {
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 1<<64 - 1
		}
		b = b[n:]
		return v
	}
	count := number()
	if count > uint64(len(b)) {
		return nil, nil, errNames
	}
	names, used := make(map[string]uint32, count), make(map[uint32]bool, count)
	for range count {
		id, size := number(), number()
		if id == 0 || id > 1<<32-2 || size > maxName || size > uint64(len(b)) {
			return nil, nil, errNames
		}
		name := string(b[:size])
		b = b[size:]
		if _, double := names[name]; double || used[uint32(id)] {
			return nil, nil, errNames
		}
		names[name], used[uint32(id)] = uint32(id), true
	}
	return names, b, nil
}
