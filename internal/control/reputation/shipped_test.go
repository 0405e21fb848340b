package reputation

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// The feeds that the shipped configuration names in its comments are ready to be used.
func TestShippedFeeds(t *testing.T) {
	text, err := os.ReadFile("../masugata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for line := range strings.Lines(string(text)) {
		if entry, ok := strings.CutPrefix(line, "  #   - {"); ok {
			list.WriteString("- {" + entry)
		}
	}
	var feeds []Feed
	if err := yaml.Unmarshal([]byte(list.String()), &feeds); err != nil {
		t.Fatal(err)
	}
	if len(feeds) < 8 {
		t.Fatalf("%d feeds", len(feeds))
	}
	for _, f := range feeds {
		if problems := f.complete(); len(problems) > 0 || f.Licence == "" || f.Trust < 70 {
			t.Errorf("%+v: %q", f, problems)
		}
	}
}
