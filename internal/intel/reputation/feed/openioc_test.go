package feed_test

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

func ioc(search, condition, content string) string {
	return `<IndicatorItem id="1" condition="` + condition + `" preserve-case="false" negate="false"><Context document="X" search="` + search + `" type="mir"/><Content type="string">` + content + `</Content></IndicatorItem>`
}

func iocCases() []example {
	const md5, sha1 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	return []example{
		{name: "OpenIOC 1.1", format: "openioc", text: `<?xml version="1.0" encoding="utf-8"?>
<OpenIOC xmlns="http://openioc.org/schemas/OpenIOC_1.1" id="1" last-modified="2023-11-14T22:13:20Z"><metadata><short_description>Bot A&amp;B</short_description></metadata><criteria>
<Indicator id="2" operator="OR">` + ioc("FileItem/Md5sum", "is", md5) + ioc("PortItem/remoteIP", "is", "192.0.2.1") + ioc("Network/DNS", "contains", "c2.example.com") +
			ioc("Network/URI", "is", "/gate.php") + ioc("RegistryItem/Path", "contains", "x") + ioc("FileItem/FileName", "is", "a.exe") +
			ioc("UrlHistoryItem/URL", "contains", "http://example.com/a") + strings.Replace(ioc("PortItem/remoteIP", "is", "192.0.2.2"), `negate="false"`, `negate="true"`, 1) + `
<Indicator operator="AND">` + ioc("PortItem/remoteIP", "is", "192.0.2.3") + ioc("PortItem/remotePort", "is", "443") + `</Indicator>
<Indicator operator="AND">` + ioc("FileItem/Md5sum", "is", md5) + ioc("FileItem/Sha1sum", "is", sha1) + `</Indicator>
<Indicator operator="AND">` + ioc("PortItem/remoteIP", "is", "192.0.2.4") + `<Indicator operator="OR">` + ioc("FileItem/Md5sum", "is", md5) + ioc("FileItem/Sha1sum", "is", sha1) + `</Indicator></Indicator>
<Indicator operator="AND"/>
</Indicator></criteria></OpenIOC>`,
			want: []string{"file " + md5 + " malware (Bot A&B)", "ip 192.0.2.1 suspicious (Bot A&B)", "domain c2.example.com suspicious (Bot A&B)",
				"4: a path without a host", "5: a condition on what cannot be listed", "6: a condition on nothing that can be listed",
				"7: a pattern in words, not an object", "8: a condition on what something is not", "endpoint 192.0.2.3:443 suspicious (Bot A&B)", "ip 192.0.2.3 suspicious 80% (Bot A&B)",
				"file " + md5 + " malware (Bot A&B)", "file " + sha1 + " malware (Bot A&B)", "15: things that are bad only together"}},
		{name: "OpenIOC 1.0", format: "openioc", text: `<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><short_description>N</short_description><definition><Indicator operator="OR">` + ioc("Email/From", "is", "a@example.com") + ioc("FileItem/Md5sum", "isnot", md5) + `</Indicator></definition></ioc>`,
			want: []string{"email a@example.com suspicious (N)", "2: a condition on what something is not"}},
		{name: "OpenIOC cut", format: "openioc", text: `<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><definition><Indicator operator="OR">` + ioc("PortItem/remoteIP", "is", "192.0.2.1"),
			want: []string{"ip 192.0.2.1 suspicious", "end: unexpected EOF"}},
	}
}

func TestNotOpenIOC(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "unexpected EOF",
		"<html/>":                            "not a document of OpenIOC",
		"<ioc></ioc></ioc>":                  "an end without a beginning",
		"<ioc></Indicator>":                  "an end without a beginning",
		strings.Repeat("<ioc>", 200):         "nested too deep",
		"<ioc>" + strings.Repeat(" ", 9<<20): "an object of more than 4 MB",
		`<ioc><Indicator operator="AND">` + strings.Repeat(ioc("PortItem/remoteIP", "is", "192.0.2.1"), 20_001): "too many alternatives",
	} {
		got := read(t, "openioc", text, feed.Options{})
		if len(got) == 0 || !strings.Contains(got[len(got)-1], want) {
			t.Errorf("%.40s: %q", text, got)
		}
	}
}
