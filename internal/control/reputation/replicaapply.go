package reputation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

// laid is a source of a snapshot that lies beside what is in force.
type laid struct {
	source *snapshot.Source
	imp    *ledger.Import
}

// apply puts a snapshot whose parts are all there into force: all of it at
// once, or nothing.
func (r *replica) apply(ctx context.Context, m *snapshot.Manifest) error {
	r.s.work.Lock()
	defer r.s.work.Unlock()
	entries := map[string]rest.ReputationEntry{}
	var beside []laid
	for i := range m.Sources {
		src := &m.Sources[i]
		if r.spares(src.Name) || r.applied[src.Name] == src.SHA256 && src.List == "" {
			continue
		}
		imp, err := r.lay(ctx, src, entries)
		if err != nil {
			r.abort(beside)
			return fmt.Errorf("%s: %w", src.Name, err)
		}
		beside = append(beside, laid{src, imp})
	}
	r.commit(m, beside)
	r.showSources(m)
	if !r.follows {
		r.s.state.Lock()
		r.s.entries = entries
		r.s.state.Unlock()
	}
	r.s.restored.Store(true)
	return r.s.rebuild()
}

// spares says whether a source is this instance's own: it follows another one
// and has lists and sensors itself.
func (r *replica) spares(name string) bool { return r.follows && strings.HasPrefix(name, ownPrefix) }

// showFollowed tells what the instance that fetches got of each feed.
func (r *replica) showFollowed(m *snapshot.Manifest) {
	r.s.state.Lock()
	defer r.s.state.Unlock()
	for i := range m.Sources {
		if fs := r.s.feeds[m.Sources[i].Name]; fs != nil && !fs.upload {
			fs.view.State, fs.view.Problem, fs.view.Entries = stateOK, "", m.Sources[i].Entries
			fs.view.Good = time.Unix(int64(m.Sources[i].Imported), 0).UTC()
		}
	}
}

// lay reads the part of a source into an import that is not in force yet.
func (r *replica) lay(ctx context.Context, src *snapshot.Source, entries map[string]rest.ReputationEntry) (*ledger.Import, error) {
	p, err := r.openPart(src)
	if err != nil {
		return nil, err
	}
	defer p.close()
	r.s.mu.Lock()
	id := r.s.ledger.Source(src.Reputation())
	imp, err := r.s.ledger.Import(id, src.Imported)
	r.s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err = r.fill(ctx, src, p, imp, entries); err == nil {
		err = p.whole(src)
	}
	if err != nil {
		r.abort([]laid{{src, imp}})
		return nil, err
	}
	return imp, nil
}

// fill hands the claims of a part to an import.
func (r *replica) fill(ctx context.Context, src *snapshot.Source, p *openedPart, imp *ledger.Import, entries map[string]rest.ReputationEntry) error {
	batch := make([]intel.Claim, 0, intakeBatch)
	n := 0
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		for batch = batch[:0]; len(batch) < cap(batch); {
			var c intel.Claim
			err := p.claims.Next(&c)
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return err
			}
			batch = append(batch, c)
			if src.List != "" && src.Name != ownPrefix+"own" {
				showEntry(entries, src.List, &c)
			}
		}
		if n += len(batch); n > src.Entries {
			return fmt.Errorf("its part has more than %d entries", src.Entries)
		}
		if err := r.add(imp, batch); err != nil {
			return err
		}
	}
	if n != src.Entries {
		return fmt.Errorf("its part has %d entries of %d", n, src.Entries)
	}
	return nil
}

// add hands claims to an import; what ended before it was read is left out, as
// it would be in the service.
func (r *replica) add(imp *ledger.Import, batch []intel.Claim) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.tune()
	for i := range batch {
		err := imp.Add(&batch[i])
		var refusal *ledger.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return err
		}
	}
	return nil
}

func (r *replica) abort(beside []laid) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, one := range beside {
		one.imp.Abort()
	}
}

// commit puts what lies beside into force, all sources in one go, and forgets
// those that the snapshot does not name.
func (r *replica) commit(m *snapshot.Manifest, beside []laid) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, one := range beside {
		one.imp.Commit()
	}
	named := make(map[string]string, len(m.Sources))
	for i := range m.Sources {
		src := &m.Sources[i]
		if r.spares(src.Name) {
			continue
		}
		r.s.ledger.Source(src.Reputation()) // trust and the like may have changed alone
		named[src.Name] = src.SHA256
	}
	for _, old := range r.s.ledger.Sources() {
		if _, ok := named[old.Name]; !ok && !r.spares(old.Name) {
			r.s.ledger.Forget(old.ID)
		}
	}
	r.applied = named
}

// openedPart is a part that is being read.
type openedPart struct {
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

func (r *replica) openPart(src *snapshot.Source) (*openedPart, error) {
	f, err := r.parts.open(src.SHA256)
	if err != nil {
		return nil, err
	}
	p := &openedPart{file: f, digest: sha256.New()}
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

func (p *openedPart) close() {
	p.z.Close()
	p.file.Close()
}

// whole says whether the part was what the manifest says, to its last byte.
func (p *openedPart) whole(src *snapshot.Source) error {
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
