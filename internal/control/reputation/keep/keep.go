// Package keep keeps on disk what the reputation service must not forget: small
// files as JSON that people may read, and sealed files whose name, version,
// length and SHA-256 are checked. Files appear whole or not at all. It does not
// know what they hold. internal/control/reputation and its packages call it.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

// Folder is the path of the folder.
type Folder string

// Open makes the folder where it is not there.
func Open(dir string) (Folder, error) {
	return Folder(dir), os.MkdirAll(dir, 0o700)
}

// Path is where a file of the folder lies.
func (d Folder) Path(name string) string { return filepath.Join(string(d), name) }

// WriteJSON replaces a small file of the folder; model.ErrConflict when it would be
// too large to be read again.
func (d Folder) WriteJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if len(b) >= MaxJSON { // it could not be read again
		return fmt.Errorf("%s would have %d MB; at most %d are kept: %w", name, len(b)>>20, MaxJSON>>20, model.ErrConflict)
	}
	return identity.WriteFile(d.Path(name), b)
}

// MaxJSON bounds a small file of the folder, in bytes.
const MaxJSON = 64 << 20

// ReadJSON reads a small file of the folder; a file that is not there leaves v.
func (d Folder) ReadJSON(name string, v any) error {
	f, err := os.Open(d.Path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxJSON))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}
