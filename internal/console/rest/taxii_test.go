package rest

import (
	"strings"
	"testing"
)

func TestTAXIIPath(t *testing.T) {
	for path, want := range map[string]taxiiRequest{
		"/taxii2/":                                        {what: "discovery"},
		"/taxii2":                                         {what: "discovery"},
		"/taxii2/fleet/":                                  {what: "root"},
		"/taxii2/fleet/collections/":                      {what: "collections"},
		"/taxii2/fleet/collections/c/":                    {what: "collection", collection: "c"},
		"/taxii2/fleet/collections/c/objects":             {what: "objects", collection: "c"},
		"/taxii2/fleet/collections/c/manifest/":           {what: "manifest", collection: "c"},
		"/taxii2/fleet/collections/c/objects/o/":          {what: "object", collection: "c", object: "o"},
		"/taxii2/fleet/collections/c/objects/o/versions/": {what: "versions", collection: "c", object: "o"},
		"/taxii2/fleet/status/s/":                         {what: "status"},
	} {
		if got, ok := taxiiPath(path); !ok || got != want {
			t.Errorf("%s: %+v %v", path, got, ok)
		}
	}
	for _, path := range []string{"/", "/taxii2/x/", "/taxii2/fleet/x/", "/taxii2/fleet/collections/c/x/", "/taxii2/fleet/collections/c/objects/o/x/", "/taxii2/fleet/collections/c/objects/o/versions/x/", "/taxii2/fleet/status/"} {
		if got, ok := taxiiPath(path); ok {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func FuzzTAXIIPath(f *testing.F) {
	f.Add("/taxii2/fleet/collections/c/objects/o/versions/")
	f.Fuzz(func(t *testing.T, path string) {
		if q, ok := taxiiPath(path); ok && !strings.HasPrefix(path, "/taxii2") {
			t.Fatalf("%q: %+v", path, q)
		}
	})
}
