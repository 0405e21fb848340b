package listed

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// entry is an object as people write it, with its brief.
type entry struct {
	text  string
	brief reputation.Brief
	parse func(string) (reputation.Object, error)
}

func score(n uint8) reputation.Brief { return reputation.Brief{Score: n} }

var allow = reputation.Brief{Local: reputation.LocalAllow}

func wide(s string) (reputation.Object, error) {
	o, err := canon.Domain(s)
	return canon.Widen(o), err
}

// set builds a set of the entries, with tails unless bare.
func set(t testing.TB, bare bool, list []entry) *edge.Set {
	t.Helper()
	entries := iter.Seq2[reputation.Object, reputation.Brief](func(yield func(reputation.Object, reputation.Brief) bool) {
		for _, e := range list {
			o, err := e.parse(e.text)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(o, e.brief) {
				return
			}
		}
	})
	snap, err := edge.Build(entries, edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: 1, Issued: 1, Expires: 1 << 31}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := edge.Open(snap.Payload, 2, 0)
	if err == nil && !bare {
		s, err = s.WithTails(snap.Tails)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var body = sha256.Sum256([]byte("body"))

const ja4 = "t13d1516h2_8daaf6152771_02713d6af862"

var entries = []entry{
	{"192.0.2.0/24", score(95), canon.Address}, {"192.0.2.9", allow, canon.Address}, {"10.1.1.1", score(95), canon.Address}, {"2001:db8::/32", score(80), canon.Address},
	{"evil.example", score(95), wide}, {"medium.example", score(60), wide}, {"good.evil.example", allow, wide},
	{"http://host.example/a/b.sh", score(90), canon.URL}, {"http://host.example/kit/*", score(90), canon.URL},
	{"http://cdn.example/", allow, canon.URL}, {"http://192.0.2.77:8080/bin.sh", score(90), canon.URL},
	{"198.51.100.7:4444", score(90), canon.Endpoint}, {"dyn.example:4444", score(90), canon.Endpoint},
	{hex.EncodeToString(body[:]), score(90), canon.File}, {ja4, score(90), canon.JA4}, {hex.EncodeToString(body[:]), score(90), canon.Cert},
}

// TestAsk: what is listed, allowed and unknown, by mode and tier.
func TestAsk(t *testing.T) {
	name := func(s string) engine.Subject { return engine.Subject{Kind: engine.SubjectName, Text: []byte(s)} }
	url := func(s string) engine.Subject { return engine.Subject{Kind: engine.SubjectURL, Text: []byte(s)} }
	addr := func(s string) engine.Subject {
		return engine.Subject{Kind: engine.SubjectAddress, Addr: netip.MustParseAddr(s)}
	}
	at := func(s engine.Subject, port uint16) engine.Subject {
		s.Port = port
		return s
	}
	listed := func(n uint8) engine.Standing { return engine.Standing{Listed: true, Stop: true, Score: n} }
	allowed := engine.Standing{Allowed: true}
	none := engine.Standing{}
	r := NewReader()
	if got := r.Ask(&engine.Subject{Kind: engine.SubjectName, Text: []byte("evil.example")}); got != none {
		t.Errorf("without a set: %+v", got)
	}
	s := set(t, false, entries)
	r.Use(s, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	r.Regard(model.ModeEnforce, edge.TierHigh)
	for _, c := range []struct {
		s    engine.Subject
		want engine.Standing
	}{
		{addr("192.0.2.7"), listed(90)}, {addr("192.0.2.9"), allowed}, {addr("10.1.1.1"), none}, {addr("2001:db8::1"), listed(75)}, {addr("198.51.100.1"), none},
		{at(addr("198.51.100.7"), 4444), listed(90)}, {at(addr("198.51.100.7"), 443), none}, {addr("198.51.100.7"), none}, {at(addr("192.0.2.7"), 1), listed(90)},
		{at(name("DYN.example."), 4444), listed(90)}, {at(name("dyn.example"), 443), none}, {name("dyn.example"), none}, {at(name("x.evil.example"), 443), listed(90)},
		{name("evil.example"), listed(90)}, {name("A.b.EVIL.example."), listed(90)}, {name("x.good.evil.example"), allowed}, {name("medium.example"), none},
		{name("vil.example"), none}, {name("example"), none}, {name(""), none}, {name("\xff\x00.example"), none},
		{url("host.example/a/b.sh"), listed(90)}, {url("Host.example:8080/a/./b.sh?x=1"), listed(90)}, {url("host.example/a/b.sh/c"), none}, {url("host.example/a/"), none},
		{url("www.host.example/a/b.sh"), none}, {url("host.example/kit/x/y?z"), listed(90)}, {url("http://host.example/kit/"), listed(90)},
		{url("192.0.2.77:8080/bin.sh"), listed(90)}, {url("///"), none}, {url(""), none},
		{engine.Subject{Kind: engine.SubjectFile, Sum: body[:]}, listed(90)}, {engine.Subject{Kind: engine.SubjectFile, Sum: body[:16]}, none},
		{engine.Subject{Kind: engine.SubjectCert, Sum: body[:]}, listed(90)}, {engine.Subject{Kind: engine.SubjectCert, Sum: body[:20]}, none},
		{engine.Subject{Kind: engine.SubjectJA4, Text: []byte(ja4)}, listed(90)}, {engine.Subject{Kind: engine.SubjectJA4, Text: []byte(ja4[1:])}, none},
		{engine.Subject{}, none},
	} {
		if got := r.Ask(&c.s); got != c.want {
			t.Errorf("%v %s: %+v, want %+v", c.s.Kind, c.s.AppendText(nil), got, c.want)
		}
	}
	ask := name("medium.example")
	r.Regard(model.ModeObserve, edge.TierMedium)
	if got := r.Ask(&ask); got != (engine.Standing{Listed: true, Score: 50}) {
		t.Errorf("observed: %+v", got)
	}
	r.Regard(model.ModeOff, edge.TierMedium)
	if got := r.Ask(&ask); got != none {
		t.Errorf("off: %+v", got)
	}
	r.Use(set(t, true, entries), nil)
	r.Regard(model.ModeEnforce, edge.TierMedium)
	if got := r.Ask(&ask); got != none || r.Unsure() != 1 {
		t.Errorf("without tails: %+v, %d unsure", got, r.Unsure())
	}
}

// TestAskAllocatesNothing for each kind of subject.
func TestAskAllocatesNothing(t *testing.T) {
	r := NewReader()
	r.Use(set(t, false, entries), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	r.Regard(model.ModeEnforce, edge.TierHigh)
	for _, s := range []engine.Subject{
		{Kind: engine.SubjectAddress, Addr: netip.MustParseAddr("192.0.2.7")}, {Kind: engine.SubjectName, Text: []byte("a.long.name.that.is.not.listed.anywhere.example")},
		{Kind: engine.SubjectURL, Text: []byte("www.host.example:8080/kit/./of/things?with=a&query")}, {Kind: engine.SubjectFile, Sum: body[:]},
		{Kind: engine.SubjectJA4, Text: []byte(ja4)}, {Kind: engine.SubjectCert, Sum: body[:]},
		{Kind: engine.SubjectName, Text: []byte("a.Name.with.a.port.example"), Port: 443}, {Kind: engine.SubjectAddress, Addr: netip.MustParseAddr("2001:db8:1::7"), Port: 443},
	} {
		if n := testing.AllocsPerRun(100, func() { r.Ask(&s) }); n > 0 {
			t.Errorf("%v: %v allocations", s.Kind, n)
		}
	}
}

// FuzzAsk: no name or URL of any bytes breaks a look-up.
func FuzzAsk(f *testing.F) {
	for i, s := range []string{"evil.example", "http://host.example/kit/%2e%2e/x?y#z", "[::1]:80/", "a@b:99999/\xff"} {
		f.Add([]byte(s), uint8(i))
	}
	r := NewReader()
	r.Use(set(f, false, entries), nil)
	r.Regard(model.ModeEnforce, edge.TierMedium)
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		s := engine.Subject{Kind: engine.SubjectKind(kind % 8), Text: b, Sum: b}
		if got := r.Ask(&s); got.Stop && !got.Listed || got.Listed && got.Score == 0 {
			t.Errorf("%+v", got)
		}
	})
}
