package snapshot

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Name is the name under which manifests are signed.
const Name = "reputation-snapshot"

// Format is the form that this version writes and reads.
const Format = 1

// MaxManifest bounds a manifest in bytes, MaxSources its sources.
const (
	MaxManifest = 4 << 20
	MaxSources  = 4096
)

// Manifest says what a snapshot is made of.
type Manifest struct {
	Format  int      `json:"format"`
	Sources []Source `json:"sources"` // by name
}

// Source is a source and where what it says is found.
type Source struct {
	Name     string          `json:"name"`
	Owner    string          `json:"owner"`
	Trust    uint8           `json:"trust"`
	Licence  string          `json:"licence,omitempty"`
	Kind     reputation.Kind `json:"kind,omitempty"`
	Life     uint32          `json:"life_s,omitempty"`
	List     string          `json:"list,omitempty"` // "allow" or "deny": one of the operator's own
	Imported uint32          `json:"imported"`       // seconds since 1970
	Entries  int             `json:"entries"`
	SHA256   string          `json:"sha256"` // of the packed part, lower-case hexadecimal
	Packed   int64           `json:"packed"` // bytes of it
	Size     int64           `json:"size"`   // bytes of the part unpacked
}

// ManifestSource says of a source what a manifest does, but for its part.
func ManifestSource(s reputation.Source, imported uint32) Source {
	return Source{Name: s.Name, Owner: s.Owner, Trust: s.Trust, Licence: s.Licence, Kind: s.Kind, Life: s.Life,
		List: s.Local.String(), Imported: imported}
}

// Reputation is the source as the ledger takes it.
func (s *Source) Reputation() reputation.Source {
	out := reputation.Source{Name: s.Name, Owner: s.Owner, Trust: s.Trust, Licence: s.Licence, Kind: s.Kind, Life: s.Life}
	switch s.List {
	case "allow":
		out.Local = reputation.LocalAllow
	case "deny":
		out.Local = reputation.LocalDeny
	}
	return out
}

// Totals sums up entries and bytes.
func (m *Manifest) Totals() (entries int, packed, size int64) {
	for i := range m.Sources {
		s := &m.Sources[i]
		entries, packed, size = entries+s.Entries, packed+s.Packed, size+s.Size
	}
	return entries, packed, size
}

// Limits bound what a look-up node takes.
type Limits struct {
	Entries int   // claims
	Packed  int64 // bytes of all parts as they are sent
	Size    int64 // and unpacked
}

// ErrManifest says that bytes are no manifest that can be taken; errors of Parse
// wrap it.
var ErrManifest = errors.New("not a manifest of a reputation snapshot")

// Parse reads a manifest from outside and holds it against the limits.
func Parse(b []byte, most Limits) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("%w: it is larger than %d MB", ErrManifest, MaxManifest>>20)
	}
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", ErrManifest)
	}
	if m.Format != Format {
		return nil, fmt.Errorf("%w: format %d, this version reads %d", ErrManifest, m.Format, Format)
	}
	if len(m.Sources) > MaxSources {
		return nil, fmt.Errorf("%w: %d sources; at most %d", ErrManifest, len(m.Sources), MaxSources)
	}
	for i := range m.Sources {
		if problem := m.Sources[i].problem(most); problem != "" {
			return nil, fmt.Errorf("%w: source %.64q: %s", ErrManifest, m.Sources[i].Name, problem)
		}
		if i > 0 && m.Sources[i].Name <= m.Sources[i-1].Name {
			return nil, fmt.Errorf("%w: source %.64q is there twice or out of order", ErrManifest, m.Sources[i].Name)
		}
	}
	entries, packed, size := m.Totals()
	switch {
	case entries > most.Entries:
		return nil, fmt.Errorf("%w: %d entries; at most %d are taken (max_objects)", ErrManifest, entries, most.Entries)
	case packed > most.Packed || size > most.Size:
		return nil, fmt.Errorf("%w: %d bytes, %d unpacked; at most %d and %d are taken (max_mb)", ErrManifest, packed, size, most.Packed, most.Size)
	}
	return m, nil
}

func (s *Source) problem(most Limits) string {
	switch {
	case s.Name == "" || len(s.Name) > 128:
		return "a name has 1 to 128 bytes"
	case s.Owner == "" || len(s.Owner) > 256 || len(s.Licence) > 1024:
		return "its owner or licence is missing or too long"
	case s.Trust > 100:
		return "trust is 0 to 100"
	case s.List != "" && s.List != "allow" && s.List != "deny":
		return "list is allow, deny or none"
	case s.Entries < 0 || s.Entries > most.Entries || s.Packed <= 0 || s.Packed > most.Packed || s.Size <= 0 || s.Size > most.Size:
		return "its entries or bytes are none or more than is taken (max_objects, max_mb)"
	}
	if raw, err := hex.DecodeString(s.SHA256); err != nil || len(raw) != 32 || hex.EncodeToString(raw) != s.SHA256 {
		return "sha256 is no digest"
	}
	return ""
}
