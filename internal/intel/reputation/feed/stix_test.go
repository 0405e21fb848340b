package feed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

func indicatorOf(pattern string) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--1","pattern_type":"stix","pattern":%q}`, pattern)
}

// Each pattern, and what can be listed of it.
func TestPatterns(t *testing.T) {
	for pattern, want := range map[string][]string{
		"[ipv4-addr:value = '192.0.2.1']":           {"ip 192.0.2.1 suspicious"},
		"[ipv4-addr:value ISSUBSET '192.0.2.0/24']": {"ip 192.0.2.0/24 suspicious"},
		"[ipv4-addr:value = '192.0.2.1/32' OR ipv6-addr:value = '2001:db8::1/128' OR domain-name:value = 'Bad.Example.com']": {"ip 192.0.2.1 suspicious", "ip 2001:db8::1 suspicious", "domain bad.example.com suspicious"},
		"[url:value = 'http://example.com/a\\'b'] OR [domain-name:value IN ('a.example.com', 'b.example.com')]":              {"url example.com/a'b suspicious", "domain a.example.com suspicious", "domain b.example.com suspicious"},
		"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' AND file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' AND file:name = 'x']": {
			"file d41d8cd98f00b204e9800998ecf8427e malware", "file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 malware"},
		"[file:name = 'x' AND (file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' OR file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709')]": {
			"file d41d8cd98f00b204e9800998ecf8427e malware", "file da39a3ee5e6b4b0d3255bfef95601890afd80709 malware"},
		"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]": {"endpoint 192.0.2.1:443 suspicious", "ip 192.0.2.1 suspicious 80%"},
		"[network-traffic:src_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]":                                                {"ip 192.0.2.1 suspicious"},
		"[domain-name:value = 'example.com' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']":                                     {"domain example.com suspicious"},
		"[domain-name:value = 'example.com' OR domain-name:value LIKE '%.example.com']":                                                   {"domain *.example.com suspicious"},
		"[email-addr:value = 'a@example.com'] OR [autonomous-system:number = 64496]":                                                      {"email a@example.com suspicious", "asn AS64496 suspicious"},
		"[x509-certificate:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'] WITHIN 5 SECONDS":                                 {"certificate da39a3ee5e6b4b0d3255bfef95601890afd80709 suspicious"},
		"([ipv4-addr:value = '192.0.2.1'])":                                        {"ip 192.0.2.1 suspicious"},
		"[ipv4-addr:value = '192.0.2.1' OR file:name = 'x' OR process:name = 'y']": {"ip 192.0.2.1 suspicious", "1: a condition on nothing that can be listed", "1: a condition on what cannot be listed"},
		"[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'example.com']":    {"1: things that are bad only together"},
		"[ipv4-addr:value = '192.0.2.1' AND process:name = 'y']":                   {"1: a condition on what cannot be listed"},
		"[ipv4-addr:value != '192.0.2.1']":                                         {"1: a condition on what something is not"},
		"[ipv4-addr:value NOT IN ('192.0.2.1')]":                                   {"1: a condition on what something is not"},
		"[NOT ipv4-addr:value = '192.0.2.1']":                                      {"1: a condition on what something is not"},
		"[EXISTS ipv4-addr:value]":                                                 {"1: a comparison that cannot be listed"},
		"[url:value LIKE 'http://%']":                                              {"1: a pattern in words, not an object"},
		"[url:value MATCHES '^x']":                                                 {"1: a regular expression, not an object"},
		"[domain-name:value > 'a']":                                                {"1: a comparison that cannot be listed"},
		"[ipv4-addr:value = '0.0.0.0/1']":                                          {"1: a prefix that covers too many addresses"},
		"[domain-name:value = 'co.uk']":                                            {"1: a public suffix: everything that is registered under it would be meant"},
		"[file:hashes.'SHA-512' = 'ab']":                                           {"1: a condition on nothing that can be listed"},
		"[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e' AND file:hashes.MD5 = 'e41d8cd98f00b204e9800998ecf8427e']": {"1: things that are bad only together"},
		"[ipv4-addr:value = '192.0.2.1'] AND [ipv4-addr:value = '192.0.2.2']":                                             {"1: observations that are bad only together"},
		"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']":                                      {"1: observations that are bad only together"},
		"[ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES":                                                                 {"1: a pattern that must be seen repeatedly"},
		"[ipv4-addr:value = '192.0.2.1'] START t'2020-01-01T00:00:00Z' STOP t'2020-01-02T00:00:00Z'":                      {"1: a pattern that is bound to a time of observation"},
		"[ipv4-addr:value = '192.0.2.1":                                                                                   {"1: not a STIX pattern"},
		"[ipv4-addr:value = ]":                                                                                            {"1: not a STIX pattern"},
		"":                                                                                                                {"1: not a STIX pattern"},
		"[" + strings.Repeat("(", 100) + "ipv4-addr:value = '192.0.2.1'":                                                  {"1: a pattern that is nested too deep"},
		"[ipv4-addr:value IN ('192.0.2.1'" + strings.Repeat(",'192.0.2.1'", 20_001) + ")]":                                {"1: a pattern with too many alternatives"},
		strings.Repeat(" ", 300_000):                                                                                      {"1: a pattern that is too long"},
	} {
		got := read(t, "stix", `{"type":"bundle","objects":[`+indicatorOf(pattern)+`]}`, feed.Options{})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%.200s: %s", pattern, d)
		}
	}
}

// An envelope tells whether there is more.
func TestEnvelope(t *testing.T) {
	b, err := feed.OpenBundle(strings.NewReader(`{"more":true,"next":"p2","objects":[`+indicatorOf("[ipv4-addr:value = '192.0.2.1']")+`]}`), feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := drained(t, b); len(got) != 1 {
		t.Error(got)
	}
	if next, more := b.Page(); next != "p2" || !more {
		t.Error(next, more)
	}
}

// One object cannot take more memory than its bound.
func TestLargePiece(t *testing.T) {
	text := `{"objects":[{"type":"indicator","name":"` + strings.Repeat("a", 20<<20) + `"}]}`
	got := read(t, "stix", text, feed.Options{})
	if len(got) != 1 || !strings.Contains(got[0], "an object of more than 4 MB") {
		t.Errorf("%.300q", got)
	}
	deep := read(t, "stix", `{"x":`+strings.Repeat("[", 200), feed.Options{})
	if len(deep) != 1 || !strings.Contains(deep[0], "nested") {
		t.Errorf("%q", deep)
	}
}
