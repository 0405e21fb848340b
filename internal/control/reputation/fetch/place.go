package fetch

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// Place is where a feed comes from: one of File, URL, TAXII and MISP.
type Place struct {
	File       string // or a pattern of files
	URL        string
	TAXII      string // address of a collection, or of an API root or discovery with Collection
	Collection string // identifier, alias or title
	MISP       string // address of the folder of a feed with a manifest, or of that
	Login      Login
	MaxMB      int // bounds the unpacked copy
}

// Problems tells what is wrong with a place; nothing when it is right.
func (p *Place) Problems() (problems []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	places := 0
	for key, place := range map[string]string{"file": p.File, "url": p.URL, "taxii": p.TAXII, "misp": p.MISP} {
		if place == "" {
			continue
		}
		places++
		if key == "file" {
			continue
		}
		u, err := url.Parse(place)
		check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "%s: want http://… or https://…", key)
		check(err != nil || u.User == nil, "%s: put user and password under login", key)
	}
	check(places == 1, "want file, url, taxii or misp, one of them")
	if p.File != "" {
		_, err := filepath.Match(p.File, "")
		check(err == nil && filepath.IsAbs(p.File), "file: %q: want an absolute path or pattern", p.File)
	}
	if p.TAXII != "" {
		_, _, whole := taxii.CollectionURL(p.TAXII)
		check(whole != (p.Collection != ""), "taxii: want the address of a collection (…/collections/NAME/), or of a server and collection")
	} else {
		check(p.Collection == "", "collection: is for taxii")
	}
	return append(problems, p.Login.problems(p.address())...)
}

// String is what the operator wrote: the address, or the path or pattern.
func (p *Place) String() string { return cmp.Or(p.address(), p.File) }

// address is that of the feed's server; empty for files.
func (p *Place) address() string { return cmp.Or(p.URL, p.TAXII, p.MISP) }

// time bounds one fetch.
func (p *Place) time() time.Duration {
	if p.TAXII != "" || p.MISP != "" {
		return manyTime
	}
	return fetchTime
}
