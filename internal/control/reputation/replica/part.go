package replica

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

// Part is a part of a snapshot that is being read. Close it.
type Part struct {
	file   io.ReadCloser
	z      io.ReadCloser
	digest hash.Hash
	raw    *countedReader
	packed io.Reader
	claims *snapshot.Reader
}

// countedReader counts what is read through it.
type countedReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (t *countedReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	return n, err
}

// Read opens the part of a source to be read unpacked.
func (d Parts) Read(src *snapshot.Source) (*Part, error) {
	f, err := d.Open(src.SHA256)
	if err != nil {
		return nil, err
	}
	p := &Part{file: f, digest: sha256.New()}
	p.packed = io.TeeReader(f, p.digest)
	z, err := unpack(p.packed)
	if err != nil {
		f.Close()
		return nil, err
	}
	p.z = z.IOReadCloser()
	p.raw = &countedReader{r: p.z}
	p.claims = snapshot.NewReader(io.LimitReader(p.raw, src.Size))
	return p, nil
}

// Close ends the reading.
func (p *Part) Close() {
	p.z.Close()
	p.file.Close()
}

// Whole says whether the part was what the manifest says, to its last byte.
func (p *Part) Whole(src *snapshot.Source) error {
	if _, err := io.Copy(io.Discard, p.packed); err != nil {
		return err
	}
	if hex.EncodeToString(p.digest.Sum(nil)) != src.SHA256 {
		return errors.New("its part was changed on disk: its digest is another")
	}
	if p.raw.n != src.Size {
		return fmt.Errorf("its part has %d bytes, not %d", p.raw.n, src.Size)
	}
	return nil
}

// Next reads the next claim; io.EOF after the last.
func (p *Part) Next(c *intel.Claim) error { return p.claims.Next(c) }
