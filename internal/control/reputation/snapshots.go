package reputation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
)

const (
	// snapshotLife is how long a signed snapshot may be used; it is signed again
	// at half of it.
	snapshotLife = 7 * 24 * time.Hour
	// snapshotEvery is the least time between two snapshots.
	snapshotEvery = 10 * time.Second
	// keptManifests is how many snapshots' parts are kept, so that a node can
	// still fetch those of one that was replaced while it asked.
	keptManifests = 3
)

// snapshots makes signed snapshots of what the service knows when somebody asks
// for one.
type snapshots struct {
	s      *Service
	dir    partFolder
	signer *identity.Signer

	making sync.Mutex // held while a snapshot is made; guards what follows
	past   []*snapshot.Manifest
	parts  map[string]madePart // by source
	serial uint32              // of the index when the newest was made
	made   time.Time
	newest signedManifest
}

// madePart is a part with the revision of its source that it holds.
type madePart struct {
	revision uint64
	source   snapshot.Source
}

// signedManifest is a manifest as it goes out.
type signedManifest struct {
	snapshot.Manifest
	payload []byte
	minisig string
	version uint64
	issued  time.Time
}

// Publish has the service give signed snapshots to look-up nodes. Call it
// before Run. The folder is below the service's own.
func (s *Service) Publish(signer *identity.Signer) error {
	dir, err := openParts(filepath.Join(string(s.dir), "snapshot"))
	if err != nil {
		return err
	}
	n := &snapshots{s: s, dir: dir, signer: signer, parts: map[string]madePart{}}
	if err := n.dir.drop(); err != nil { // they are made anew, the same where nothing changed
		return err
	}
	if old, minisig, err := dir.kept(); err == nil && old != nil {
		if info, err := identity.VerifySet(signer.PublicKey(), snapshot.Name, 0, old, minisig, time.Time{}); err == nil {
			n.newest.version = info.Version
		}
	}
	s.snapshots = n
	return nil
}

var errNoSnapshots = fmt.Errorf("this service gives no snapshots: %w", errConflict)

// Snapshot implements the console's ReputationSnapshots.
func (s *Service) Snapshot(ctx context.Context, above uint64) (rest.ReputationSnapshot, error) {
	var m signedManifest
	var key string
	switch {
	case s.replica != nil: // it hands on what it was given
		m, key = s.replica.given(), s.replica.key.String()
		if m.version == 0 {
			return rest.ReputationSnapshot{}, fmt.Errorf("this look-up node has no snapshot yet: %w", errConflict)
		}
	case s.snapshots == nil:
		return rest.ReputationSnapshot{}, errNoSnapshots
	default:
		var err error
		if m, err = s.snapshots.current(ctx); err != nil {
			return rest.ReputationSnapshot{}, err
		}
		key = s.snapshots.signer.PublicKey().String()
	}
	entries, packed, _ := m.Totals()
	out := rest.ReputationSnapshot{Version: m.version, Key: key, Entries: entries, Bytes: packed, Issued: m.issued}
	if m.version > above {
		out.Manifest, out.Minisig = string(m.payload), m.minisig
	}
	return out, nil
}

