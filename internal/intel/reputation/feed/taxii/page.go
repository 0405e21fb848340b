package taxii

import (
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"
)

// DefaultLimit is how many objects a page has when nobody asks for a number.
const DefaultLimit = 1_000

// Record is an object of a collection on the server's side.
type Record struct {
	Number  uint64 // rises with each record that is added, so that pages stay right meanwhile
	ID      string
	Type    string // "indicator"
	Added   time.Time
	Version time.Time // its modified time
	First   bool      // no older version of it is in the collection
	Last    bool      // no newer version of it is in the collection
	Object  []byte    // JSON of STIX; only read
}

// ManifestRecord is what a manifest says of an object (section 5.3).
type ManifestRecord struct {
	ID        string `json:"id"`
	DateAdded string `json:"date_added"`
	Version   string `json:"version"`
	MediaType string `json:"media_type,omitempty"`
}

// ManifestPage is one page of a manifest.
type ManifestPage struct {
	More    bool             `json:"more,omitempty"`
	Next    string           `json:"next,omitempty"`
	Objects []ManifestRecord `json:"objects,omitempty"`
}

// Page is what headers and the next request need of a page.
type Page struct {
	Count int
	More  bool
	Next  string    // word for the page after; empty without more
	First time.Time // X-TAXII-Date-Added-First; zero for an empty page
	Last  time.Time // X-TAXII-Date-Added-Last
}

// AppendEnvelope appends the envelope (section 3.7) of the page that f asks for,
// from records by rising Number, and at least one object unless there is none. MaxBytes bounds the page's objects besides f.Limit; 0 is
// no bound. The error, a *Problem with status 400, is for a word for the next page
// that is none of ours.
func AppendEnvelope(dst []byte, records iter.Seq[Record], f Filter, maxBytes int) ([]byte, Page, error) {
	start := len(dst)
	dst = append(dst, '{')
	objects := []byte(`"objects":[`)
	page, err := choose(records, f, func(r *Record, page *Page) bool {
		if page.Count > 0 {
			if maxBytes > 0 && len(objects)+len(r.Object) > maxBytes {
				return false
			}
			objects = append(objects, ',')
		}
		objects = append(objects, r.Object...)
		return true
	})
	if err != nil {
		return dst[:start], Page{}, err
	}
	if page.More {
		dst = append(dst, `"more":true,"next":"`...)
		dst = append(append(dst, page.Next...), `",`...)
	}
	if page.Count == 0 {
		return append(dst, '}'), page, nil
	}
	return append(append(dst, objects...), "]}"...), page, nil
}

// AppendManifest appends the manifest's page that f asks for, as AppendEnvelope.
func AppendManifest(dst []byte, records iter.Seq[Record], f Filter) ([]byte, Page, error) {
	var m ManifestPage
	page, err := choose(records, f, func(r *Record, _ *Page) bool {
		m.Objects = append(m.Objects, ManifestRecord{r.ID, Time(r.Added), Time(r.Version), STIXType})
		return true
	})
	if err != nil {
		return dst, Page{}, err
	}
	m.More, m.Next = page.More, page.Next
	b, err := json.Marshal(&m)
	return append(dst, b...), page, err
}

// VersionsPage is the list of an object's versions (section 5.8).
type VersionsPage struct {
	More     bool     `json:"more,omitempty"`
	Versions []string `json:"versions,omitempty"`
}

// AppendVersions appends the versions of the object that f.IDs names, as
// AppendEnvelope; without a word of f on versions, all of them.
func AppendVersions(dst []byte, records iter.Seq[Record], f Filter) ([]byte, Page, error) {
	if len(f.Versions) == 0 {
		f.Versions = []string{"all"}
	}
	var v VersionsPage
	page, err := choose(records, f, func(r *Record, _ *Page) bool {
		v.Versions = append(v.Versions, Time(r.Version))
		return true
	})
	if err != nil {
		return dst, Page{}, err
	}
	v.More = page.More
	b, err := json.Marshal(&v)
	return append(dst, b...), page, err
}

// choose takes the records of a page until take says that the page is full.
func choose(records iter.Seq[Record], f Filter, take func(*Record, *Page) bool) (Page, error) {
	if _, err := f.From(); err != nil {
		return Page{}, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, MaxLimit)
	var page Page
	var last uint64
	for r := range records {
		if !f.Wants(&r) {
			continue
		}
		if page.Count == limit || !take(&r, &page) {
			page.More, page.Next = true, strconv.FormatUint(last, 36)
			break
		}
		if page.Count == 0 {
			page.First = r.Added
		}
		page.Last, last = r.Added, r.Number
		page.Count++
	}
	return page, nil
}

// From is the least Number that the filter's page can have: a collection may yield
// its records from there. The error, a *Problem with status 400, is for a word for
// the next page that is none of ours.
func (f *Filter) From() (uint64, error) {
	if f.Next == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(f.Next, 36, 64)
	if err != nil || n == math.MaxUint64 {
		return 0, wrong("next", "write what the page before said")
	}
	return n + 1, nil
}

// Wants says whether a record belongs to what is asked for, on this page or a
// later one; its Object is not looked at.
func (f *Filter) Wants(r *Record) bool {
	if from, err := f.From(); err != nil || r.Number < from || !f.After.IsZero() && !r.Added.After(f.After) {
		return false
	}
	if len(f.IDs) > 0 && !slices.Contains(f.IDs, r.ID) || len(f.Types) > 0 && !slices.Contains(f.Types, r.Type) ||
		len(f.Specs) > 0 && !slices.Contains(f.Specs, "2.1") {
		return false
	}
	if len(f.Versions) == 0 {
		return r.Last
	}
	for _, v := range f.Versions {
		if v == "all" || v == "last" && r.Last || v == "first" && r.First || v == Time(r.Version) {
			return true
		}
	}
	return false
}
