package canon

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"github.com/masugata/masugata/internal/intel/reputation"
)

type reading struct{ in, want string } // want "" is an error

func check(t *testing.T, read func(string) (reputation.Object, error), cases []reading) {
	t.Helper()
	for _, c := range cases {
		o, err := read(c.in)
		var e *Error
		switch {
		case c.want == "" && !errors.As(err, &e):
			t.Errorf("%q = %q, %v; want an *Error", c.in, o, err)
		case c.want != "" && (err != nil || o.String() != c.want):
			t.Errorf("%q = %q, %v; want %q", c.in, o, err, c.want)
		}
	}
}

func TestAddress(t *testing.T) {
	check(t, Address, []reading{
		{"192.0.2.1", "192.0.2.1"}, {" 192.0.2.77/24 ", "192.0.2.0/24"}, {"192.0.2.1/32", "192.0.2.1"}, {"192.0.2.9/255.255.255.0", "192.0.2.0/24"},
		{"[2001:DB8::1]", "2001:db8::1"}, {"2001:db8::1/32", "2001:db8::/32"}, {"::ffff:192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.1/120", "192.0.2.0/24"},
		{"0.0.0.0/8", "0.0.0.0/8"}, {"", ""}, {"0.0.0.0/0", ""}, {"::/0", ""}, {"::ffff:0:0/96", ""}, {"192.0.2.1/33", ""}, {"192.0.2.1/", ""},
		{"192.0.2.1/255.0.255.0", ""}, {"192.0.2.1:80", ""}, {"192.000.002.001", ""}, {"fe80::1%eth0", ""}, {"1.2.3", ""}, {"example.net", ""},
		{"2001:db8::/129", ""}, {"1.2.3.4/-1", ""}, {"1.2.3.4-1.2.3.9", ""},
	})
}

