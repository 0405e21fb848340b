package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/masugata/masugata/internal/gate/block"
)

// keeper writes the record of rules in force, the latest one only, away from
// the loop. The file is replaced as a whole, so a process killed at any moment
// leaves the old or the new record.
type keeper struct {
	path string
	log  *slog.Logger
	wake chan struct{}

	mu   sync.Mutex
	next []block.Block
	have bool
}

// record is the content of the file.
type record struct {
	Blocks []block.Block `json:"blocks"`
}

func newKeeper(path string, log *slog.Logger) *keeper {
	return &keeper{path: path, log: log, wake: make(chan struct{}, 1)}
}

// put hands over the blocks to write; it does not wait.
func (k *keeper) put(blocks []block.Block) {
	k.mu.Lock()
	k.next, k.have = blocks, true
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			k.flush()
			return nil
		case <-k.wake:
			k.flush()
		}
	}
}

func (k *keeper) flush() {
	k.mu.Lock()
	blocks, have := k.next, k.have
	k.next, k.have = nil, false
	k.mu.Unlock()
	if !have {
		return
	}
	b, err := json.Marshal(record{blocks})
	if err == nil {
		err = writeWhole(k.path, b)
	}
	if err != nil {
		k.log.Error("record of rules not written; after a restart the data path's own rules are taken over", "error", err)
	}
}

// writeWhole replaces a file as a whole.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

// readBlocks reads the record; none is no error.
func readBlocks(path string) ([]block.Block, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r.Blocks, nil
}
