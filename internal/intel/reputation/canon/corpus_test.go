package canon

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCorpus reads the trails of the corpus: few may be refused, and what is
// read must read again as itself.
func TestCorpus(t *testing.T) {
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = "../../../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, "reputation/maltrail/*/*.txt"))
	if len(files) == 0 {
		t.Skip("no trails here: set MASUGATA_CORPUS to the folder of the corpus")
	}
	var lines []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			line, _, _ := strings.Cut(sc.Text(), "#")
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "/") {
				lines = append(lines, line)
			}
		}
		_ = f.Close()
	}
	start, refused := time.Now(), 0
	for _, line := range lines {
		o, err := Guess(line)
		if err != nil {
			if refused++; refused%200 == 1 {
				t.Log(err)
			}
			continue
		}
		if again, err := reader(o.Type)(o.String()); err != nil || again != o {
			t.Errorf("%q is %q, of which again %q, %v", line, o, again, err)
		}
	}
	t.Logf("%d trails, %d refused, %v for each with the second reading", len(lines), refused, time.Since(start)/time.Duration(len(lines)))
	if refused*50 > len(lines) {
		t.Errorf("%d of %d trails are refused", refused, len(lines))
	}
}
