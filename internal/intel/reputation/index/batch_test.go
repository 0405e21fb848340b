package index

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// small is an index with an object of every type.
func small(t testing.TB) *Index {
	return build(t, map[reputation.Object]reputation.Brief{
		prefix("192.0.2.0/24"):                                                        bad(80),
		prefix("2001:db8::/32"):                                                       bad(70),
		domain("bad.example", true):                                                   bad(90),
		url("pages.example/evil/", true):                                              bad(85),
		url("host.example/a?b=c", false):                                              bad(76),
		{Type: reputation.TypeASN, Number: 7}:                                         bad(20),
		{Type: reputation.TypeFile, Text: "d41d8cd98f00b204e9800998ecf8427e"}:         bad(99),
		{Type: reputation.TypeCert, Text: "da39a3ee5e6b4b0d3255bfef95601890afd80709"}: bad(98),
		{Type: reputation.TypeJA4, Text: "t13d1516h2_8daaf6152771_b186095e22b6"}:      bad(40),
		{Type: reputation.TypeEmail, Text: "a@bad.example"}:                           bad(41),
		{Type: reputation.TypeDevice, Text: "maker/model"}: {
			Score: 0, Kind: reputation.KindKnown, Local: reputation.LocalAllow},
	})
}

func TestBatch(t *testing.T) {
	x := small(t)
	var b Batch
	ask := []reputation.Object{
		prefix("192.0.2.9/32"), prefix("198.51.100.1/32"), prefix("2001:db8::1/128"), domain("x.bad.example", false),
		domain("good.example", false), url("pages.example/evil/1", false), url("192.0.2.1/x", false),
		{Type: reputation.TypeASN, Number: 7},
		{Type: reputation.TypeFile, Text: "d41d8cd98f00b204e9800998ecf8427e"},
		{Type: reputation.TypeCert, Text: "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{Type: reputation.TypeJA4, Text: "t13d1516h2_8daaf6152771_b186095e22b6"},
		{Type: reputation.TypeDevice, Text: "maker/model"},
	}
	for range 2 {
		b.Reset()
		for _, o := range ask {
			if err := b.Object(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	response, err := x.Answer(nil, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	answers, err := ReadAnswers(response)
	if err != nil || answers.Len() != len(ask) {
		t.Fatalf("%d answers, %v", answers.Len(), err)
	}
	for i, o := range ask {
		brief, match := x.Object(o)
		if a := answers.At(i); a.Brief != brief || a.Type != match.Type {
			t.Errorf("%v: batch %+v, index %+v by %v", o, a, brief, match)
		}
	}
	if a := answers.At(0); a.Extent != 24 {
		t.Errorf("prefix of %d bits answered, want 24", a.Extent)
	}
	if a := answers.At(3); int(a.Extent) != len("bad.example") {
		t.Errorf("%d bytes of the name answered, want those of bad.example", a.Extent)
	}
}

func TestBatchRefusals(t *testing.T) {
	x := small(t)
	var b Batch
	if err := b.Object(domain("bad.example", false)); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	for name, request := range map[string][]byte{
		"empty":           nil,
		"other format":    []byte("GET / HTTP/1.1\r\n"),
		"cut off":         good[:len(good)-1],
		"too long":        append(bytes.Clone(good), 0),
		"too many":        []byte("MRQ\x01\xff\xff\xff\xff"),
		"unknown type":    []byte("MRQ\x01\x01\x00\x00\x00\xffx"),
		"endless varint":  []byte("MRQ\x01\x01\x00\x00\x00\x13\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"text too long":   []byte("MRQ\x01\x01\x00\x00\x00\x13\xff\x7f"),
		"text of nothing": []byte("MRQ\x01\x01\x00\x00\x00\x13\x00"),
		"oversize":        append([]byte("MRQ\x01\x00\x00\x00\x00"), make([]byte, MaxBatchBytes)...),
	} {
		before := []byte("before")
		out, err := x.Answer(before, request)
		if !errors.Is(err, ErrBatch) || !bytes.Equal(out, before) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	for i := 0; ; i++ {
		if err := b.Address(netip.AddrFrom4([4]byte{1})); err != nil {
			if i != MaxBatch-1 || b.Len() != MaxBatch {
				t.Errorf("full after %d: %v", i, err)
			}
			break
		}
	}
	if _, err := x.Answer(nil, b.Bytes()); err != nil {
		t.Error(err)
	}
}

func TestHidden(t *testing.T) {
	x := small(t)
	asked := []reputation.Object{domain("bad.example", false), url("pages.example/evil/", true), domain("good.example", false),
		{Type: reputation.TypeFile, Text: "d41d8cd98f00b204e9800998ecf8427e"}}
	var prefixes [][4]byte
	for _, o := range asked {
		sum, ok := Hash(o)
		if !ok {
			t.Fatal(o)
		}
		prefixes = append(prefixes, [4]byte(sum[:]))
	}
	request, err := AppendPrefixes(nil, prefixes)
	if err != nil {
		t.Fatal(err)
	}
	response, err := x.AnswerPrefixes(nil, request)
	if err != nil {
		t.Fatal(err)
	}
	full, err := ReadFull(response)
	if err != nil || len(full) != 3 {
		t.Fatalf("%+v, %v", full, err)
	}
	for i, o := range []reputation.Object{asked[0], asked[1], asked[3]} {
		sum, _ := Hash(o)
		if f := full[i]; f.Hash != sum || f.Type != o.Type || f.Below != (i < 2) || f.Brief.Score < 85 {
			t.Errorf("%v: %+v", o, f)
		}
	}
	if _, ok := Hash(prefix("192.0.2.1/32")); ok {
		t.Error("an address has a hash")
	}
	for _, bad := range [][]byte{nil, request[:len(request)-1], []byte("MRP\x01\xff\xff\x00\x00")} {
		if _, err := x.AnswerPrefixes(nil, bad); !errors.Is(err, ErrBatch) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := ReadFull(bad); !errors.Is(err, ErrBatch) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	x := small(f)
	var b Batch
	for _, o := range []reputation.Object{prefix("192.0.2.9/32"), prefix("2001:db8::1/128"), domain("X.bad.example.", false), url("[2001:db8::1]:8/x", false)} {
		if err := b.Object(o); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte("MRQ\x01\x01\x00\x00\x00\x14\x0cu@1.2.3.4:/?"))
	f.Add([]byte("MRP\x01\x01\x00\x00\x00abcd"))
	f.Fuzz(func(t *testing.T, request []byte) {
		out, err := x.Answer(nil, request)
		if err != nil && !errors.Is(err, ErrBatch) {
			t.Fatal(err)
		}
		if a, err := ReadAnswers(out); err == nil {
			for i := range a.Len() {
				a.At(i)
			}
		}
		if out, err = x.AnswerPrefixes(nil, request); err == nil {
			if _, err = ReadFull(out); err != nil {
				t.Fatal(err)
			}
		}
		ReadAnswers(request)
		ReadFull(request)
	})
}

// FuzzURL asks for any text: nothing panics, and what is listed exactly is
// found.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"host.example/a/b?c", "http://u@h.example:80//", "[::1]:1/", "1.2.3.4.5/", "....", "a.b.c.d.e.f/1/2/3/4/5/6/?/", "://", "@:/"} {
		f.Add(s)
	}
	x := small(f)
	f.Fuzz(func(t *testing.T, s string) {
		x.URL([]byte(s))
		x.Domain(s)
		x.Object(url(s, true))
		if s == "" || len(s) > MaxText {
			return
		}
		for _, o := range []reputation.Object{url(s, false), url(s, true), domain(s, false)} {
			if o.Type == reputation.TypeDomain && (len(s) > maxName || s[len(s)-1] == '.') {
				continue
			}
			one := build(t, map[reputation.Object]reputation.Brief{o: bad(77)})
			if b, match := one.Object(o); b.Score != 77 || match != o {
				t.Fatalf("%v %q below=%v: %v %v", o.Type, s, o.Below, b, match)
			}
		}
	})
}
