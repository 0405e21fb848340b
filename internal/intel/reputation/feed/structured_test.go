package feed_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// FuzzStructured reads any text as each of the formats of events, bundles and
// indicators, and patterns inside of a bundle.
func FuzzStructured(f *testing.F) {
	formats := []string{"stix", "misp", "openioc", "kev"}
	for _, list := range [][]example{stixCases(), mispCases(), iocCases(), deviceCases()} {
		for _, c := range list {
			f.Add(c.text)
		}
	}
	f.Add("[ipv4-addr:value = '192.0.2.1' OR (file:hashes.'SHA-1' = 'x' AND file:name NOT LIKE '%a')] WITHIN 5 SECONDS OR [domain-name:value IN ('a','b')]")
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range formats {
			finite(t, format, text)
		}
		finite(t, "stix", `{"objects":[`+indicatorOf(text)+`]}`)
	})
}

// finite reads a feed to its end and holds what it gives to what a claim is.
func finite(t *testing.T, format, text string) {
	r, err := feed.Open(format, strings.NewReader(text), feed.Options{Now: now, MaxEntries: 5_000})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		var c reputation.Claim
		err := r.Next(&c)
		var bad *feed.Refusal
		switch {
		case errors.As(err, &bad):
			if bad.Problem == "" || len(bad.Text) > 240 || bad.Line < 0 {
				t.Fatalf("%+v", bad)
			}
		case err != nil:
			return
		case c.Object.Type == reputation.TypeNone || c.Kind == reputation.KindNone || len(c.Note) > 64 || c.Confidence > 100 || c.First > now || c.Last > now:
			t.Fatalf("%s: %+v", format, c)
		}
		if n > 6_000 {
			t.Fatal("no end")
		}
	}
}

// Cut anywhere, a document ends with an error and never looks like a short one.
func TestCutAnywhere(t *testing.T) {
	for _, list := range [][]example{stixCases(), mispCases(), iocCases()} {
		for _, c := range list {
			if c.name == "OpenIOC cut" {
				continue
			}
			whole := strings.TrimSpace(c.text)
			for i := range len(whole) - 1 {
				got := read(t, c.format, whole[:i], c.o)
				if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "end: ") {
					t.Fatalf("%s cut at %d: %q", c.name, i, got)
				}
			}
		}
	}
}

func BenchmarkStructured(b *testing.B) {
	const n = 2000
	var stix, misp, ioc_ strings.Builder
	for i := range n {
		addr := fmt.Sprintf("192.0.%d.%d", i/250, i%250)
		fmt.Fprintf(&stix, `,{"type":"indicator","spec_version":"2.1","id":"indicator--%d","created":"2023-11-14T22:13:20Z","name":"Mirai","indicator_types":["malicious-activity"],"pattern":"[ipv4-addr:value = '%s']","pattern_type":"stix","valid_from":"2023-11-14T22:13:20Z"}`, i, addr)
		fmt.Fprintf(&misp, `,{"type":"ip-dst","category":"Network activity","to_ids":true,"uuid":"%d","value":"%s","timestamp":"1700000000","comment":""}`, i, addr)
		ioc_.WriteString(ioc("PortItem/remoteIP", "is", addr))
	}
	for format, text := range map[string]string{"stix": `{"type":"bundle","objects":[` + stix.String()[1:] + "]}", "misp": `{"Event":{"Attribute":[` + misp.String()[1:] + "]}}",
		"openioc": `<ioc><definition><Indicator operator="OR">` + ioc_.String() + "</Indicator></definition></ioc>"} {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				r, err := feed.Open(format, strings.NewReader(text), feed.Options{})
				if err != nil {
					b.Fatal(err)
				}
				var c reputation.Claim
				for err = r.Next(&c); err == nil; err = r.Next(&c) {
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/(cpu(b)-before).Seconds(), "entries/cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
