package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/masugata/masugata/internal/link/wire"
)

// setDir is the folder of signed sets inside the identity's.
const setDir = "sets"

// LoadSet reads a signed set from an identity's folder, nil if there is none.
// It is not verified: see VerifySet.
func LoadSet(dir, name string) (*wire.SignedSet, error) {
	b, err := os.ReadFile(filepath.Join(dir, setDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load set: %w", err)
	}
	set := new(wire.SignedSet)
	if err := set.Decode(b); err != nil {
		return nil, fmt.Errorf("load set %s: %w", name, err)
	}
	if set.Name != name {
		return nil, fmt.Errorf("load set %s: the file holds set %.40q", name, set.Name)
	}
	return set, nil
}

// SaveSet replaces a signed set in an identity's folder, whole or not at all.
func SaveSet(dir string, set *wire.SignedSet) error {
	if set.Name == "" || strings.ContainsAny(set.Name, "/\\.\x00") {
		return fmt.Errorf("save set: %.40q is no name of a set", set.Name)
	}
	dir = filepath.Join(dir, setDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save set: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, set.Name), set.AppendTo(nil)); err != nil {
		return fmt.Errorf("save set: %w", err)
	}
	return nil
}

// DropSets removes all signed sets from an identity's folder.
func DropSets(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, setDir)); err != nil {
		return fmt.Errorf("drop sets: %w", err)
	}
	return nil
}
