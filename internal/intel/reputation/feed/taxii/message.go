package taxii

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MediaType is the type of all messages (section 1.6.8).
const MediaType = "application/taxii+json;version=2.1"

// STIXType is the type of the objects in envelopes.
const STIXType = "application/stix+json;version=2.1"

// MaxMessage is how many bytes a message other than an envelope may have, and
// MaxItems how many collections or API roots.
const (
	MaxMessage = 4 << 20
	MaxItems   = 10_000
)

// Discovery is what a server tells of itself at /taxii2/ (section 4.1).
type Discovery struct {
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Contact     string   `json:"contact,omitempty"`
	Default     string   `json:"default,omitempty"`
	APIRoots    []string `json:"api_roots,omitempty"` // URLs, absolute or of the same server
}

// APIRoot is what a group of collections tells of itself (section 4.2).
type APIRoot struct {
	Title            string   `json:"title"`
	Description      string   `json:"description,omitempty"`
	Versions         []string `json:"versions"`
	MaxContentLength int64    `json:"max_content_length"` // of what it accepts, bytes
}

// Speaks says whether the API root knows TAXII 2.1.
func (a APIRoot) Speaks() bool {
	for _, v := range a.Versions {
		if Accepts(v) {
			return true
		}
	}
	return false
}

// Collection is one collection (section 5.2).
type Collection struct {
	ID          string   `json:"id"` // UUID
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Alias       string   `json:"alias,omitempty"`
	CanRead     bool     `json:"can_read"`
	CanWrite    bool     `json:"can_write"`
	MediaTypes  []string `json:"media_types,omitempty"`
}

// Collections is the list of an API root's collections (section 5.1).
type Collections struct {
	Collections []Collection `json:"collections,omitempty"`
}

// Find gives the collection with an identifier or alias, or else with a title.
func (c Collections) Find(name string) (Collection, bool) {
	for _, one := range c.Collections {
		if strings.EqualFold(one.ID, name) || one.Alias != "" && one.Alias == name {
			return one, true
		}
	}
	for _, one := range c.Collections {
		if name != "" && one.Title == name {
			return one, true
		}
	}
	return Collection{}, false
}

// Status is how a server's work on posted objects goes (section 4.3).
type Status struct {
	ID        string         `json:"id"`
	Status    string         `json:"status"` // "complete" or "pending"
	Total     int            `json:"total_count"`
	Success   int            `json:"success_count"`
	Failure   int            `json:"failure_count"`
	Pending   int            `json:"pending_count"`
	Failures  []StatusDetail `json:"failures,omitempty"`
	Requested string         `json:"request_timestamp,omitempty"`
}

// StatusDetail is what became of one object.
type StatusDetail struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Message string `json:"message,omitempty"`
}

// Problem is an error message (section 3.6.1). It is an error.
type Problem struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	HTTPStatus  string `json:"http_status,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string {
	s := p.Title
	if p.HTTPStatus != "" {
		s = p.HTTPStatus + " " + s
	}
	if p.Description != "" {
		s += ": " + p.Description
	}
	return s
}

// message is what Decode reads.
type message interface {
	Discovery | APIRoot | Collections | Status | Problem | ManifestPage
}

// Decode reads one message of at most MaxMessage bytes. Members that are not known
// are passed over, as the standard asks. The error says which message it was not.
func Decode[M message](r io.Reader) (M, error) {
	var m, none M
	name := strings.TrimPrefix(fmt.Sprintf("%T", m), "taxii.")
	b, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	switch {
	case err != nil:
		return none, fmt.Errorf("TAXII %s: %w", name, err)
	case len(b) > MaxMessage:
		return none, fmt.Errorf("TAXII %s: more than %d MB", name, MaxMessage>>20)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return none, fmt.Errorf("TAXII %s: %w", name, err)
	}
	if err := check(any(&m)); err != nil {
		return none, fmt.Errorf("TAXII %s: %w", name, err)
	}
	return m, nil
}

// check holds a message to what the standard requires.
func check(m any) error {
	switch m := m.(type) {
	case *Discovery:
		if m.Title == "" {
			return errors.New("it has no title")
		}
		return few(len(m.APIRoots))
	case *APIRoot:
		if len(m.Versions) == 0 {
			return errors.New("it names no versions")
		}
		return few(len(m.Versions))
	case *Collections:
		for _, c := range m.Collections {
			if !isID(c.ID) {
				return fmt.Errorf("a collection has the identifier %.40q, which cannot stand in a path", c.ID)
			}
		}
		return few(len(m.Collections))
	case *Problem:
		if m.Title == "" {
			return errors.New("it has no title")
		}
	}
	return nil
}

func few(n int) error {
	if n > MaxItems {
		return fmt.Errorf("it lists more than %d things", MaxItems)
	}
	return nil
}

// isID says whether an identifier can stand in a path as it is.
func isID(s string) bool {
	for i := range len(s) {
		ch := s[i]
		if (ch < '0' || ch > '9') && (ch < 'a' || ch > 'z') && (ch < 'A' || ch > 'Z') && ch != '-' && ch != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// Accepts says whether an Accept or Content-Type header allows messages of TAXII 2.1:
// without a version, the newest is meant. An empty header allows nothing.
func Accepts(header string) bool {
	for _, one := range strings.Split(header, ",") {
		parts := strings.Split(one, ";")
		if kind := strings.ToLower(strings.TrimSpace(parts[0])); kind != "application/taxii+json" {
			continue
		}
		fits := true
		for _, p := range parts[1:] {
			name, value, _ := strings.Cut(p, "=")
			if strings.EqualFold(strings.TrimSpace(name), "version") {
				fits = strings.Trim(strings.TrimSpace(value), `"`) == "2.1"
			}
		}
		if fits {
			return true
		}
	}
	return false
}
