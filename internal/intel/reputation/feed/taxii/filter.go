package taxii

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a client may ask for.
const (
	MaxLimit   = 10_000 // objects a page
	MaxMatches = 1_000  // identifiers, types or versions
)

// Filter is what a request for objects or a manifest asks for (sections 3.4 and 5.4).
type Filter struct {
	After    time.Time // added after this; the zero time is from the beginning
	Limit    int       // objects a page; 0 is the server's
	Next     string    // the word of the page before; may be empty
	IDs      []string
	Types    []string
	Versions []string // "last", "first", "all" or times; none is "last"
	Specs    []string // versions of STIX
}

// timeForm is how TAXII writes times, to the microsecond.
const timeForm = "2006-01-02T15:04:05.000000Z"

// Time writes a time as TAXII does.
func Time(t time.Time) string { return t.UTC().Format(timeForm) }

// ObjectsURL is where a client asks for the objects of a collection below an API
// root's URL. The error is for a root or an identifier that is none.
func ObjectsURL(root, collection string, f Filter) (string, error) {
	return collectionURL(root, collection, "objects/", f)
}

// ManifestURL is where a client asks for the manifest of a collection.
func ManifestURL(root, collection string, f Filter) (string, error) {
	return collectionURL(root, collection, "manifest/", f)
}

// CollectionsURL is where a client asks for an API root's collections.
func CollectionsURL(root string) (string, error) {
	u, err := rootURL(root)
	if err != nil {
		return "", err
	}
	return u.JoinPath("collections/").String(), nil
}

// RootURL resolves an API root of a discovery against the URL that the discovery
// came from. A root on another scheme than http and https is an error.
func RootURL(discovery, root string) (string, error) {
	base, err := url.Parse(discovery)
	if err != nil {
		return "", fmt.Errorf("discovery URL %.80q: %w", discovery, err)
	}
	u, err := base.Parse(root)
	if err != nil {
		return "", fmt.Errorf("API root %.80q: %w", root, err)
	}
	if u, err = rootURL(u.String()); err != nil {
		return "", err
	}
	return u.String(), nil
}

func rootURL(root string) (*url.URL, error) {
	u, err := url.Parse(root)
	switch {
	case err != nil:
		return nil, fmt.Errorf("API root %.80q: %w", root, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("API root %.80q: write an http or https URL", root)
	}
	return u, nil
}

func collectionURL(root, collection, what string, f Filter) (string, error) {
	u, err := rootURL(root)
	if err != nil {
		return "", err
	}
	if !isID(collection) {
		return "", fmt.Errorf("collection %.40q: write its identifier or alias", collection)
	}
	u = u.JoinPath("collections", collection, what)
	u.RawQuery = f.Query().Encode()
	return u.String(), nil
}

// Query is the filter as parameters of a URL.
func (f Filter) Query() url.Values {
	q := url.Values{}
	if !f.After.IsZero() {
		q.Set("added_after", Time(f.After))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.Next != "" {
		q.Set("next", f.Next)
	}
	for name, list := range map[string][]string{"match[id]": f.IDs, "match[type]": f.Types, "match[version]": f.Versions, "match[spec_version]": f.Specs} {
		if len(list) > 0 {
			q.Set(name, strings.Join(list, ","))
		}
	}
	return q
}

// ParseFilter reads a request's parameters. The error, a *Problem with status 400,
// says which one is wrong; parameters that are not known are passed over.
func ParseFilter(q url.Values) (f Filter, err error) {
	if s := q.Get("added_after"); s != "" {
		if f.After, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return Filter{}, wrong("added_after", "write a time such as 2024-01-31T12:00:00.000000Z")
		}
	}
	if s := q.Get("limit"); s != "" {
		if f.Limit, err = strconv.Atoi(s); err != nil || f.Limit < 1 {
			return Filter{}, wrong("limit", "write a number from 1")
		}
		f.Limit = min(f.Limit, MaxLimit)
	}
	if f.Next = q.Get("next"); len(f.Next) > 256 {
		return Filter{}, wrong("next", "write what the page before said")
	}
	for name, list := range map[string]*[]string{"match[id]": &f.IDs, "match[type]": &f.Types, "match[version]": &f.Versions, "match[spec_version]": &f.Specs} {
		s := q.Get(name)
		if s == "" {
			continue
		}
		if strings.Count(s, ",") >= MaxMatches || len(s) > 128*MaxMatches {
			return Filter{}, wrong(name, fmt.Sprintf("ask for at most %d at once", MaxMatches))
		}
		*list = strings.Split(s, ",")
	}
	for i, v := range f.Versions {
		if v == "last" || v == "first" || v == "all" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return Filter{}, wrong("match[version]", "write last, first, all or times")
		}
		f.Versions[i] = Time(t)
	}
	return f, nil
}

func wrong(parameter, mend string) error {
	return &Problem{Title: "Bad parameter " + parameter, Description: mend, HTTPStatus: "400"}
}
