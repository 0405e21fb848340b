package keep

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	d, err := Open(t.TempDir() + "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{"before": 1}
	if err := d.ReadJSON("none.json", &got); err != nil || got["before"] != 1 {
		t.Error("a file that is not there:", got, err)
	}
	if err := d.WriteJSON("x.json", map[string]int{"a": 7}); err != nil {
		t.Fatal(err)
	}
	if err := d.ReadJSON("x.json", &got); err != nil || got["a"] != 7 {
		t.Error(got, err)
	}
	if err := os.WriteFile(d.Path("x.json"), []byte(`{"a":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.ReadJSON("x.json", &got); err == nil || !strings.Contains(err.Error(), d.Path("x.json")) {
		t.Error("a damaged file:", err)
	}
}

// Whatever happens to a sealed file is noticed.
func TestSealed(t *testing.T) {
	d, _ := Open(t.TempDir())
	if _, err := d.ReadSealed("x", "thing", 2); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := d.WriteSealed("x", "thing", 2, []byte("content\n")); err != nil {
		t.Fatal(err)
	}
	if b, err := d.ReadSealed("x", "thing", 2); err != nil || string(b) != "content\n" {
		t.Errorf("%q %v", b, err)
	}
	whole, err := os.ReadFile(d.Path("x"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, version int, b []byte, want string) {
		t.Helper()
		if err := os.WriteFile(d.Path("x"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadSealed("x", what, version); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	refused("other", 2, whole, "it holds thing")
	refused("thing", 1, whole, "it has version 2")
	refused("thing", 2, whole[:len(whole)-1], "7 bytes of 8")
	refused("thing", 2, append([]byte(nil), strings.Replace(string(whole), "content", "Content", 1)...), "checksum")
	refused("thing", 2, []byte("no line"), "no first line")
	refused("thing", 2, []byte("another line\nx"), "not ours")
	if err := d.WriteSealed("x", "thing", 2, make([]byte, maxSealed+1)); err == nil {
		t.Error("more than is kept is written")
	}
}
