package spool

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// plan is one record of a lane's log: which records a batch is made of.
type plan struct {
	gen        uint64 // rises with every batch of the lane, over all epochs
	epoch, seq uint64
	boot       [16]byte // the kernel's boot id when it was written
	ranges     [3]span  // most important class first
}

// lane is one row of batches.
type lane struct {
	file    *os.File
	last    plan
	pending bool // last was not acknowledged
	fresh   bool // begin a new epoch with the next batch
	boot    [16]byte
	events  []byte // the bytes of the last Batch, reused
}

const (
	slotSize  = 4096 // apart by a page, so that a torn write spoils one slot only
	planSize  = 4 + 4 + 8*3 + 16 + 3*20
	planMagic = 0x31676d73 // "smg1"
)

// open reads the newest sound slot. The batch in it counts as not
// acknowledged: sending it again does no harm.
func (l *lane) open(path string, boot [16]byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	l.file, l.boot, l.fresh = f, boot, true
	for slot := range 2 {
		b := make([]byte, planSize)
		if _, err := f.ReadAt(b, int64(slot)*slotSize); err != nil {
			continue // shorter: never written
		}
		if p, ok := parsePlan(b); ok && p.gen > l.last.gen {
			l.last, l.pending = p, true
		}
	}
	return nil
}

// fix numbers a batch and writes it to the slot not used last.
func (l *lane) fix(ranges [3]span, sync bool) error {
	p := l.last
	p.gen++
	p.seq++
	p.boot, p.ranges = l.boot, ranges
	if p.epoch == 0 || l.fresh {
		p.epoch, p.seq = newEpoch(), 1
	}
	if _, err := l.file.WriteAt(p.append(nil), int64(p.gen%2)*slotSize); err != nil {
		return fmt.Errorf("number a batch: %w", err)
	}
	if sync {
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("number a batch: %w", err)
		}
	}
	l.last, l.pending, l.fresh = p, true, false
	return nil
}

// newEpoch gives a random number of 63 bits, not 0: stores keep it signed.
func newEpoch() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(b[:])>>1 | 1
}

func (p *plan) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, planMagic)
	b = le.AppendUint32(b, 0) // checksum, below
	b = le.AppendUint64(b, p.gen)
	b = le.AppendUint64(b, p.epoch)
	b = le.AppendUint64(b, p.seq)
	b = append(b, p.boot[:]...)
	for _, r := range p.ranges {
		for _, v := range [...]uint32{r.start.seg, r.start.off, r.end.seg, r.end.off, r.count} {
			b = le.AppendUint32(b, v)
		}
	}
	le.PutUint32(b[4:], castagnoli(b[8:]))
	return b
}

func parsePlan(b []byte) (p plan, ok bool) {
	le := binary.LittleEndian
	if len(b) != planSize || le.Uint32(b) != planMagic || le.Uint32(b[4:]) != castagnoli(b[8:]) {
		return p, false
	}
	p.gen, p.epoch, p.seq = le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	copy(p.boot[:], b[32:])
	for i := range p.ranges {
		r, at := &p.ranges[i], b[48+20*i:]
		r.start = place{le.Uint32(at), le.Uint32(at[4:])}
		r.end = place{le.Uint32(at[8:]), le.Uint32(at[12:])}
		r.count = le.Uint32(at[16:])
	}
	return p, true
}

func (l *lane) close() {
	if l.file != nil {
		_ = l.file.Close() // nothing is buffered
	}
}

// bootID names this run of the kernel; zero where it cannot be told, which
// counts as never having restarted.
func bootID() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	_, _ = hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")))
	return id
}
