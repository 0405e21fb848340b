package feed_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// What is written is read as the same claim.
func TestIndicatorsReturn(t *testing.T) {
	for _, s := range []string{"192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "AS64496", "a.example.com", "*.example.com", "http://example.com/a'b\\c?d=\"e\"",
		"d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "a@example.com", "192.0.2.1:23", "[2001:db8::1]:80", "c2.example.com:99"} {
		o, err := canon.Guess(s)
		if err != nil {
			t.Fatal(err)
		}
		for k := reputation.KindBenign; k < reputation.NumKinds; k++ {
			if o.Type == reputation.TypeFile && k != reputation.KindMalware {
				continue // what belongs to something bad is malware when it is a file
			}
			want := reputation.Claim{Object: o, Kind: k, Confidence: 70, First: 1_600_000_000, Last: 1_650_000_000, Until: 1_700_000_000, Note: "Mirai"}
			text, ok := feed.AppendIndicator([]byte(`{"objects":[`), &want, feed.Author{Name: "x"}, now)
			if !ok {
				t.Fatal(o)
			}
			r, err := feed.Open("stix", strings.NewReader(string(text)+"]}"), feed.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got reputation.Claim
			if err := r.Next(&got); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if d := cmp.Diff(want.Object.String(), got.Object.String()); d != "" {
				t.Error(d)
			}
			if got.Object, want.Object = (reputation.Object{}), (reputation.Object{}); got != want {
				t.Errorf("%+v is not %+v", got, want)
			}
		}
	}
}

func TestIndicatorID(t *testing.T) {
	a, _ := canon.Guess("192.0.2.1")
	b, _ := canon.Guess("192.0.2.2")
	if feed.IndicatorID("x", a) != feed.IndicatorID("x", a) || feed.IndicatorID("x", a) == feed.IndicatorID("x", b) || feed.IndicatorID("x", a) == feed.IndicatorID("y", a) {
		t.Error("identifiers")
	}
	for _, o := range []reputation.Object{{Type: reputation.TypeJA4, Text: "x"}, {Type: reputation.TypeURL, Below: true, Text: "example.com/"}} {
		if b, ok := feed.AppendIndicator(nil, &reputation.Claim{Object: o}, feed.Author{}, now); ok || len(b) > 0 {
			t.Errorf("%v: %s", o, b)
		}
	}
}