func TestOutside(t *testing.T) {
	for text, want := range map[string]bool{"203.0.113.1": true, "2001:db8::1": true, "100.63.255.255": true, "100.64.0.1": false, "100.127.255.255": false, "10.0.0.1": false,
		"192.168.1.1": false, "127.0.0.1": false, "169.254.1.1": false, "224.0.0.1": false, "fd00::1": false, "fe80::1": false, "::1": false} {
		if got := Outside(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	if Outside(netip.Addr{}) {
		t.Error("no address is a stranger's")
	}
}

func TestASN(t *testing.T) {
	check(t, ASN, []reading{{"AS64496", "AS64496"}, {"asn 64496", "AS64496"}, {"64496", "AS64496"}, {"AS1.10", "AS65546"}, {"AS4294967295", "AS4294967295"},
		{"AS0", ""}, {"AS4294967296", ""}, {"AS1.65536", ""}, {"AS65536.1", ""}, {"AS", ""}, {"ASX", ""}, {"-1", ""}})
}

func TestDomain(t *testing.T) {
	check(t, Domain, []reading{
		{"Camera.Example.NET.", "camera.example.net"}, {"*.example.net", "*.example.net"}, {".example.net", "*.example.net"},
		{"bücher.example", "xn--bcher-kva.example"}, {"_dmarc.example.net", "_dmarc.example.net"}, {"a-.example.net", "a-.example.net"},
		{"duckdns.org", "duckdns.org"}, {"☃.net", "xn--n3h.net"}, {"example。net", "example.net"}, {"straße.example", "xn--strae-oqa.example"},
		{"com", ""}, {"co.uk", ""}, {"*.co.uk", ""}, {"localhost", ""}, {"", ""}, {".", ""}, {"*.", ""}, {"a..b.net", ""}, {"192.0.2.1", ""}, {"1.2.3.4.5", ""},
		{"a b.net", ""}, {"a/b.net", ""}, {strings.Repeat("a", 64) + ".net", ""}, {strings.Repeat("a.", 130) + "net", ""}, {"\xff.net", ""}, {"a.*.net", ""},
	})
}

func TestPrints(t *testing.T) {
	md5, sha1, sha256 := strings.Repeat("aB", 16), strings.Repeat("0F", 20), strings.Repeat("12", 32)
	check(t, File, []reading{{md5, strings.ToLower(md5)}, {sha1, strings.ToLower(sha1)}, {sha256, sha256}, {md5 + "0", ""}, {"z" + md5[1:], ""}, {"", ""}})
	check(t, Cert, []reading{{strings.Repeat("AB:", 19) + "AB", strings.Repeat("ab", 20)}, {sha256, sha256}, {md5, ""}})
	check(t, TLSH, []reading{{strings.Repeat("a", 70), "T1" + strings.Repeat("A", 70)}, {"t1" + strings.Repeat("A", 70), "T1" + strings.Repeat("A", 70)}, {"T1", ""}})
	check(t, JA4, []reading{{"t13d1516h2_8daaf6152771_02713D6af862", "t13d1516h2_8daaf6152771_02713d6af862"}, {"T12i010000_000000000000_000000000000", "t12i010000_000000000000_000000000000"},
		{"x13d1516h2_8daaf6152771_02713d6af862", ""}, {"t13d1516h2_8daaf6152771-02713d6af862", ""}, {"t13dxx16h2_8daaf6152771_02713d6af862", ""}, {"", ""}})
	check(t, Email, []reading{{"<User@Example.NET>", "user@example.net"}, {"mailto:a+b@bücher.example", "a+b@xn--bcher-kva.example"}, {"@example.net", ""}, {"a@b", ""}, {"a b@example.net", ""}, {"a@", ""}})
	check(t, Device, []reading{{" ACME  Corp / Cam  12 ", "acme corp/cam 12"}, {"acme/x/y", "acme/x/y"}, {"ACME / *", "acme/*"}, {"acme", ""}, {"/x", ""}, {"a/", ""}, {"a/\x00", ""}, {"a/" + strings.Repeat("x", 200), ""}})
}

func TestGuess(t *testing.T) {
	for in, want := range map[string]reputation.Type{
		"192.0.2.1": reputation.TypePrefix, "192.0.2.0/24": reputation.TypePrefix, "192.0.2[.]1:8080": reputation.TypeEndpoint, "[2001:db8::1]:80": reputation.TypeEndpoint, "/bins/x.arm7": reputation.TypeURL,
		"2001:db8::/32": reputation.TypePrefix, "2001:db8::1:2": reputation.TypePrefix, "192.0.2.1/x.sh": reputation.TypeURL, "hxxp://example[.]net/x": reputation.TypeURL,
		"example.net/x": reputation.TypeURL, "example(.)net": reputation.TypeDomain, "*.example.net": reputation.TypeDomain, "example.net:443": reputation.TypeEndpoint,
		"AS64496": reputation.TypeASN, "a@example.net": reputation.TypeEmail, strings.Repeat("ab", 20): reputation.TypeFile,
		"t13d1516h2_8daaf6152771_02713d6af862": reputation.TypeJA4, strings.Repeat("ab:", 31) + "ab": reputation.TypeCert, "T1" + strings.Repeat("A", 70): reputation.TypeTLSH,
		"http://user@example.net/": reputation.TypeURL, "[2001:db8::1]/x": reputation.TypeURL, "as12.example.net": reputation.TypeDomain,
	} {
		if o, err := Guess(in); err != nil || o.Type != want {
			t.Errorf("Guess(%q) = %v %q, %v; want %v", in, o.Type, o, err, want)
		}
	}
	for _, in := range []string{"", "word", "12345", "/index.php", "a/b", "192.0.2.1:0", "192.0.2.1:65536", "*.example.net:80", "deny from all", "http://", "192.0.2.1-192.0.2.9", "10.0.0.0/99"} {
		if o, err := Guess(in); err == nil {
			t.Errorf("Guess(%q) = %v %q, want an error", in, o.Type, o)
		}
	}
}

func TestAbove(t *testing.T) {
	var got []string
	Parents("a.b.example.co.uk", func(s string) bool { got = append(got, s); return true })
	if want := []string{"a.b.example.co.uk", "b.example.co.uk", "example.co.uk", "co.uk"}; !slices.Equal(got, want) {
		t.Errorf("Parents: %q", got)
	}
	for name, want := range map[string]string{"a.b.example.co.uk": "example.co.uk", "x.y.duckdns.org": "y.duckdns.org", "duckdns.org": "", "com": "", "example.net": "example.net"} {
		if got, ok := Registrable(name); got != want || ok != (want != "") {
			t.Errorf("Registrable(%q) = %q, %v", name, got, ok)
		}
	}
	for name, below := range map[string]bool{"example.net": true, "duckdns.org": false, "a.duckdns.org": true} {
		o, err := Domain(name)
		if o = Widen(o); err != nil || o.Below != below {
			t.Errorf("Widen(%q): %v, %v", name, o.Below, err)
		}
	}
}

// TestFlat holds the shortcut against the table, as far as one can ask it.
func TestFlat(t *testing.T) {
	for _, tld := range []string{"com", "net", "org", "info", "xyz", "top", "online", "site", "club", "shop", "icu", "dev", "app"} {
		if !flat(tld) {
			t.Error(tld)
		}
		for _, second := range []string{"co", "com", "net", "org", "edu", "gov", "ac", "mil", "info", "biz", "name", "uk", "de", "jp", "us", "eu"} {
			if suffix, icann := publicsuffix.PublicSuffix(second + "." + tld); icann && suffix != tld {
				t.Errorf("%s is a registry's", suffix)
			}
		}
	}
}

func TestOrdinaryAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		most float64
		f    func()
	}{
		"address": {0, func() { _, _ = Address("192.0.2.1") }},
		"url":     {0, func() { _, _ = URL("http://example.net/a/b.sh?c") }},
		"file":    {0, func() { _, _ = File("0123456789abcdef0123456789abcdef") }},
		"domain":  {0, func() { _, _ = Domain("camera.example.net") }},
		"other":   {1, func() { _, _ = Domain("camera.example.de") }}, // publicsuffix tries an address first
	} {
		if n := testing.AllocsPerRun(100, c.f); n > c.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzGuess checks that what is read is canonical: it reads again as itself.
func FuzzGuess(f *testing.F) {
	for _, s := range []string{"192.0.2.1/24", "::ffff:1.2.3.4/99", "*.bü.example.", "hxxp://a[.]b/c", "a@b.example", "AS1.2", "x/y", "[::1]:1", "1.2.3.4:5", "/bins/mirai.arm7?x=1", "a.example.net:99", "[::ffff:1.2.3.4]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, read := range []func(string) (reputation.Object, error){Guess, Address, ASN, Domain, File, TLSH, JA4, Cert, Email, Device, Endpoint, Path} {
			o, err := read(s)
			if err != nil {
				if err.Error() == "" {
					t.Fatal("an empty error")
				}
				continue
			}
			if o.Type == reputation.TypeURL {
				continue // FuzzURL
			}
			again, err := reader(o.Type)(o.String())
			if err != nil || again != o {
				t.Fatalf("%q is %v %q, of which again %q, %v", s, o.Type, o, again, err)
			}
			if host, _, ok := Host(o); ok != (o.Type == reputation.TypeEndpoint) || ok && host.Type == reputation.TypeNone {
				t.Fatalf("%q: host %v, %v", o, host, ok)
			}
			Parents(o.Text, func(string) bool { return true })
			Widen(o)
		}
	})
}

func reader(t reputation.Type) func(string) (reputation.Object, error) {
	return [reputation.NumTypes]func(string) (reputation.Object, error){Guess, Address, ASN, Domain, URL, File, TLSH, JA4, Cert, Email, Device, Endpoint}[t]
}

func BenchmarkDomain(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Domain("camera.example.net")
	}
}

func BenchmarkAddress(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Address("192.0.2.1")
	}
}
