package replica

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

// Parts is the path of a folder that keeps a snapshot: its manifest and packed parts, each under its
// digest. Files appear whole or not at all.
type Parts string

// Names in the folder.
const (
	manifestFile  = "manifest.json"
	signatureFile = "manifest.json.minisig"
	versionFile   = "version"
	partEnding    = ".part"
	newEnding     = ".new"
)

// OpenParts makes the folder where it is not there.
func OpenParts(dir string) (Parts, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("snapshot folder: %w", err)
	}
	return Parts(dir), nil
}

// Path is where a packed part lies.
func (d Parts) Path(sha string) string { return filepath.Join(string(d), sha+partEnding) }

// Has says whether a packed part is there, of its size.
func (d Parts) Has(sha string, size int64) bool {
	st, err := os.Stat(d.Path(sha))
	return err == nil && st.Size() == size
}

// Open opens a packed part; model.ErrNotFound when it is not, or no longer, there.
func (d Parts) Open(sha string) (*os.File, error) {
	if raw, err := hex.DecodeString(sha); err != nil || len(raw) != sha256.Size || strings.ToLower(sha) != sha {
		return nil, fmt.Errorf("part %.80q: want 64 hexadecimal digits: %w", sha, model.ErrInvalid)
	}
	f, err := os.Open(d.Path(sha))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("part %s: of no snapshot, or of an old one: %w", sha, model.ErrNotFound)
	}
	return f, err
}

// Take stores the packed part that r gives if it is the one that is named and
// of its size.
func (d Parts) Take(sha string, size int64, r io.Reader) error {
	f, err := os.CreateTemp(string(d), "*"+newEnding)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, digest), io.LimitReader(r, size+1))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return fmt.Errorf("part %s: %w", sha, err)
	case n != size:
		return fmt.Errorf("part %s has %d bytes or more, not %d", sha, n, size)
	case hex.EncodeToString(digest.Sum(nil)) != sha:
		return fmt.Errorf("part %s was changed on its way: its digest is another", sha)
	}
	return os.Rename(f.Name(), d.Path(sha))
}

// Drop removes the parts that none of the manifests names, and what was left
// half written.
func (d Parts) Drop(keep ...*snapshot.Manifest) error {
	named := map[string]bool{}
	for _, m := range keep {
		if m == nil {
			continue
		}
		for i := range m.Sources {
			named[m.Sources[i].SHA256+partEnding] = true
		}
	}
	files, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, f := range files {
		if name := f.Name(); strings.HasSuffix(name, newEnding) || strings.HasSuffix(name, partEnding) && !named[name] {
			if err := os.Remove(filepath.Join(string(d), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep makes a manifest the one that the folder holds.
func (d Parts) keep(manifest []byte, minisig string) error {
	// The signature goes last: between the two the pair does not fit and is
	// refused at a start, as if there were none.
	if err := identity.WriteFile(filepath.Join(string(d), manifestFile), manifest); err != nil {
		return err
	}
	return identity.WriteFile(filepath.Join(string(d), signatureFile), []byte(minisig))
}

// kept reads the manifest that the folder holds; empty when there is none.
func (d Parts) kept() (manifest []byte, minisig string, err error) {
	manifest, err = readBounded(filepath.Join(string(d), manifestFile), snapshot.MaxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	sig, err := readBounded(filepath.Join(string(d), signatureFile), maxMinisig)
	return manifest, string(sig), err
}

// maxMinisig bounds a signature, in bytes.
const maxMinisig = 4 << 10

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return b, err
}

// counted counts and digests what is written through it.
type counted struct {
	w      io.Writer
	n      int64
	digest hash.Hash
}

// Write implements io.Writer.
func (t *counted) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.n += int64(n)
	_, _ = t.digest.Write(b[:n]) // never fails, see hash.Hash
	return n, err
}

// packWindow is the window of packed parts, in bytes: what a reader needs of
// memory.
const packWindow = 1 << 20

// pack stores a part that lies unpacked in a file and gives its digest and
// sizes.
func (d Parts) pack(raw *os.File) (one snapshot.Source, err error) {
	f, err := os.CreateTemp(string(d), "*"+newEnding)
	if err != nil {
		return one, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	out := &counted{w: f, digest: sha256.New()}
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow))
	if err != nil {
		return one, err
	}
	if one.Size, err = io.Copy(z, raw); err != nil {
		return one, err
	}
	if err := errors.Join(z.Close(), f.Sync()); err != nil {
		return one, err
	}
	one.SHA256, one.Packed = hex.EncodeToString(out.digest.Sum(nil)), out.n
	return one, os.Rename(f.Name(), d.Path(one.SHA256))
}

// unpack reads a packed part.
func unpack(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(packWindow))
}
