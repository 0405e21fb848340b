package taxii_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// read gives what a page holds: its objects' names with marks, and how it goes on.
func read(text string) (got []string, next string, more bool, err error) {
	p := taxii.NewReader(strings.NewReader(text))
	var o taxii.Object
	for err = p.Next(&o); err == nil; err = p.Next(&o) {
		name := o.Type + ":" + o.ID
		if o.Revoked {
			name += " revoked"
		}
		if !o.Version.IsZero() {
			name += o.Version.Format(" 15:04:05.000000")
		}
		got = append(got, name)
	}
	next, more = p.Page()
	return got, next, more, err
}

// Envelopes as the standard writes them, and as sloppy servers do.
func TestReader(t *testing.T) {
	one := `{"type":"indicator","id":"indicator--1","created":"2024-01-31T12:00:00Z","modified":"2024-01-31T13:00:00.123456Z","x":{"y":[1,{}]}}`
	const name = "indicator:indicator--1 13:00:00.123456"
	for text, want := range map[string]struct {
		list []string
		next string
		more bool
	}{
		`{}`: {},
		`{"objects":[` + one + `],"more":true,"next":"a1"}`:                                    {[]string{name}, "a1", true},
		`{"more":false,"objects":[` + one + `,` + one + `]}`:                                   {[]string{name, name}, "", false},
		`{"more":"true","next":17,"objects":[]}`:                                               {nil, "17", true},
		`{"more":true,"objects":null}`:                                                         {nil, "", true},
		`{"type":"bundle","id":"bundle--1","objects":[` + one + `],"extra":[{"objects":[1]}]}`: {[]string{name}, "", false},
		`[` + one + `]`: {[]string{name}, "", false},
		`{"objects":[{"id":1,"type":null,"modified":"yesterday","created":"2024-01-31T12:00:00Z","revoked":true},5,[]]}`: {[]string{": revoked 12:00:00.000000", ":", ":"}, "", false},
	} {
		list, next, more, err := read(text)
		if err != io.EOF || next != want.next || more != want.more || cmp.Diff(want.list, list) != "" {
			t.Errorf("%s: %v %q %v %v", text, list, next, more, err)
		}
	}
	for text, want := range map[string]string{``: "too early", `{"objects":[`: "too early", `{"objects":[` + one: "too early", `{"objects":[` + one + `}`: "not a page", `{"objects":{}}`: "no array", `7`: "no JSON object",
		`<html>`: "not a page", `{"next":"` + strings.Repeat("x", 5000) + `"}`: "too long", `{"objects":["` + strings.Repeat("x", taxii.MaxObject+9000) + `"]}`: "more than 4 MB"} {
		if _, _, _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestCollectionURL(t *testing.T) {
	for text, want := range map[string][2]string{
		"https://x.example/api1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/": {"https://x.example/api1/", "91a7b528-80eb-42ed-a74d-c6fbd5a26116"},
		"https://x.example/api1/collections/sensors":                               {"https://x.example/api1/", "sensors"},
		"https://x.example/a/b/collections/sensors/objects/?limit=5":               {"https://x.example/a/b/", "sensors"},
		"https://x.example/collections/collections/c/":                             {"https://x.example/collections/", "c"},
		"https://x.example/collections/c/":                                         {"https://x.example/", "c"},
	} {
		root, c, ok := taxii.CollectionURL(text)
		if !ok || root != want[0] || c != want[1] {
			t.Errorf("%s: %q %q %v", text, root, c, ok)
		}
	}
	for _, text := range []string{"https://x.example/taxii2/", "https://x.example/api1/collections/", "https://x.example/api1/collections/../x", "ftp://x/collections/c/", "https://x.example/collections/c/manifest/", ""} {
		if root, c, ok := taxii.CollectionURL(text); ok {
			t.Errorf("%s: %q %q", text, root, c)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(`{"objects":[{"type":"indicator","id":"indicator--1","modified":"2024-01-31T13:00:00.123456Z"}],"more":true,"next":"a1"}`)
	f.Add(`[{"id":1},[],5]`)
	f.Add(`{"objects":null,"more":"true","next":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, _, _, err := read(text)
		if err == nil || len(list) > len(text) {
			t.Fatal("it does not end")
		}
		taxii.CollectionURL(text)
	})
}
