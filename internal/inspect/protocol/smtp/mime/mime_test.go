package mime

import (
	"bytes"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// files collects attachments.
type files struct {
	names, data []string
	whole       []bool
}

func (f *files) FileOpen(name []byte) {
	f.names, f.data = append(f.names, string(name)), append(f.data, "")
}
func (f *files) FileData(b []byte)    { f.data[len(f.data)-1] += string(b) }
func (f *files) FileClose(whole bool) { f.whole = append(f.whole, whole) }

func config() *Config {
	return &Config{Base64: true, QuotedPrintable: true, URLs: true, BodyMD5: true, HeaderDepth: 200, Schemes: [][]byte{[]byte("http://")}}
}

// read reads a message with LF line ends.
func read(text string) (*Reader, *files) {
	f := new(files)
	m := new(Reader)
	m.Reset(config(), f)
	for l := range strings.SplitSeq(text, "\n") {
		m.Line([]byte(l), line.CRLF)
	}
	m.End(true)
	return m, f
}

func TestNestedParts(t *testing.T) {
	m, f := read("From: a\nContent-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/alternative;\n boundary=\"in ner\"\n\n" +
		"--in ner\nContent-Type: text/html\n\n<a href=\"HTTP://Example.org/X?y=1\">z</a>\n--in ner--\n--outer\nContent-Type: image/png; name=p.png\n" +
		"Content-Transfer-Encoding: base64\n\nAAEC\nAw==\n--outer--\nafter\n")
	if len(f.names) != 1 || f.names[0] != "p.png" || f.data[0] != "\x00\x01\x02\x03" || !f.whole[0] {
		t.Errorf("files %q %q", f.names, f.data)
	}
	if url, _ := m.URL(0); string(url) != "example.org/x?y=1" {
		t.Errorf("URL %q", url)
	}
	if m.Events != 0 || m.Status() != "PARSE_DONE" {
		t.Errorf("events %b, status %s", m.Events, m.Status())
	}
}

func TestParameters(t *testing.T) {
	for value, want := range map[string]string{
		`attachment; filename=a.txt`:                               "a.txt",
		`attachment; filename="a; b.txt"; size=3`:                  "a; b.txt",
		`attachment; size=3; FileName = "x"`:                       "x",
		`attachment; filename*=UTF-8''na%C3%AFve.txt`:              "naïve.txt",
		`attachment; filename*0*=us-ascii'en'a%20b; filename*1=.c`: "a b.c",
		`attachment; filename="open`:                               "open",
		`attachment`:                                               "",
	} {
		if got, _ := param(nil, []byte(value), "filename"); string(got) != want {
			t.Errorf("%s gives %q, want %q", value, got, want)
		}
	}
}

func TestQuotedPrintable(t *testing.T) {
	_, f := read("Content-Disposition: attachment; filename=q\nContent-Transfer-Encoding: quoted-printable\n\na=3Db=\nc =20 \nlast")
	if want := "a=bc  \r\nlast\r\n"; f.data[0] != want {
		t.Errorf("got %q, want %q", f.data[0], want)
	}
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("x", 1100)
	for text, event := range map[string]Event{
		"no colon\n\n":                                                  MalformedMsg,
		long[:100] + ": v\n\n":                                          LongHeaderName,
		"A: " + long[:500] + "\n\n":                                     LongHeaderValue,
		"A: b\n\n" + long:                                               LongLine,
		"Content-Transfer-Encoding: base64\n\n!*\n":                     InvalidBase64,
		"Content-Transfer-Encoding: base64\n\n" + long[:80]:             LongEncLine,
		"Content-Transfer-Encoding: quoted-printable\n\n=zz\n":          InvalidQP,
		"Content-Type: multipart/mixed; boundary=" + long[:80] + "\n\n": LongBoundary,
		"Content-Type: multipart/mixed;\n boundary=" + long[:100] + long[:50] + long[:30] + "\n\n": LongBoundary,
	} {
		if m, _ := read(text); m.Events&(1<<event) == 0 {
			t.Errorf("%.40q: event %d is missing in %b", text, event, m.Events)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name*0=x\n\nhttp://a.b\n--b--\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, cut bool) {
		m := new(Reader)
		m.Reset(config(), new(files))
		for i, l := range bytes.Split(data, []byte{'\n'}) {
			end := line.CRLF
			if cut && i%3 == 1 {
				end = line.Cut
			}
			m.Line(l, end)
		}
		m.End(false)
		for i := range maxKept {
			m.URL(i)
			m.Received(i)
		}
	})
}
