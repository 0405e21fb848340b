package chaos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A reporter keeps three ledgers in its folder, each of records of one
// size that are written with one system call, so that a record is in the file
// once the call returned, whatever happens to the process.
const (
	flushedLedger = "ledger-flushed" // after each flush: the counter that comes next
	ackedLedger   = "ledger-acked"   // the counters of each acknowledged batch
	setsLedger    = "ledger-sets"    // each set put into force: setLine
)

// numberSize is the record size of the first two ledgers, in bytes. A counter is the process's generation
// in the upper and a running number in the lower 32 bits.
const numberSize = 8

// ledger is an append-only file of records of one size.
type ledger struct{ f *os.File }

// openLedger opens the file and cuts off a record that is not whole.
func openLedger(dir, name string, size int64) (*ledger, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size()%size != 0 {
		err = f.Truncate(info.Size() - info.Size()%size)
	}
	return &ledger{f}, err
}

func (l *ledger) write(b []byte) {
	if _, err := l.f.Write(b); err != nil {
		panic(fmt.Sprintf("ledger: %v", err)) // the test is worth nothing without it
	}
}

func (l *ledger) number(n uint64) { l.write(binary.LittleEndian.AppendUint64(nil, n)) }

// readNumbers gives the whole records of a ledger of numbers.
func readNumbers(dir, name string) ([]uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := make([]uint64, 0, len(b)/numberSize)
	for ; len(b) >= numberSize; b = b[numberSize:] {
		out = append(out, binary.LittleEndian.Uint64(b))
	}
	return out, nil
}

// A line of the ledger of sets: name, generation of the process, version,
// beginning of the payload's SHA-256.
const (
	setLine     = "%-10s %10d %20d %16x\n"
	setLineSize = 10 + 1 + 10 + 1 + 20 + 1 + 16 + 1
)

// heldSet is one set that a reporter put into force.
type heldSet struct {
	name       string
	generation uint64
	version    uint64
	sum        uint64
}

func readSets(dir string) (out []heldSet, err error) {
	b, err := os.ReadFile(filepath.Join(dir, setsLedger))
	if err != nil {
		return nil, err
	}
	for ; len(b) >= setLineSize; b = b[setLineSize:] {
		var s heldSet
		if _, err := fmt.Sscanf(string(b[:setLineSize]), "%s %d %d %x\n", &s.name, &s.generation, &s.version, &s.sum); err != nil {
			return nil, fmt.Errorf("ledger of sets: %q: %w", b[:setLineSize], err)
		}
		out = append(out, s)
	}
	return out, nil
}
