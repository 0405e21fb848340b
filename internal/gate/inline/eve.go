package inline

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// journal is a file of records that is put aside when it has grown. Workers
// share it. Each Write is one record and is never torn.
type journal struct {
	mu   sync.Mutex
	cfg  Eve
	file *os.File
	w    *bufio.Writer
	size int64
}

func openJournal(cfg Eve) (*journal, error) {
	j := &journal{cfg: cfg}
	if err := j.open(); err != nil {
		return nil, fmt.Errorf("inspection.eve: %w", err)
	}
	return j, nil
}

func (j *journal) open() error {
	f, err := os.OpenFile(j.cfg.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size, j.w = f, st.Size(), bufio.NewWriterSize(f, 1<<17)
	return nil
}

// Write implements io.Writer.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cfg.MaxBytes > 0 && j.size > 0 && j.size+int64(len(b)) > j.cfg.MaxBytes {
		if err := j.rotate(); err != nil {
			return 0, err
		}
	}
	j.size += int64(len(b))
	return j.w.Write(b)
}

// rotate puts the file aside as PATH.1, that as PATH.2, and so on.
func (j *journal) rotate() error {
	err := j.close()
	for n := j.cfg.Keep - 1; n >= 0; n-- {
		from := j.cfg.Path
		if n > 0 {
			from = fmt.Sprintf("%s.%d", j.cfg.Path, n)
		}
		if e := os.Rename(from, fmt.Sprintf("%s.%d", j.cfg.Path, n+1)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if j.cfg.Keep == 0 {
		err = errors.Join(err, os.Remove(j.cfg.Path))
	}
	return errors.Join(err, j.open())
}

func (j *journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.w.Flush()
}

func (j *journal) close() error { return errors.Join(j.w.Flush(), j.file.Close()) }
