package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSampleIsTheDefault(t *testing.T) {
	c, err := Load(write(t, Sample), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), c); d != "" {
		t.Errorf("the sample file and Default differ:\n%s", d)
	}
}

func TestLoadTellsAllProblems(t *testing.T) {
	_, err := Load(write(t, "data: relative\nconsole:\n  listen: 0.0.0.0:80\n  plain_http: true\n  tls_cert: x\nlog: {level: loud}\n"),
		[]string{"bus.max_disk_mb=1"})
	if err == nil {
		t.Fatal("a broken configuration was taken")
	}
	for _, want := range []string{"c.yaml:1: data:", "c.yaml:4: console.plain_http:", "console.tls_cert", "c.yaml:6: log.level", "bus.max_disk_mb: 1 is under 64"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}
