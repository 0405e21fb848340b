package replica

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

const (
	// Life is how long a signed snapshot may be used; it is signed again
	// at half of it.
	Life = 7 * 24 * time.Hour
	// MadeEvery is the least time between two snapshots.
	MadeEvery = 10 * time.Second
	// keptManifests is how many snapshots' parts are kept, so that a node can
	// still fetch those of one that was replaced while it asked.
	keptManifests = 3
)

// Knowledge is what snapshots are made of.
type Knowledge interface {
	// Serial rises with what is known; ok is false while the service has just
	// started and still takes in what it knew.
	Serial() (serial uint32, ok bool)
	// Read has f read the ledger while imports wait.
	Read(f func(*ledger.Ledger))
}

// Publisher makes signed snapshots of what the service knows when somebody asks
// for one. It is safe for concurrent use. Make it with NewPublisher.
type Publisher struct {
	known  Knowledge
	dir    Parts
	signer *identity.Signer
	log    *slog.Logger
	now    func() time.Time

	making sync.Mutex // held while a snapshot is made; guards what follows
	past   []*snapshot.Manifest
	parts  map[string]madePart // by source
	serial uint32              // of the index when the newest was made
	made   time.Time
	newest Signed
}

// madePart is a part with the revision of its source that it holds.
type madePart struct {
	revision uint64
	source   snapshot.Source
}

// Signed is a manifest as it goes out.
type Signed struct {
	snapshot.Manifest
	Payload []byte
	Minisig string
	Version uint64
	Issued  time.Time
}

// NewPublisher makes snapshots of what is known, signed by signer, in a folder.
func NewPublisher(known Knowledge, dir string, signer *identity.Signer, log *slog.Logger, now func() time.Time) (*Publisher, error) {
	parts, err := OpenParts(dir)
	if err != nil {
		return nil, err
	}
	n := &Publisher{known: known, dir: parts, signer: signer, log: log, now: now, parts: map[string]madePart{}}
	if err := n.dir.Drop(); err != nil { // they are made anew, the same where nothing changed
		return nil, err
	}
	if old, minisig, err := parts.kept(); err == nil && old != nil {
		if info, err := identity.VerifySet(signer.PublicKey(), snapshot.Name, 0, old, minisig, time.Time{}); err == nil {
			n.newest.Version = info.Version
		}
	}
	return n, nil
}

// Parts gives the folder with the parts of the snapshots.
func (n *Publisher) Parts() Parts { return n.dir }

// Key is the public key that signs the snapshots.
func (n *Publisher) Key() string { return n.signer.PublicKey().String() }

// Current gives the newest snapshot, made anew when more is known since.
func (n *Publisher) Current(ctx context.Context) (Signed, error) {
	n.making.Lock()
	defer n.making.Unlock()
	serial, ok := n.known.Serial()
	if !ok {
		return Signed{}, fmt.Errorf("the service has just started and still takes in what it knew: %w", model.ErrConflict)
	}
	now := n.now()
	if n.newest.Payload != nil && now.Sub(n.newest.Issued) < Life/2 && (serial == n.serial || now.Sub(n.made) < MadeEvery) {
		return n.newest, nil
	}
	if err := n.renew(ctx, now); err != nil {
		return Signed{}, fmt.Errorf("make a snapshot: %w", err)
	}
	n.serial, n.made = serial, now
	return n.newest, nil
}

// renew makes a snapshot of what is known now; one that says what the one
// before does keeps its version.
func (n *Publisher) renew(ctx context.Context, now time.Time) error {
	m := snapshot.Manifest{Format: snapshot.Format}
	var sources []intel.Source
	n.known.Read(func(l *ledger.Ledger) { sources = l.Sources() })
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
	if bytes.Equal(payload, n.newest.Payload) && now.Sub(n.newest.Issued) < Life/2 {
		return nil
	}
	info := identity.SetInfo{Name: snapshot.Name, Version: max(uint64(max(now.UnixMilli(), 1)), n.newest.Version+1), Issued: now, Expires: now.Add(Life)}
	signed := Signed{Manifest: m, Payload: payload, Minisig: n.signer.Sign(payload, info.Comment()), Version: info.Version, Issued: now.UTC()}
	if err := n.dir.keep(payload, signed.Minisig); err != nil {
		return err
	}
	n.newest = signed
	n.past = append(n.past, &signed.Manifest)
	n.past = n.past[max(0, len(n.past)-keptManifests):]
	entries, packed, _ := m.Totals()
	n.log.Info("snapshot for look-up nodes made", "version", info.Version, "sources", len(m.Sources), "entries", entries, "bytes", packed)
	return n.dir.Drop(n.past...)
}

// part gives the part of a source, written anew when it says something else
// than when it was last written.
func (n *Publisher) part(src intel.Source) (madePart, error) {
	var revision uint64
	var imported uint32
	n.known.Read(func(l *ledger.Ledger) { revision, imported = l.Revision(src.ID), l.Imported(src.ID) })
	if revision == 0 {
		return madePart{}, nil
	}
	have, ok := n.parts[src.Name]
	if !ok || have.revision != revision || !n.dir.Has(have.source.SHA256, have.source.Packed) {
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
func (n *Publisher) write(raw *os.File, id intel.SourceID) (made madePart, err error) {
	w, entries := snapshot.NewWriter(raw), 0
	n.known.Read(func(l *ledger.Ledger) {
		made.revision, made.source.Imported = l.Revision(id), l.Imported(id)
		l.Claims(id, func(key []byte, c *intel.Claim) bool {
			entries++
			err = w.Write(key, c)
			return err == nil
		})
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return made, err
	}
	if _, err := raw.Seek(0, io.SeekStart); err != nil {
		return made, err
	}
	imported := made.source.Imported
	made.source, err = n.dir.pack(raw)
	made.source.Entries, made.source.Imported = entries, imported
	return made, err
}
