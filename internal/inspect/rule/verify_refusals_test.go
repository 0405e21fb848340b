package rule

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLanguageRulesLoad compiles the rules of the rule-language tests: each
// must load, but for those that are meant to be refused.
func TestLanguageRulesLoad(t *testing.T) {
	root := filepath.Join(corpus(t), "suricata-verify", "tests")
	count, refused := 0, 0
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rules" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		o := stockOptions()
		o.Specs = testSpecs()
		o.Load = func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(filepath.Dir(path), name)) }
		rel, _ := filepath.Rel(root, path)
		set, refusals, err := Compile([]Source{{rel, text}}, o)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
			return nil
		}
		count += len(set.Rules())
		for _, r := range refusals {
			refused++
			t.Logf("%s:%d:%d: sid %d: %s (%s)", r.File, r.Line, r.Column, r.SID, r.Problem, r.Mend)
		}
		return nil
	})
	t.Logf("%d loaded, %d refused", count, refused)
	if count*100 < (count+refused)*95 {
		t.Errorf("%d of %d rules refused", refused, count+refused)
	}
}
