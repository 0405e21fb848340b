package feed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

func deviceCases() []example {
	return []example{
		{name: "KEV", format: "kev", text: `{"title":"x","catalogVersion":"2023.11.14","count":4,"vulnerabilities":[
 {"cveID":"CVE-2021-36260","vendorProject":"Hikvision","product":"Security cameras","dateAdded":"2023-11-14","notes":[]},
 {"cveID":"CVE-2017-7921","vendorProject":"D/Link ","product":"DIR  820","dateAdded":"2023-11-14"},
 {"cveID":5},{"cveID":"CVE-1"}],"more":{}}`,
			want: []string{"device hikvision/security cameras vulnerable first=1699920000 last=1699920000 (CVE-2021-36260)",
				"device d link/dir 820 vulnerable first=1699920000 last=1699920000 (CVE-2017-7921)", "3: a member of the wrong form", "4: no maker and product in the entry"}},
		{name: "devices", format: "csv", noGuess: true, text: "vendor,model,why,cve\nAcme,Cam 12,default-login,\nAcme,,vulnerable,CVE-2\n",
			o:    feed.Options{Mapping: map[string]string{"maker": "vendor", "model": "model", "kind": "why", "note": "cve"}},
			want: []string{"device acme/cam 12 default-login", "device acme/* vulnerable (CVE-2)"}},
		{name: "devices JSON", format: "jsonl", noGuess: true, text: "{\"vendor\":\"Acme\",\"model\":\"Cam 12\",\"kind\":\"default-login\"}\n",
			o: feed.Options{Mapping: map[string]string{"maker": "vendor", "model": "model"}}, want: []string{"device acme/cam 12 default-login"}},
	}
}

func TestDevices(t *testing.T) {
	for _, c := range deviceCases() {
		if d := cmp.Diff(c.want, read(t, c.format, c.text, c.o)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if g := feed.Guess([]byte(c.text)); !c.noGuess && g != c.format {
			t.Errorf("%s: guessed %q", c.name, g)
		}
	}
}

// The catalogue of the corpus imports.
func TestKEVCorpus(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus(t), "..", "vulnerability", "known_exploited_vulnerabilities.json"))
	if err != nil {
		t.Skip(err)
	}
	n := 0
	for _, line := range read(t, "kev", string(text), feed.Options{}) {
		if line[:6] == "device" {
			n++
		} else {
			t.Log(line)
		}
	}
	if t.Logf("%d products", n); n < 1000 {
		t.Error("too few")
	}
}
