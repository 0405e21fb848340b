package feed_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// corpus finds the reputation folder of the test corpus, or skips.
func corpus(t testing.TB) string {
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = "../../../../../shared/corpus"
	}
	dir := filepath.Join(root, "reputation")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus here (%v); set MASUGATA_CORPUS to its folder", err)
	}
	return dir
}

// files lists a folder's files by the format they are in.
func files(t testing.TB, dir string) map[string][]string {
	out := map[string][]string{"ipsum": {filepath.Join(dir, "ipsum.txt")}}
	out["maltrail"], _ = filepath.Glob(filepath.Join(dir, "maltrail/malware/*.txt"))
	out["maltrail"] = append(out["maltrail"], filepath.Join(dir, "maltrail/mass_scanner.txt"))
	out["warninglist"], _ = filepath.Glob(filepath.Join(dir, "misp-warninglists/*/list.json"))
	if len(out["maltrail"]) < 2 || len(out["warninglist"]) == 0 {
		t.Fatal("parts of the corpus are missing")
	}
	return out
}

type tally struct {
	files, read, given int
	types              [reputation.NumTypes]int
	refused            map[string]int
	example            map[string]string
}

func (y *tally) add(t testing.TB, format, file string) {
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := feed.Open(format, in, feed.Options{Name: strings.TrimSuffix(filepath.Base(file), ".txt")})
	if err != nil {
		t.Fatal(err)
	}
	y.files++
	var c reputation.Claim
	for {
		err := r.Next(&c)
		var bad *feed.Refusal
		switch {
		case err == io.EOF:
			return
		case errors.As(err, &bad):
			y.refused[bad.Problem]++
			y.example[bad.Problem] = fmt.Sprintf("%s:%d: %s", filepath.Base(file), bad.Line, bad.Text)
		case err != nil:
			t.Fatalf("%s: %v", file, err)
		default:
			y.given++
			y.types[c.Object.Type]++
			if c.Object.Type == reputation.TypeNone || c.Kind == reputation.KindNone || len(c.Note) > 64 {
				t.Fatalf("%s: %+v", file, c)
			}
		}
		y.read++
	}
}

// Everything in the corpus imports; what is refused is told with its reason.
func TestCorpus(t *testing.T) {
	for format, list := range files(t, corpus(t)) {
		y := tally{refused: map[string]int{}, example: map[string]string{}}
		for _, f := range list {
			y.add(t, format, f)
		}
		t.Logf("%s: %d files, %d claims given, %d entries refused", format, y.files, y.given, y.read-y.given)
		for k, n := range y.types {
			if n > 0 {
				t.Logf("    %-12s %7d", reputation.Type(k), n)
			}
		}
		var why []string
		for p := range y.refused {
			why = append(why, p)
		}
		sort.Slice(why, func(i, j int) bool { return y.refused[why[i]] > y.refused[why[j]] })
		for _, p := range why {
			t.Logf("    refused %6d %s, as %s", y.refused[p], p, y.example[p])
		}
		if y.given == 0 || y.refused["not a name"] > y.given/50 {
			t.Errorf("%s: %d given", format, y.given)
		}
	}
}
