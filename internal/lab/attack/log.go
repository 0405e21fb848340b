package attack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Step is the resolution of a log.
const Step = 5 * time.Millisecond

const (
	logSteps = int(MaxDuration/Step) + 400
	logWords = 3 + logSteps // of 8 bytes
)

// Log is what a bot sent, in a file that both the bot and the lab can read at
// any time, also after the bot was killed.
type Log struct {
	First, Last time.Time // wall clock of the first and the last packet; zero when none was sent
	Sent        uint64
	Steps       []uint32 // packets in each Step after First
}

// After gives how many packets were sent at or after a moment, to the
// resolution of a Step.
func (l *Log) After(t time.Time) uint64 {
	var n uint64
	from := int(t.Sub(l.First) / Step)
	for i := max(from, 0); i < len(l.Steps); i++ {
		n += uint64(l.Steps[i])
	}
	return n
}

// ReadLog reads the log at path.
func ReadLog(path string) (*Log, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("attack log: %w", err)
	}
	if len(b) != logWords*8 {
		return nil, fmt.Errorf("attack log %s: %d bytes, want %d", path, len(b), logWords*8)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[i*8:]) }
	l := &Log{Sent: word(2)}
	if word(0) == 0 {
		return l, nil
	}
	l.First, l.Last = time.Unix(0, int64(word(0))), time.Unix(0, int64(word(1)))
	for i := 0; i <= int(l.Last.Sub(l.First)/Step) && i < logSteps; i++ {
		l.Steps = append(l.Steps, uint32(word(3+i)))
	}
	return l, nil
}

// logFile is the bot's side. It is safe for concurrent use.
type logFile struct {
	words []uint64
	raw   []byte
}

func createLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("attack log: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(int64(logWords * 8)); err != nil {
		return nil, fmt.Errorf("attack log: %w", err)
	}
	raw, err := unix.Mmap(int(f.Fd()), 0, logWords*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("attack log: map %s: %w", path, err)
	}
	return &logFile{words: unsafe.Slice((*uint64)(unsafe.Pointer(&raw[0])), logWords), raw: raw}, nil
}

// begin notes the moment just before the first packet.
func (l *logFile) begin() { atomic.CompareAndSwapUint64(&l.words[0], 0, uint64(time.Now().UnixNano())) }

// sent notes n packets sent now and gives the total.
func (l *logFile) sent(n int) uint64 {
	now := uint64(time.Now().UnixNano())
	first := atomic.LoadUint64(&l.words[0])
	if now < first {
		now = first // the clock was set back
	}
	atomic.StoreUint64(&l.words[1], now)
	if i := (now - first) / uint64(Step); i < uint64(logSteps) {
		atomic.AddUint64(&l.words[3+i], uint64(n))
	}
	return atomic.AddUint64(&l.words[2], uint64(n))
}

func (l *logFile) close() error {
	return errors.Join(unix.Munmap(l.raw))
}
