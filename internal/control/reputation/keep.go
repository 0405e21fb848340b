package reputation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/link/identity"
)

// copiesFolder is the folder within with the copies of feeds.
const copiesFolder = "feeds"

// folder keeps on disk what the service must not forget. Files appear
// whole or not at all.
type folder string

// openFolder makes the folder, and the one within it for copies of feeds, where
// they are not there.
func openFolder(dir string) (folder, fetch.Copies, error) {
	copies, err := fetch.OpenCopies(filepath.Join(dir, copiesFolder))
	if err != nil {
		return "", "", fmt.Errorf("reputation folder: %w", err)
	}
	return folder(dir), copies, nil
}

// writeJSON replaces a small file of the folder.
func (d folder) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if len(b) >= maxKept { // it could not be read again
		return fmt.Errorf("%s would have %d MB; at most %d are kept: %w", name, len(b)>>20, maxKept>>20, errConflict)
	}
	return identity.WriteFile(filepath.Join(string(d), name), b)
}

// maxKept bounds a small file of the folder, in bytes.
const maxKept = 64 << 20

// readJSON reads a small file of the folder; a file that is not there leaves v.
func (d folder) readJSON(name string, v any) error {
	f, err := os.Open(filepath.Join(string(d), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKept))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// writeFile replaces a file of the folder.
func writeFile(path string, b []byte) error { return identity.WriteFile(path, b) }
