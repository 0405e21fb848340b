package index

import (
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

func domain(text string, below bool) reputation.Object {
	return reputation.Object{Type: reputation.TypeDomain, Text: text, Below: below}
}

func url(text string, below bool) reputation.Object {
	return reputation.Object{Type: reputation.TypeURL, Text: text, Below: below}
}

func prefix(text string) reputation.Object {
	return reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix(text)}
}

func bad(score uint8) reputation.Brief {
	return reputation.Brief{Score: score, Kind: reputation.KindC2}
}

func build(t testing.TB, set map[reputation.Object]reputation.Brief) *Index {
	t.Helper()
	b := NewBuilder(len(set))
	b.Prefixes = true
	for o, brief := range set {
		if err := b.Add(o, brief); err != nil {
			t.Fatalf("Add %v: %v", o, err)
		}
	}
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestObject(t *testing.T) {
	benign := reputation.Brief{Kind: reputation.KindBenign}
	allow := reputation.Brief{Local: reputation.LocalAllow}
	md5 := reputation.Object{Type: reputation.TypeFile, Text: "d41d8cd98f00b204e9800998ecf8427e"}
	ja4 := reputation.Object{Type: reputation.TypeJA4, Text: "t13d1516h2_8daaf6152771_b186095e22b6"}
	asn := reputation.Object{Type: reputation.TypeASN, Number: 4200000000}
	x := build(t, map[reputation.Object]reputation.Brief{
		prefix("192.0.2.0/24"):                        bad(60),
		prefix("192.0.2.7/32"):                        bad(90),
		prefix("192.0.2.8/32"):                        bad(30),
		prefix("192.0.2.9/32"):                        benign,
		prefix("192.0.2.128/25"):                      allow,
		prefix("192.0.2.200/32"):                      bad(99),
		prefix("255.255.255.255/32"):                  bad(51),
		prefix("2001:db8::/32"):                       bad(50),
		prefix("2001:db8:1::/48"):                     bad(80),
		prefix("2001:db8:1::1/128"):                   bad(20),
		prefix("2001:db8:2::/48"):                     benign,
		domain("bad.example", true):                   bad(80),
		domain("good.bad.example", true):              benign,
		domain("worse.good.bad.example", false):       bad(95),
		domain("only.example", false):                 bad(70),
		url("http://host.example/a/b.sh", false):      bad(91),
		url("http://host.example:8080/a/b.sh", false): bad(92),
		url("http://pages.example/evil/", true):       bad(76),
		url("http://pages.example/evil/good/", true):  benign,
		url("http://198.51.100.1/bin/", true):         bad(85),
		md5:                                           bad(88), ja4: bad(44), asn: bad(33),
	})
	if x.Size() != 23 {
		t.Errorf("Size %d, want 23", x.Size())
	}
	none := reputation.Object{}
	for _, c := range []struct {
		ask   reputation.Object
		score uint8
		match reputation.Object
	}{
		{prefix("192.0.2.1/32"), 60, prefix("192.0.2.0/24")},
		{prefix("192.0.2.7/32"), 90, prefix("192.0.2.7/32")},
		{prefix("192.0.2.8/32"), 30, prefix("192.0.2.8/32")},
		{prefix("192.0.2.9/32"), 0, prefix("192.0.2.9/32")},
		{prefix("192.0.2.200/32"), 99, prefix("192.0.2.200/32")},
		{prefix("192.0.2.201/32"), 0, prefix("192.0.2.128/25")},
		{prefix("192.0.2.0/24"), 60, prefix("192.0.2.0/24")},
		{prefix("192.0.2.0/26"), 60, prefix("192.0.2.0/24")},
		{prefix("192.0.0.0/16"), 0, none},
		{prefix("192.0.3.0/32"), 0, none},
		{prefix("192.0.1.255/32"), 0, none},
		{prefix("255.255.255.255/32"), 51, prefix("255.255.255.255/32")},
		{prefix("255.255.255.254/32"), 0, none},
		{prefix("0.0.0.0/32"), 0, none},
		{prefix("2001:db8::1/128"), 50, prefix("2001:db8::/32")},
		{prefix("2001:db8:1::1/128"), 20, prefix("2001:db8:1::1/128")},
		{prefix("2001:db8:2::1/128"), 0, prefix("2001:db8:2::/48")},
		{prefix("2001:db8::/32"), 50, prefix("2001:db8::/32")},
		{prefix("2001::/16"), 0, none},
		{domain("bad.example", false), 80, domain("bad.example", true)},
		{domain("x.y.bad.example", false), 80, domain("bad.example", true)},
		{domain("notbad.example", false), 0, none},
		{domain("x.good.bad.example", false), 0, domain("good.bad.example", true)},
		{domain("worse.good.bad.example", false), 95, domain("worse.good.bad.example", false)},
		{domain("worse.good.bad.example", true), 0, domain("good.bad.example", true)},
		{domain("only.example", false), 70, domain("only.example", false)},
		{domain("x.only.example", false), 0, none},
		{domain("example", false), 0, none},
		{url("https://host.example/a/b.sh", false), 91, url("http://host.example/a/b.sh", false)},
		{url("host.example/a/b.sh", false), 91, url("http://host.example/a/b.sh", false)},
		{url("http://host.example:8080/a/b.sh", false), 92, url("http://host.example:8080/a/b.sh", false)},
		{url("http://host.example:81/a/b.sh", false), 0, none},
		{url("http://host.example/a/b.sh?u=http://y.example/", false), 91, url("http://host.example/a/b.sh", false)},
		{url("http://pages.example/evil/x/y/z?q=/a", false), 76, url("http://pages.example/evil/", true)},
		{url("http://sub.pages.example:99/evil/", false), 76, url("http://pages.example/evil/", true)},
		{url("http://pages.example/evil", false), 0, none},
		{url("http://pages.example/evil/good/x", false), 0, url("http://pages.example/evil/good/", true)},
		{url("http://x.bad.example/", false), 80, domain("bad.example", true)},
		{url("http://192.0.2.7/x", false), 90, prefix("192.0.2.7/32")},
		{url("http://u:p@192.0.2.6:99/x", false), 60, prefix("192.0.2.0/24")},
		{url("http://[2001:db8:1::5]:99/x", false), 80, prefix("2001:db8:1::/48")},
		{url("http://198.51.100.1/bin/x", false), 85, url("http://198.51.100.1/bin/", true)},
		{url("http://7.198.51.100.1/bin/x", false), 0, none},
		{md5, 88, md5},
		{ja4, 44, ja4},
		{asn, 33, asn},
		{reputation.Object{Type: reputation.TypeASN, Number: 1}, 0, none},
		{reputation.Object{Type: reputation.TypeFile, Text: "d41d8cd98f00b204e9800998ecf8427f"}, 0, none},
	} {
		b, match := x.Object(c.ask)
		if b.Score != c.score || match != c.match {
			t.Errorf("%v %v: %d by %v %v, want %d by %v", c.ask.Type, c.ask, b.Score, match.Type, match, c.score, c.match)
		}
	}
}
