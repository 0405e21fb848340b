package payload

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"io"
	"testing"

	"github.com/masugata/masugata/internal/inspect/rule/library"
)

func apply(t *testing.T, in string, steps ...string) string {
	t.Helper()
	var c Chain
	for i := 0; i < len(steps); i += 2 {
		tr, err := ParseTransform(steps[i], steps[i+1], whole())
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, tr)
	}
	var w Workspace
	out := string(c.Apply([]byte(in), &w))
	if again := string(c.Apply([]byte(in), &w)); again != out {
		t.Errorf("%v on %q: %q, then %q", steps, in, out, again)
	}
	return out
}

func TestTransforms(t *testing.T) {
	packed := func(w io.WriteCloser, b *bytes.Buffer) string {
		_, _ = io.WriteString(w, "hello hello hello")
		w.Close()
		return b.String()
	}
	var g, z bytes.Buffer
	gz, zl := packed(gzip.NewWriter(&g), &g), packed(zlib.NewWriter(&z), &z)
	for _, c := range []struct{ name, arg, in, want string }{
		{"dotprefix", "", "a.b", ".a.b"},
		{"strip_whitespace", "", " a\tb\r\n\v\fc ", "abc"},
		{"compress_whitespace", "", "a  b\t\tc d", "a b\tc d"},
		{"to_lowercase", "", "AbC1\xc4", "abc1\xc4"},
		{"to_uppercase", "", "AbC1\xe4", "ABC1\xe4"},
		{"header_lowercase", "", "Host: A\r\nX-Y: Z:Q\r\n", "host: A\r\nx-y: Z:Q\r\n"},
		{"strip_pseudo_headers", "", ":method: GET\r\nhost: a\r\n:path: /\r\n", "host: a\r\n"},
		{"url_decode", "", "a%20b+c%4", "a b c%4"},
		{"url_decode", "", "%zz%41", "%zzA"},
		{"xor", "0d0A", "\x0d\x0a\x0c", "\x00\x00\x01"},
		{"pcrexform", `GET (\S+)`, "GET /x HTTP", "/x"},
		{"pcrexform", `PUT (\S+)`, "GET /x HTTP", "GET /x HTTP"},
		{"from_base64", "offset 2, bytes 8", "xxdGVzdA==zz", "test"},
		{"from_base64", "mode rfc2045", "dG Vz\r\ndA==", "test"},
		{"from_base64", "mode strict", "dG Vz", "dG Vz"},
		{"gunzip", "", gz, "hello hello hello"},
		{"gunzip", "max-size 5", gz, "hello"},
		{"gunzip", "max-size 1kb", "no gzip", ""},
		{"zlib_deflate", "", zl, "hello hello hello"},
		{"subslice", "1", "abcd", "bcd"},
		{"subslice", "1, 2", "abcd", "bc"},
		{"subslice", "-2", "abcd", "cd"},
		{"subslice", "0, -1", "abcd", "abc"},
		{"subslice", "9, 9", "abcd", ""},
		{"domain", "", "www.Example.co.uk", "Example.co.uk"},
		{"domain", "", "uk", "uk"},
		{"tld", "", "www.example.co.uk", "co.uk"},
	} {
		if got := apply(t, c.in, c.name, c.arg); got != c.want {
			t.Errorf("%s:%s of %q: %q, want %q", c.name, c.arg, c.in, got, c.want)
		}
	}
	for name, want := range map[string]string{
		"to_md5":    "900150983cd24fb0d6963f7d28e17f72",
		"to_sha1":   "a9993e364706816aba3e25717850c26c9cd0d89d",
		"to_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	} {
		if got := hex.EncodeToString([]byte(apply(t, "abc", name, ""))); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestChains(t *testing.T) {
	if got := apply(t, " A B.C ", "strip_whitespace", "", "to_lowercase", "", "subslice", "1", "dotprefix", "", "to_uppercase", "", "dotprefix", ""); got != "..B.C" {
		t.Errorf("%q", got)
	}
	if got := apply(t, "xdGVzdA==", "subslice", "1", "from_base64", "", "subslice", "0, 2", "dotprefix", "", "subslice", "1", "dotprefix", ""); got != ".te" {
		t.Errorf("%q", got)
	}
}

func TestTransformsRefuse(t *testing.T) {
	for _, c := range [][2]string{{"nothing", ""}, {"to_md5", "x"}, {"xor", ""}, {"xor", "zz"}, {"pcrexform", "abc"}, {"pcrexform", "("}, {"from_base64", "mode x"}, {"from_base64", "bytes -1"}, {"gunzip", "max-size 99mb"}, {"subslice", "a"}} {
		if _, err := ParseTransform(c[0], c[1], whole()); err == nil {
			t.Errorf("%s:%s was taken", c[0], c[1])
		}
	}
}

func TestTransformsAllocateNothing(t *testing.T) {
	for _, name := range TransformNames() {
		arg := map[string]string{"xor": "ff", "pcrexform": "(.)", "subslice": "1"}[name]
		tr, err := ParseTransform(name, arg, whole())
		if err != nil {
			t.Fatal(err)
		}
		if name == "gunzip" || name == "zlib_deflate" || name == "domain" || name == "tld" {
			continue // the standard library's part allocates
		}
		c, in := Chain{tr}, []byte("www.example.com: A b")
		var w Workspace
		c.Apply(in, &w)
		c.Apply(in, &w)
		if n := testing.AllocsPerRun(50, func() { c.Apply(in, &w) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzTransforms(f *testing.F) {
	f.Add(uint8(1), []byte("a%41+b: c\r\n"))
	f.Add(uint8(17), []byte("\x1f\x8b\x08\x00\x00"))
	names := TransformNames()
	var w Workspace
	f.Fuzz(func(t *testing.T, k uint8, in []byte) {
		var c Chain
		for range 3 {
			name := names[int(k)%len(names)]
			tr, err := ParseTransform(name, map[string]string{"xor": "0d0aff", "pcrexform": "(a.*b)", "subslice": "-3,2"}[name], whole())
			if err != nil {
				t.Fatal(err)
			}
			c = append(c, tr)
			k = k*7 + 3
		}
		if out := c.Apply(in, &w); len(out) > MaxTransformed {
			t.Fatalf("%d bytes", len(out))
		}
	})
}

func whole() *Library {
	return &Library{PublicSuffix: library.PublicSuffix, Gunzip: library.Gunzip, Inflate: library.Inflate}
}

// TestTransformsWithoutLibrary: what is not there is refused, not skipped.
func TestTransformsWithoutLibrary(t *testing.T) {
	for _, name := range []string{"domain", "tld", "gunzip", "zlib_deflate"} {
		if _, err := ParseTransform(name, "", new(Library)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := ParseTransform("to_lowercase", "", new(Library)); err != nil {
		t.Error(err)
	}
}
