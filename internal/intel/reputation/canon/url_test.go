package canon

import (
	"slices"
	"strings"
	"testing"
)

// The cases of the Safe Browsing documentation, "URLs and Hashing", without
// the scheme that our form leaves out.
func TestURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://host/%25%32%35":                                        "host/%25",
		"http://host/%25%32%35%25%32%35":                               "host/%25%25",
		"http://host/%2525252525252525":                                "host/%25",
		"http://host/asdf%25%32%35asd":                                 "host/asdf%25asd",
		"http://host/%%%25%32%35asd%%":                                 "host/%25%25%25asd%25%25",
		"http://www.google.com/":                                       "www.google.com/",
		"http://3279880203/blah":                                       "195.127.0.11/blah",
		"http://www.google.com/blah/..":                                "www.google.com/",
		"www.google.com/":                                              "www.google.com/",
		"www.google.com":                                               "www.google.com/",
		"http://www.evil.com/blah#frag":                                "www.evil.com/blah",
		"http://www.GOOgle.com/":                                       "www.google.com/",
		"http://www.google.com.../":                                    "www.google.com/",
		"http://www.google.com/q?":                                     "www.google.com/q?",
		"http://www.google.com/q?r?":                                   "www.google.com/q?r?",
		"http://www.google.com/q?r?s":                                  "www.google.com/q?r?s",
		"http://evil.com/foo#bar#baz":                                  "evil.com/foo",
		"http://evil.com/foo;":                                         "evil.com/foo;",
		"http://evil.com/foo?bar;":                                     "evil.com/foo?bar;",
		"http://notrailingslash.com":                                   "notrailingslash.com/",
		"http://www.gotaport.com:1234/":                                "www.gotaport.com/",
		"  http://www.google.com/  ":                                   "www.google.com/",
		"https://www.securesite.com/":                                  "www.securesite.com/",
		"http://host.com/ab%23cd":                                      "host.com/ab%23cd",
		"http://host.com//twoslashes?more//slashes":                    "host.com/twoslashes?more//slashes",
		"http://www.google.com/foo\tbar\rbaz\n2":                       "www.google.com/foobarbaz2",
		"http://195.127.0.11/uploads/%20%20%20%20/.verify/.eBay=x/":    "195.127.0.11/uploads/%20%20%20%20/.verify/.eBay=x/",
		"http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63/": "168.188.99.26/.sec/",
		// Our own.
		"http://0xC0.0.0x201/a":                 "192.0.2.1/a",
		"http://192.0.2.1:8080/a/./b/../c/":     "192.0.2.1/a/c/",
		"http://user:pw@example.com:80?q=1":     "example.com/?q=1",
		"example.com/a%3Fb//c":                  "example.com/a?b//c",
		"example.com/a/..%3Fq":                  "example.com/?q",
		"http://[2001:DB8:0:0::1]:8080/x":       "[2001:db8::1]/x",
		"http://[::ffff:192.0.2.1]/x":           "192.0.2.1/x",
		"http://bücher.example/ä":               "xn--bcher-kva.example/%C3%A4",
		"http://..a..b.example.:99/../../x/..y": "a.b.example/x/..y",
		"tcp://192.0.2.1:23":                    "192.0.2.1/",
		"http://host.a1/x":                      "host.a1/x",
	} {
		o, err := URL(raw)
		if err != nil || o.Text != want {
			t.Errorf("URL(%q) = %q, %v; want %q", raw, o.Text, err, want)
		}
	}
}

func TestURLRefused(t *testing.T) {
	for _, raw := range []string{"", " ", "http://", "http:///x", "://x/", "1a://x/", "http://a b.com/", "http://host%23.com/", "http://[::1",
		"http://[::1%25eth0]/", "http://x:y/", "http://x:123456/", "http://\x01\x80.com/", "http://1.2.3.4.5/", "http://300.1.1.1/", "/only/a/path",
		"http://a/" + strings.Repeat("x", MaxURL)} {
		if o, err := URL(raw); err == nil {
			t.Errorf("URL(%q) = %q, want an error", raw, o.Text)
		} else if _, ok := err.(*Error); !ok || err.Error() == "" {
			t.Errorf("URL(%q): error %T", raw, err)
		}
	}
}

// The two examples of the documentation.
func TestExpressions(t *testing.T) {
	for url, want := range map[string][]string{
		"a.b.com/1/2.html?param=1": {"a.b.com/1/2.html?param=1", "a.b.com/1/2.html", "a.b.com/", "a.b.com/1/",
			"b.com/1/2.html?param=1", "b.com/1/2.html", "b.com/", "b.com/1/"},
		"a.b.c.d.e.f.com/1.html": {"a.b.c.d.e.f.com/1.html", "a.b.c.d.e.f.com/", "c.d.e.f.com/1.html", "c.d.e.f.com/",
			"d.e.f.com/1.html", "d.e.f.com/", "e.f.com/1.html", "e.f.com/", "f.com/1.html", "f.com/"},
		"192.0.2.1/1/":    {"192.0.2.1/1/", "192.0.2.1/"},
		"[2001:db8::1]/":  {"[2001:db8::1]/"},
		"x.com/a/b/c/d/e": {"x.com/a/b/c/d/e", "x.com/", "x.com/a/", "x.com/a/b/", "x.com/a/b/c/"},
	} {
		var got []string
		Expressions(url, func(h, p string) bool { got = append(got, h+p); return true })
		if !slices.Equal(got, want) {
			t.Errorf("Expressions(%q) = %q, want %q", url, got, want)
		}
	}
	Expressions("nopath", func(h, p string) bool { t.Error(h, p); return true })
}

func TestURLAllocations(t *testing.T) {
	buf := make([]byte, 0, 512)
	n := testing.AllocsPerRun(100, func() {
		buf, _ = AppendURL(buf[:0], "http://www.Example.com:8080/a//b%20c?d=e")
		Expressions("a.b.c.d.example.com/1/2/3/4/5?x", func(h, p string) bool { return len(h) > 0 })
		Parents("a.b.c.example.com", func(p string) bool { return true })
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
	n = testing.AllocsPerRun(100, func() { buf, _ = AppendURL(buf[:0], "http://www.example.com/a//b%20c?d=e") })
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"http://a.example/b?c#d", "%2e%2E/..", "http://[::1]:80/", "0x7f.1/%252e%252e/", "http://bü.example/?/..", "h/a/..%3Fq/%", "0X7000/%252a#0", "a.b/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := URL(s)
		if err != nil {
			return
		}
		if len(o.Text) >= MaxURL || !o.Below && strings.HasSuffix(o.Text, "/*") {
			return // an escaped star at the end stands for itself once only
		}
		again, err := URL(o.String())
		if err != nil || again != o {
			t.Fatalf("URL(%q) = %q, of which again %q, %v", s, o.Text, again.Text, err)
		}
		first := ""
		Expressions(o.Text, func(h, p string) bool {
			if first == "" {
				first = h + p
			}
			return true
		})
		if first != o.Text {
			t.Fatalf("first expression of %q is %q", o.Text, first)
		}
	})
}

func BenchmarkURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = URL("http://update.example.com/a/b/c.sh?d=e")
	}
}

func BenchmarkAppendURLMessy(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 256)
	for b.Loop() {
		buf, _ = AppendURL(buf[:0], "http://192.0.2.1:8080/a/../b%20c/%41?d=e")
	}
}
