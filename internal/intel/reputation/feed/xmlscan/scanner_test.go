package xmlscan_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/masugata/masugata/internal/intel/reputation/feed/xmlscan"
)

// tokens gives each token as a line; texts that follow each other are one.
func tokens(r io.Reader) (out []string, err error) {
	s := xmlscan.New(r, 1<<20)
	for {
		s.Piece()
		k, b, err := s.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch k {
		case xmlscan.Start:
			out = append(out, fmt.Sprintf("<%s search=%q", b, s.Attr("search")))
		case xmlscan.End:
			out = append(out, "/"+string(b))
		default:
			out = text(out, b)
		}
	}
}

func text(out []string, b []byte) []string {
	if len(b) == 0 {
		return out
	}
	if n := len(out); n > 0 && strings.HasPrefix(out[n-1], "=") {
		out[n-1] += string(b)
		return out
	}
	return append(out, "="+string(b))
}

// theirs is tokens by encoding/xml.
func theirs(b []byte) (out []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			value := ""
			if i := slices.IndexFunc(t.Attr, func(a xml.Attr) bool { return a.Name.Local == "search" }); i >= 0 {
				value = t.Attr[i].Value
			}
			out = append(out, fmt.Sprintf("<%s search=%q", t.Name.Local, value))
		case xml.EndElement:
			out = append(out, "/"+t.Name.Local)
		case xml.CharData:
			out = text(out, t)
		}
	}
}

func seeds() []string {
	return []string{"", "a", "<a>", "<a/>", "<a></a>", "<a b='1' search = \"x&amp;y&#x41;&#66;\">t &lt; u</a>", "<x:a x:search='1'/>", "<a b=1/>", "<a b/>", "<a 'x'/>",
		"<!-- c --><a>", "<!-- -- -->", "<!-->", "<![CDATA[<&>]]>", "<![CDATA[]]>x", "]]>", "&x;", "&amp", "<?xml version='1.0' encoding='utf-8'?><a/>", "<?xml version='1.0' encoding='utf-16'?><a/>",
		"<?x?>", "<!DOCTYPE a [<!ELEMENT b (#PCDATA)> '>' ]><a/>", "</a >", "</ a>", "< a>", "<a\r\n b='\r\n'>\r\n\r</a>", "<é>ü世</é>", "\xff", "\x01", "<a b='<'/>", "<a><b>", "<a", "<a b='", "<!--", "<![CDATA[", "&#0;", "&#1114112;"}
}

// same holds what both read to encoding/xml, which tells more names apart.
func same(t *testing.T, b []byte) {
	got, err := tokens(bytes.NewReader(b))
	single, errSingle := tokens(iotest.OneByteReader(bytes.NewReader(b)))
	if (err == nil) != (errSingle == nil) || err == nil && !slices.Equal(got, single) {
		t.Fatalf("%q: %q (%v), byte by byte %q (%v)", b, got, err, single, errSingle)
	}
	want, errWant := theirs(b)
	if err == nil && errWant == nil && !slices.Equal(got, want) {
		t.Fatalf("%q: %q, encoding/xml: %q", b, got, want)
	}
}

func TestSame(t *testing.T) {
	for _, s := range seeds() {
		same(t, []byte(s))
		_, err := tokens(strings.NewReader(s))
		_, errWant := theirs([]byte(s))
		if (err == nil) != (errWant == nil) {
			t.Errorf("%q: %v, encoding/xml: %v", s, err, errWant)
		}
	}
}

// FuzzSame holds any text to encoding/xml.
func FuzzSame(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("<!")) || bytes.Contains(b, []byte("<?")) {
			_, _ = tokens(bytes.NewReader(b)) // encoding/xml reads declarations more closely
			return
		}
		same(t, b)
	})
}
