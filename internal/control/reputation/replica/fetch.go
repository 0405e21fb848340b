package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

// snapshotPath is where a service gives its snapshots.
const snapshotPath = rest.Base + "/reputation/snapshot"

// maxSnapshotAnswer bounds the answer with a manifest: JSON within JSON.
const maxSnapshotAnswer = 2*snapshot.MaxManifest + 64<<10

// snapshotTime bounds one fetch.
const snapshotTime = 5 * time.Minute

// fetch asks the control plane for a newer snapshot.
func (r *Node) fetch(ctx context.Context) error {
	held := r.above()
	ctx, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	body, err := r.get(ctx, "?above="+strconv.FormatUint(held, 10))
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxSnapshotAnswer+1))
	if err != nil {
		return err
	}
	var got rest.ReputationSnapshot
	if len(b) > maxSnapshotAnswer {
		return fmt.Errorf("the manifest is larger than %d MB", snapshot.MaxManifest>>20)
	}
	if err := json.Unmarshal(b, &got); err != nil {
		return fmt.Errorf("%s gives no snapshots: %w", r.cfg.From, err)
	}
	if got.Manifest == "" {
		if got.Version < held {
			return fmt.Errorf("%s has version %d, version %d is held: a snapshot is never taken back", r.cfg.From, got.Version, held)
		}
		return nil // it is held already
	}
	return r.take(ctx, []byte(got.Manifest), got.Minisig, held, r.clock(), r.download)
}

// get asks the control plane for something below snapshotPath.
func (r *Node) get(ctx context.Context, tail string) (io.ReadCloser, error) {
	token, err := r.cfg.token()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.url().JoinPath(snapshotPath).String()+tail, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "masugata-reputation")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		var problem struct {
			Detail string `json:"detail"`
		}
		b, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // what it says besides is all that is lost
		res.Body.Close()
		_ = json.Unmarshal(b, &problem) // no reason is given then
		return nil, fmt.Errorf("%s answered %s %.200s", r.cfg.From, res.Status, problem.Detail)
	}
	return res.Body, nil
}

// download fetches the parts of a snapshot that are not there yet.
func (r *Node) download(ctx context.Context, m *snapshot.Manifest) error {
	if err := r.makeRoom(m); err != nil {
		return err
	}
	for i := range m.Sources {
		src := &m.Sources[i]
		if r.parts.Has(src.SHA256, src.Packed) {
			continue
		}
		body, err := r.get(ctx, "/parts/"+src.SHA256)
		if err != nil {
			return err
		}
		err = r.parts.Take(src.SHA256, src.Packed, body)
		body.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", src.Name, err)
		}
	}
	return nil
}

// makeRoom drops what earlier tries fetched and nobody needs.
func (r *Node) makeRoom(m *snapshot.Manifest) error {
	now := r.Given()
	return r.parts.Drop(&now.Manifest, m)
}

// readFile takes the snapshot of a file that has changed.
func (r *Node) readFile(ctx context.Context) error {
	f, err := os.Open(r.cfg.From)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is no ordinary file", r.cfg.From)
	}
	if r.file != nil && os.SameFile(st, r.file) && st.ModTime().Equal(r.file.ModTime()) && st.Size() == r.file.Size() {
		return nil
	}
	archive, payload, minisig, err := snapshot.OpenArchive(io.LimitReader(f, 2*r.limits.Packed))
	if err != nil {
		return fmt.Errorf("%s: %w", r.cfg.From, err)
	}
	held := r.above()
	if now := r.Given(); now.Version > 0 && string(payload) == string(now.Payload) && minisig == now.Minisig {
		r.file = st
		return nil
	}
	err = r.take(ctx, payload, minisig, held, r.clock(), func(ctx context.Context, m *snapshot.Manifest) error {
		return r.unpackArchive(ctx, m, archive)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.cfg.From, err)
	}
	r.file = st
	return nil
}

// unpackArchive takes the parts that a manifest names out of a file.
func (r *Node) unpackArchive(ctx context.Context, m *snapshot.Manifest, archive *snapshot.Archive) error {
	if err := r.makeRoom(m); err != nil {
		return err
	}
	want := map[string]int64{}
	for i := range m.Sources {
		if src := &m.Sources[i]; !r.parts.Has(src.SHA256, src.Packed) {
			want[src.SHA256] = src.Packed
		}
	}
	for len(want) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		sha, _, body, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%d parts are missing", len(want))
		}
		if err != nil {
			return err
		}
		size, ok := want[sha]
		if !ok {
			continue
		}
		if err := r.parts.Take(sha, size, body); err != nil {
			return err
		}
		delete(want, sha)
	}
	return nil
}
