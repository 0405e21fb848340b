package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

const now = 1_790_000_000

// known is a ledger in which one source says something of every type.
func known(t testing.TB, n int) (*ledger.Ledger, reputation.SourceID) {
	t.Helper()
	l := ledger.New(ledger.Config{})
	id := l.Source(reputation.Source{Name: "bots", Owner: "someone", Trust: 90, Kind: reputation.KindBot})
	imp, err := l.Import(id, now)
	if err != nil {
		t.Fatal(err)
	}
	add := func(o reputation.Object, c reputation.Claim) {
		c.Object = o
		if err := imp.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		add(reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(a, 32)},
			reputation.Claim{First: now - uint32(i), Note: fmt.Sprintf("family %d", i%7), Confidence: uint8(i % 101)})
		add(reputation.Object{Type: reputation.TypeDomain, Below: i%2 == 0, Text: fmt.Sprintf("n%d.example.net", i)}, reputation.Claim{Kind: reputation.KindC2})
		add(reputation.Object{Type: reputation.TypeURL, Text: fmt.Sprintf("http://example.org/%d", i)}, reputation.Claim{Until: now + 1000})
		add(reputation.Object{Type: reputation.TypeFile, Text: fmt.Sprintf("%064x", i*7919)}, reputation.Claim{Kind: reputation.KindMalware})
	}
	add(reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix("2001:db8::/32")}, reputation.Claim{})
	add(reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix("203.0.113.0/24")}, reputation.Claim{})
	add(reputation.Object{Type: reputation.TypeASN, Number: 64500}, reputation.Claim{})
	add(reputation.Object{Type: reputation.TypeJA4, Text: "t13d1516h2_8daaf6152771_02713d6af862"}, reputation.Claim{})
	imp.Commit()
	return l, id
}

func write(t testing.TB, l *ledger.Ledger, id reputation.SourceID) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	var failed error
	l.Claims(id, func(key []byte, c *reputation.Claim) bool { failed = w.Write(key, c); return failed == nil })
	if err := errors.Join(failed, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(b []byte) (all []reputation.Claim, err error) {
	r := NewReader(bytes.NewReader(b))
	for {
		var c reputation.Claim
		if err := r.Next(&c); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, c)
	}
}

// TestPartHoldsAllThatIsSaid: a ledger made of a part writes the same part and
// gives the same verdicts.
func TestPartHoldsAllThatIsSaid(t *testing.T) {
	l, id := known(t, 2000)
	part := write(t, l, id)
	claims, err := read(part)
	if err != nil || len(claims) != 4*2000+4 {
		t.Fatalf("%d claims, %v", len(claims), err)
	}
	t.Logf("%.1f bytes a claim before compression", float64(len(part))/float64(len(claims)))
	again := ledger.New(ledger.Config{})
	other := again.Source(reputation.Source{Name: "bots", Owner: "someone", Trust: 90, Kind: reputation.KindBot})
	imp, err := again.Import(other, l.Imported(id))
	if err != nil {
		t.Fatal(err)
	}
	for i := len(claims) - 1; i >= 0; i-- {
		if err := imp.Add(&claims[i]); err != nil {
			t.Fatal(err)
		}
	}
	imp.Commit()
	if !bytes.Equal(write(t, again, other), part) {
		t.Error("the part is written in another way the second time")
	}
	for _, c := range claims[:50] {
		if d := cmp.Diff(l.Explain(c.Object, now+86400), again.Explain(c.Object, now+86400), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("%v: %s", c.Object, d)
		}
	}
}

func TestRevisionTellsChanges(t *testing.T) {
	l, id := known(t, 10)
	before := l.Revision(id)
	other := l.Source(reputation.Source{Name: "other", Trust: 50, Kind: reputation.KindBot})
	if l.Revision(other) != 0 || before == 0 {
		t.Errorf("revisions %d and %d", before, l.Revision(other))
	}
	if l.Expire(now); l.Revision(id) != before {
		t.Error("nothing expired, yet it is another revision")
	}
	if n := l.Expire(now + 2000); n == 0 || l.Revision(id) == before {
		t.Errorf("%d expired, revision %d", n, l.Revision(id))
	}
}

