package taxii_test

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// collection makes n indicators of consecutive addresses, ten added at each second.
func collection(t testing.TB, n int) (list []taxii.Record) {
	for i := range n {
		o, err := canon.Address(fmt.Sprintf("192.0.%d.%d", i/250, i%250))
		if err != nil {
			t.Fatal(err)
		}
		at := uint32(1_700_000_000 + i/10)
		c := reputation.Claim{Object: o, Kind: reputation.KindC2, First: at}
		b, _ := feed.AppendIndicator(nil, &c, feed.Author{Name: "x"}, at)
		list = append(list, taxii.Record{Number: uint64(i + 1), ID: feed.IndicatorID("x", o), Type: "indicator", Added: time.Unix(int64(at), 0),
			Version: time.Unix(int64(at), 0), First: true, Last: true, Object: b})
	}
	return list
}

// pages reads all of a collection as a client does, and gives its objects.
func pages(t *testing.T, list []taxii.Record, f taxii.Filter, maxBytes int) (got []string, n int) {
	for {
		body, page, err := taxii.AppendEnvelope(nil, slices.Values(list), f, maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		b, err := feed.OpenBundle(bytes.NewReader(body), feed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var c reputation.Claim
		for err = b.Next(&c); err == nil; err = b.Next(&c) {
			got = append(got, c.Object.String())
		}
		next, more := b.Page()
		if err != io.EOF || next != page.Next || more != page.More {
			t.Fatal(err, next, more, page)
		}
		if n++; !more {
			return got, n
		}
		u, err := taxii.ObjectsURL("https://taxii.example.com/api1", "c1", taxii.Filter{After: f.After, Limit: f.Limit, Next: next})
		if err != nil {
			t.Fatal(err)
		}
		q, _ := url.Parse(u)
		if f, err = taxii.ParseFilter(q.Query()); err != nil {
			t.Fatal(err)
		}
	}
}

// All pages together are the collection, whatever ends a page.
func TestPages(t *testing.T) {
	list := collection(t, 95)
	var all []string
	for _, r := range list {
		_, rest, _ := strings.Cut(string(r.Object), "value = '")
		addr, _, _ := strings.Cut(rest, "'")
		all = append(all, addr)
	}
	for _, c := range []struct {
		f     taxii.Filter
		bytes int
		want  []string
		pages int
	}{
		{taxii.Filter{}, 0, all, 1},
		{taxii.Filter{Limit: 7}, 0, all, 14},
		{taxii.Filter{Limit: 95}, 0, all, 1},
		{taxii.Filter{}, 1, all, 95},
		{taxii.Filter{After: list[40].Added, Limit: 20}, 0, all[50:], 3},
		{taxii.Filter{IDs: []string{list[3].ID}}, 0, all[3:4], 1},
		{taxii.Filter{Types: []string{"malware"}}, 0, nil, 1},
		{taxii.Filter{Versions: []string{taxii.Time(list[0].Version)}}, 0, all[:10], 1},
		{taxii.Filter{Specs: []string{"2.0"}}, 0, nil, 1},
	} {
		got, n := pages(t, list, c.f, c.bytes)
		if d := cmp.Diff(c.want, got); d != "" || n != c.pages {
			t.Errorf("%+v: %d pages, %s", c.f, n, d)
		}
	}
	if _, _, err := taxii.AppendEnvelope(nil, slices.Values(list), taxii.Filter{Next: "?"}, 0); err == nil {
		t.Error("a wrong word for the next page was taken")
	}
}

func TestManifest(t *testing.T) {
	list := collection(t, 30)
	b, page, err := taxii.AppendManifest(nil, slices.Values(list), taxii.Filter{Limit: 12})
	if err != nil {
		t.Fatal(err)
	}
	m, err := taxii.Decode[taxii.ManifestPage](bytes.NewReader(b))
	if err != nil || len(m.Objects) != 12 || !m.More || m.Next != page.Next || m.Objects[0].ID != list[0].ID || m.Objects[0].Version != "2023-11-14T22:13:20.000000Z" {
		t.Errorf("%v %+v", err, m)
	}
	if !page.First.Equal(list[0].Added) || !page.Last.Equal(list[11].Added) {
		t.Errorf("%+v", page)
	}
}

func TestDecode(t *testing.T) {
	d, err := taxii.Decode[taxii.Discovery](strings.NewReader(`{"title":"T","default":"/api1/","api_roots":["/api1/"],"x_more":1}`))
	if err != nil || d.APIRoots[0] != "/api1/" {
		t.Error(err, d)
	}
	u, err := taxii.RootURL("https://taxii.example.com/taxii2/", d.Default)
	if err != nil || u != "https://taxii.example.com/api1/" {
		t.Error(err, u)
	}
	a, err := taxii.Decode[taxii.APIRoot](strings.NewReader(`{"title":"T","versions":["application/taxii+json;version=2.1"],"max_content_length":9}`))
	if err != nil || !a.Speaks() {
		t.Error(err, a)
	}
	c, err := taxii.Decode[taxii.Collections](strings.NewReader(`{"collections":[{"id":"91a7b528-80eb-42ed-a74d-c6fbd5a26116","alias":"a","title":"C","can_read":true,"can_write":false}]}`))
	if one, ok := c.Find("a"); err != nil || !ok || !one.CanRead {
		t.Error(err, c)
	}
	if one, ok := c.Find("C"); !ok || one.Alias != "a" {
		t.Error("by title:", one)
	}
	if one, ok := c.Find(""); ok {
		t.Error(one)
	}
	for text, want := range map[string]string{`{"collections":[{"id":"../x"}]}`: "cannot stand in a path", `[`: "TAXII Collections", strings.Repeat(" ", taxii.MaxMessage+2): "more than 4 MB"} {
		if _, err := taxii.Decode[taxii.Collections](strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	p, err := taxii.Decode[taxii.Problem](strings.NewReader(`{"title":"No","http_status":"404","description":"gone"}`))
	if err != nil || p.Error() != "404 No: gone" {
		t.Error(err, p)
	}
}

func TestRefusedRequests(t *testing.T) {
	for query, want := range map[string]string{"limit=0": "limit", "limit=x": "limit", "added_after=today": "added_after", "match[version]=x": "match[version]",
		"match[id]=" + strings.Repeat("a,", 2000): "match[id]", "next=" + strings.Repeat("a", 300): "next"} {
		q, _ := url.ParseQuery(query)
		if _, err := taxii.ParseFilter(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", query, err)
		}
	}
	for _, root := range []string{"file:///etc", "ftp://x/", "x", ":"} {
		if u, err := taxii.ObjectsURL(root, "c", taxii.Filter{}); err == nil {
			t.Error(u)
		}
	}
	if u, err := taxii.ObjectsURL("https://x.example/api/", "../c", taxii.Filter{}); err == nil {
		t.Error(u)
	}
	if u, err := taxii.RootURL("https://x.example/taxii2/", "gopher://y/"); err == nil {
		t.Error(u)
	}
}

func TestAccepts(t *testing.T) {
	for header, want := range map[string]bool{taxii.MediaType: true, "application/taxii+json": true, `text/html, application/taxii+json; version="2.1"`: true,
		"application/taxii+json;version=2.0": false, "application/json": false, "": false} {
		if got := taxii.Accepts(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// What ParseFilter takes, Query writes again; no message makes Decode panic.
func FuzzMessages(f *testing.F) {
	f.Add("limit=5&added_after=2024-01-31T12:00:00Z&match[type]=indicator&match[version]=all&next=a1")
	f.Add(`{"title":"T","versions":["2.1"],"collections":[{"id":"a"}],"objects":[{"id":"x"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := url.ParseQuery(text); err == nil {
			if filter, err := taxii.ParseFilter(q); err == nil {
				again, err := taxii.ParseFilter(filter.Query())
				if err != nil || cmp.Diff(filter.Limit, again.Limit) != "" || cmp.Diff(filter.IDs, again.IDs) != "" {
					t.Fatal(err, filter, again)
				}
				_, _, _ = taxii.AppendEnvelope(nil, func(func(taxii.Record) bool) {}, filter, 0)
			}
		}
		_, _ = taxii.Decode[taxii.Discovery](strings.NewReader(text))
		_, _ = taxii.Decode[taxii.APIRoot](strings.NewReader(text))
		_, _ = taxii.Decode[taxii.Collections](strings.NewReader(text))
		_, _ = taxii.Decode[taxii.Status](strings.NewReader(text))
		_, _ = taxii.Decode[taxii.ManifestPage](strings.NewReader(text))
		_, _ = taxii.Decode[taxii.Problem](strings.NewReader(text))
		taxii.Accepts(text)
	})
}