// SnapshotPart implements the console's ReputationSnapshots.
func (s *Service) SnapshotPart(_ context.Context, sha string) (io.ReadCloser, int64, error) {
	dir := partFolder("")
	switch {
	case s.replica != nil:
		dir = s.replica.parts
	case s.snapshots != nil:
		dir = s.snapshots.dir
	default:
		return nil, 0, errNoSnapshots
	}
	f, err := dir.open(sha)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// current gives the newest snapshot, made anew when more is known since.
func (n *snapshots) current(ctx context.Context) (signedManifest, error) {
	if !n.s.restored.Load() {
		return signedManifest{}, fmt.Errorf("the service has just started and still takes in what it knew: %w", errConflict)
	}
	n.making.Lock()
	defer n.making.Unlock()
	serial, now := n.s.table.Load().serial, n.s.now()
	if n.newest.payload != nil && now.Sub(n.newest.issued) < snapshotLife/2 && (serial == n.serial || now.Sub(n.made) < snapshotEvery) {
		return n.newest, nil
	}
	if err := n.renew(ctx, now); err != nil {
		return signedManifest{}, fmt.Errorf("make a snapshot: %w", err)
	}
	n.serial, n.made = serial, now
	return n.newest, nil
}

// renew makes a snapshot of what is known now; one that says what the one
// before does keeps its version.
func (n *snapshots) renew(ctx context.Context, now time.Time) error {
	m := snapshot.Manifest{Format: snapshot.Format}
	n.s.mu.RLock()
	sources := n.s.ledger.Sources()
	n.s.mu.RUnlock()
	slices.SortFunc(sources, func(a, b intel.Source) int { return strings.Compare(a.Name, b.Name) })
	parts := make(map[string]madePart, len(sources))
	for _, src := range sources {
		if err := ctx.Err(); err != nil {
			return err
		}
		one, err := n.part(src)
		if err != nil {
			return fmt.Errorf("%s: %w", src.Name, err)
		}
		if one.revision != 0 {
			parts[src.Name] = one
			m.Sources = append(m.Sources, one.source)
		}
	}
	payload, err := json.Marshal(&m)
	if err != nil {
		return err
	}
	n.parts = parts
	if bytes.Equal(payload, n.newest.payload) && now.Sub(n.newest.issued) < snapshotLife/2 {
		return nil
	}
	info := identity.SetInfo{Name: snapshot.Name, Version: max(uint64(max(now.UnixMilli(), 1)), n.newest.version+1), Issued: now, Expires: now.Add(snapshotLife)}
	signed := signedManifest{Manifest: m, payload: payload, minisig: n.signer.Sign(payload, info.Comment()), version: info.Version, issued: now.UTC()}
	if err := n.dir.keep(payload, signed.minisig); err != nil {
		return err
	}
	n.newest = signed
	n.past = append(n.past, &signed.Manifest)
	n.past = n.past[max(0, len(n.past)-keptManifests):]
	entries, packed, _ := m.Totals()
	n.s.log.Info("snapshot for look-up nodes made", "version", info.Version, "sources", len(m.Sources), "entries", entries, "bytes", packed)
	return n.dir.drop(n.past...)
}

// part gives the part of a source, written anew when it says something else
// than when it was last written.
func (n *snapshots) part(src intel.Source) (madePart, error) {
	n.s.mu.RLock()
	revision, imported := n.s.ledger.Revision(src.ID), n.s.ledger.Imported(src.ID)
	n.s.mu.RUnlock()
	if revision == 0 {
		return madePart{}, nil
	}
	have, ok := n.parts[src.Name]
	if !ok || have.revision != revision || !n.dir.has(have.source.SHA256, have.source.Packed) {
		raw, err := os.CreateTemp(string(n.dir), "*"+newEnding)
		if err != nil {
			return madePart{}, err
		}
		defer os.Remove(raw.Name())
		defer raw.Close()
		if have, err = n.write(raw, src.ID); err != nil {
			return madePart{}, err
		}
		imported = have.source.Imported
	}
	one := snapshot.ManifestSource(src, imported)
	one.Entries, one.SHA256, one.Packed, one.Size = have.source.Entries, have.source.SHA256, have.source.Packed, have.source.Size
	return madePart{have.revision, one}, nil
}

// write writes what a source says to raw while imports wait, and packs it when
// they go on.
func (n *snapshots) write(raw *os.File, id intel.SourceID) (made madePart, err error) {
	w, entries := snapshot.NewWriter(raw), 0
	n.s.mu.RLock()
	revision, imported := n.s.ledger.Revision(id), n.s.ledger.Imported(id)
	n.s.ledger.Claims(id, func(key []byte, c *intel.Claim) bool {
		entries++
		err = w.Write(key, c)
		return err == nil
	})
	n.s.mu.RUnlock()
	if err := errors.Join(err, w.Close()); err != nil {
		return made, err
	}
	if _, err := raw.Seek(0, io.SeekStart); err != nil {
		return made, err
	}
	made.source, err = n.dir.pack(raw)
	made.revision, made.source.Entries, made.source.Imported = revision, entries, imported
	return made, err
}