func TestBadParts(t *testing.T) {
	l, id := known(t, 20)
	part := write(t, l, id)
	for n := range part {
		if _, err := read(part[:n]); !errors.Is(err, ErrPart) || !strings.Contains(err.Error(), "cut off") {
			t.Fatalf("cut at %d of %d: %v", n, len(part), err)
		}
	}
	var w bytes.Buffer
	out := NewWriter(&w)
	key, err := ledger.AppendKey(nil, &reputation.Object{Type: reputation.TypeDomain, Text: "example.net"})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Write(key, &reputation.Claim{Kind: reputation.KindC2}); err != nil {
		t.Fatal(err)
	}
	if err := out.Write(key, &reputation.Claim{Kind: reputation.KindC2}); err == nil {
		t.Error("the same key twice was written")
	}
	for name, b := range map[string]string{
		"foreign": "PK\x03\x04", "newer": "MRC\x02\x80\x00", "count": partMagic + "\x80\x01", "flags": partMagic + "\x40\x00\x01a",
		"empty key": partMagic + "\x00\x00\x00", "long key": partMagic + "\x00\x00\xff\xff\xff\x7f", "type": partMagic + "\x00\x00\x02\x7fa",
		"bits": partMagic + "\x00\x00\x06\x01\x01\x02\x03\x04\x63", "unmasked": partMagic + "\x00\x00\x06\x01\x01\x02\x03\x04\x08",
		"order": partMagic + "\x00\x00\x03\x03ab\x00\x02\x01a", "kind": partMagic + "\x01\x00\x03\x03ab\xff", "confidence": partMagic + "\x02\x00\x03\x03ab\xff",
		"note": partMagic + "\x20\x00\x03\x03ab\x05", "note length": partMagic + "\x20\x00\x03\x03ab\x01\xff\x01",
		"number": partMagic + "\x00" + strings.Repeat("\xff", 12),
	} {
		if _, err := read([]byte(b)); !errors.Is(err, ErrPart) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	l, id := known(f, 3)
	part := write(f, l, id)
	f.Add(part)
	f.Add(part[:len(part)/2])
	f.Add([]byte(partMagic + "\x80\x00"))
	f.Add([]byte(partMagic + "\x3f\x00\x0d\x03example.net\x0f\x64\x02\x02\x02\x01\x06Mirai!\x80\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := read(b)
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := NewWriter(&out)
		for i := range claims {
			key, err := ledger.AppendKey(nil, &claims[i].Object)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(key, &claims[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := read(out.Bytes())
		if err != nil || len(again) != len(claims) {
			t.Fatalf("%d claims become %d, %v", len(claims), len(again), err)
		}
		for i := range again {
			if again[i] != claims[i] {
				t.Fatalf("%+v becomes %+v", claims[i], again[i])
			}
		}
	})
}

func TestArchive(t *testing.T) {
	m := manifest()
	var out bytes.Buffer
	put := func(s *Source, w io.Writer) error {
		_, err := w.Write(bytes.Repeat([]byte{s.SHA256[0]}, int(s.Packed)))
		return err
	}
	if err := WriteArchive(&out, m, []byte("manifest"), "signature", put); err != nil {
		t.Fatal(err)
	}
	a, payload, sig, err := OpenArchive(bytes.NewReader(out.Bytes()))
	if err != nil || string(payload) != "manifest" || sig != "signature" {
		t.Fatalf("%q %q %v", payload, sig, err)
	}
	for i := range m.Sources {
		sha, size, r, err := a.Next()
		b, rerr := io.ReadAll(r)
		if err != nil || rerr != nil || sha != m.Sources[i].SHA256 || size != int64(len(b)) {
			t.Fatalf("%s %d %v %v", sha, size, err, rerr)
		}
	}
	if _, _, _, err := a.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func FuzzArchive(f *testing.F) {
	var out bytes.Buffer
	err := WriteArchive(&out, manifest(), []byte("{}"), "signature", func(s *Source, w io.Writer) error {
		_, err := w.Write(make([]byte, s.Packed))
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:700])
	f.Add([]byte("manifest.json"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		a, _, _, err := OpenArchive(bytes.NewReader(b))
		for err == nil {
			_, _, _, err = a.Next()
		}
	})
}
