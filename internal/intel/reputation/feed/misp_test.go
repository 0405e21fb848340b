package feed_test

import (
	"crypto/md5"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

func mispCases() []example {
	return []example{
		{name: "MISP event", format: "misp", text: `{"Event":{"Attribute":[
 {"type":"ip-dst","category":"Network activity","to_ids":true,"value":"192.0.2.1","timestamp":"1700000000"},
 {"type":"ip-dst|port","category":"Network activity","to_ids":"1","value":"192.0.2.2|443","timestamp":1700000000,"Tag":[{"name":"kill-chain:Command and Control"},{"name":"misp-galaxy:malpedia=\"Mirai (ELF)\""}]},
 {"type":"filename|sha256","category":"Payload delivery","to_ids":true,"value":"x.sh|e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","first_seen":"2023-11-14T22:13:20.000000+00:00"},
 {"type":"url","category":"Payload delivery","to_ids":true,"value":"http://example.com/x.sh"},
 {"type":"domain|ip","category":"Network activity","to_ids":true,"value":"c.example.com|192.0.2.9","deleted":false},
 {"type":"domain","category":"Network activity","to_ids":false,"value":"good.example.com"},
 {"type":"comment","category":"Other","to_ids":false,"value":"x"},
 {"type":"ip-src","to_ids":true,"value":"192.0.2.7","deleted":true},
 {"type":"ip-src","to_ids":true,"value":"x"},
 {"type":5},
 {"type":"email-dst","to_ids":true,"value":"a@example.com"},
 {"value":"x"}],
 "Object":[{"name":"file","Attribute":[{"type":"md5","category":"Payload delivery","to_ids":true,"value":"d41d8cd98f00b204e9800998ecf8427e"}],"ObjectReference":[]}],
 "Galaxy":[{"x":[1,{"y":2}]}],"info":"A campaign","Tag":[{"name":"tlp:clear"},{"name":"rsit:malicious-code=\"infected-system\""}],"uuid":"u"}}`,
			want: []string{"ip 192.0.2.1 bot last=1700000000 (A campaign)", "endpoint 192.0.2.2:443 c2 last=1700000000 (Mirai (ELF))", "ip 192.0.2.2 c2 80% last=1700000000 (Mirai (ELF))",
				"file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 malware first=1700000000 last=1700000000 (A campaign)",
				"url example.com/x.sh distribution (A campaign)", "domain c.example.com bot (A campaign)",
				"6: not meant for detection (to_ids is false)", "7: an attribute that names no object: comment", "8: deleted by its maker", "9: not an IP address",
				"10: a member of the wrong form", "11: who received mail, not who sent it", "12: not a MISP attribute", "file d41d8cd98f00b204e9800998ecf8427e malware (A campaign)"}},
		{name: "MISP response", format: "misp", text: `{"response":[{"Event":{"info":"a","Attribute":[{"type":"AS","to_ids":true,"value":"64496"}]}},{"Event":{"Attribute":[{"type":"hostname","to_ids":true,"value":"a.example.com"}]}}]}`,
			want: []string{"asn AS64496 suspicious (a)", "domain a.example.com suspicious"}},
		{name: "MISP attributes", format: "misp", text: `{"response":{"Attribute":[{"type":"md5","to_ids":true,"value":"d41d8cd98f00b204e9800998ecf8427e"},{"type":"email-src","to_ids":true,"value":"a@example.com"}]}}`,
			want: []string{"file d41d8cd98f00b204e9800998ecf8427e malware", "email a@example.com suspicious"}},
	}
}

// Attributes that wait for their event's words are bounded: beyond, they are given.
func TestMISPHeld(t *testing.T) {
	text := `{"Event":{"Attribute":[` + strings.TrimSuffix(strings.Repeat(`{"type":"ip-src","to_ids":true,"value":"192.0.2.1"},`, 50_001), ",") + `],"info":"late"}}`
	got := read(t, "misp", text, feed.Options{})
	if len(got) != 50_001 || got[0] != "ip 192.0.2.1 suspicious" || got[50_000] != "ip 192.0.2.1 suspicious (late)" {
		t.Error(len(got), got[0], got[len(got)-1])
	}
}

const uuid = "5b23c9a0-0e0c-4f2a-8c0e-6f00950d210f"

func TestMISPManifest(t *testing.T) {
	var got []feed.MISPEvent
	err := feed.MISPManifest(strings.NewReader(`{"`+strings.ToUpper(uuid)+`":{"info":"A","Orgc":{"name":"O","id":"1"},"Tag":[],"timestamp":"1700000000","date":"2023-11-14"}}`),
		func(e feed.MISPEvent) bool { got = append(got, e); return true })
	if d := cmp.Diff([]feed.MISPEvent{{UUID: uuid, Info: "A", Owner: "O", Timestamp: 1_700_000_000}}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for text, want := range map[string]string{`{"../x":{}}`: "not a UUID", `[]`: "not a manifest", `{"` + uuid + `":{}`: "EOF"} {
		if err := feed.MISPManifest(strings.NewReader(text), func(feed.MISPEvent) bool { return true }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMISPHashes(t *testing.T) {
	sum := md5.Sum([]byte("192.0.2.1"))
	n := 0
	err := feed.MISPHashes(strings.NewReader(fmt.Sprintf("%x,%s\r\n\n%x,%s", sum, uuid, sum, uuid)), func(value [16]byte, event string) bool {
		n++
		return value == sum && event == uuid
	})
	if n != 2 || err != nil {
		t.Error(n, err)
	}
	for _, text := range []string{"x," + uuid, fmt.Sprintf("%x,x", sum), strings.Repeat("a", 9000)} {
		if err := feed.MISPHashes(strings.NewReader(text), func([16]byte, string) bool { return true }); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%.50s: %v", text, err)
		}
	}
}

func FuzzMISPFeed(f *testing.F) {
	f.Add(`{"` + uuid + `":{"info":"A","timestamp":1}}`)
	f.Add("d41d8cd98f00b204e9800998ecf8427e," + uuid + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = feed.MISPManifest(strings.NewReader(text), func(e feed.MISPEvent) bool {
			if len(e.UUID) != 36 || strings.ContainsAny(e.UUID, "/.") || len(e.Info) > 64 {
				t.Fatalf("%+v", e)
			}
			return true
		})
		_ = feed.MISPHashes(strings.NewReader(text), func(_ [16]byte, event string) bool { return len(event) == 36 })
	})
}
