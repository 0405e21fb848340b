package snapshot

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A snapshot in one file is a tar archive (POSIX.1-1988) of these entries, in
// this order, and then the packed parts in the order of the manifest.
const (
	archiveManifest  = "manifest.json"
	archiveSignature = "manifest.json.minisig"
	archiveParts     = "parts/"
	maxSignature     = 4 << 10
)

// WriteArchive writes a snapshot as one file. part gives the packed bytes of a
// source's part; sources with the same part are asked for once.
func WriteArchive(w io.Writer, m *Manifest, payload []byte, minisig string, part func(s *Source, w io.Writer) error) error {
	t := tar.NewWriter(w)
	entry := func(name string, size int64) error {
		return t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	}
	for _, one := range []struct{ name, text string }{{archiveManifest, string(payload)}, {archiveSignature, minisig}} {
		if err := entry(one.name, int64(len(one.text))); err != nil {
			return err
		}
		if _, err := io.WriteString(t, one.text); err != nil {
			return err
		}
	}
	written := map[string]bool{}
	for i := range m.Sources {
		s := &m.Sources[i]
		if written[s.SHA256] {
			continue
		}
		written[s.SHA256] = true
		if err := entry(archiveParts+s.SHA256, s.Packed); err != nil {
			return err
		}
		if err := part(s, t); err != nil {
			return err
		}
	}
	return t.Close()
}

// Archive reads a snapshot in one file. It is for one goroutine.
type Archive struct{ t *tar.Reader }

// ErrArchive says that a file is no snapshot; errors of Archive wrap it.
var ErrArchive = errors.New("not a file with a reputation snapshot")

// OpenArchive reads the beginning: the manifest and its signature, neither of
// them checked.
func OpenArchive(r io.Reader) (a *Archive, payload []byte, minisig string, err error) {
	a = &Archive{tar.NewReader(r)}
	if payload, err = a.small(archiveManifest, MaxManifest); err != nil {
		return nil, nil, "", err
	}
	sig, err := a.small(archiveSignature, maxSignature)
	return a, payload, string(sig), err
}

func (a *Archive) small(name string, most int64) ([]byte, error) {
	h, err := a.t.Next()
	if err != nil {
		return nil, cut(err)
	}
	if h.Name != name || h.Size > most {
		return nil, fmt.Errorf("%w: %.80q of %d bytes stands where %s should", ErrArchive, h.Name, h.Size, name)
	}
	b, err := io.ReadAll(a.t)
	if err != nil {
		return nil, cut(err)
	}
	return b, nil
}

// Next gives the digest of the next part and its packed bytes, which are to be
// read before Next is called again. The error is io.EOF at the end.
func (a *Archive) Next() (sha string, size int64, r io.Reader, err error) {
	h, err := a.t.Next()
	if errors.Is(err, io.EOF) {
		return "", 0, nil, io.EOF
	}
	if err != nil {
		return "", 0, nil, cut(err)
	}
	sha, ok := strings.CutPrefix(h.Name, archiveParts)
	if !ok {
		return "", 0, nil, fmt.Errorf("%w: %.80q is no part", ErrArchive, h.Name)
	}
	return sha, h.Size, a.t, nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}
