package offline_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/gate/offline/offlinetest"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

const rules = `alert http any any -> any any (msg:"request"; http.uri; content:"/notes.txt"; flowbits:set,seen; flowint:n,+,1; sid:1; rev:2;)
alert dns any any -> any any (msg:"lookup"; dns.query; content:"example"; sid:2;)
alert icmp any any -> any any (msg:"ping"; itype:8; sid:3;)
alert http any any -> any any (msg:"file"; file.data; content:"plain"; file.magic; content:"text"; sid:4;)
`

const config = `outputs:
  - eve-log:
      enabled: yes
      types:
        - alert:
        - anomaly:
            enabled: yes
            types: {decode: yes, stream: yes}
            packethdr: yes
        - http:
            extended: yes
        - dns:
            version: 2
        - files:
            force-magic: yes
        - drop:
        - pgsql:
            enabled: no
        - stats
        - flow
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run gives what eve.json holds, and the page.
func run(t *testing.T, kind string, change func(q *offline.Request)) (eve, page string) {
	t.Helper()
	b, err := offlinetest.Capture(kind)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	q := offline.Request{Capture: write(t, "a.pcap", string(b)), Rules: []string{write(t, "a.rules", rules)}, Out: t.TempDir(), Warn: t.Logf, Report: &out}
	if change != nil {
		change(&q)
	}
	if _, err := offline.Run(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(q.Out, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), strings.ReplaceAll(out.String(), q.Capture, "a.pcap")
}

// TestDeterministic: order and content are equal for two runs.
func TestDeterministic(t *testing.T) {
	one, pageOne := run(t, offlinetest.Odd, nil)
	two, pageTwo := run(t, offlinetest.Odd, nil)
	if d := cmp.Diff(one, two); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(pageOne, pageTwo); d != "" {
		t.Error(d)
	}
}

// paths are the names of all values of a record, with the kind of each.
func paths(prefix string, v any, to map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			paths(prefix+"."+k, e, to)
		}
	case []any:
		for _, e := range v {
			paths(prefix+"[]", e, to)
		}
	default:
		to[prefix[1:]+" "+fmt.Sprintf("%T", v)] = true
	}
}

// structure gives the sorted paths of each kind of record.
func structure(t *testing.T, eve string) map[string][]string {
	t.Helper()
	sets := map[string]map[string]bool{}
	for line := range strings.Lines(eve) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		kind := r["event_type"].(string)
		if a, ok := r["alert"].(map[string]any); ok {
			kind += fmt.Sprintf(" %v", a["signature_id"])
		}
		if a, ok := r["anomaly"].(map[string]any); ok {
			kind += fmt.Sprintf(" %v", a["type"])
		}
		if f, ok := r["flow"].(map[string]any); ok && f["reason"] != nil {
			kind += fmt.Sprintf(" %v", r["proto"])
		}
		if sets[kind] == nil {
			sets[kind] = map[string]bool{}
		}
		paths("", r, sets[kind])
	}
	out := map[string][]string{}
	for k, set := range sets {
		out[k] = slices.Sorted(maps.Keys(set))
	}
	return out
}

// TestStructure holds records to the names and kinds of values that readers
// of eve.json expect.
func TestStructure(t *testing.T) {
	eve, _ := run(t, offlinetest.Odd, func(q *offline.Request) { q.Config = write(t, "a.yaml", config) })
	got := structure(t, eve)
	file := filepath.Join("testdata", "structure.json")
	if os.Getenv("MASUGATA_UPDATE") != "" {
		b, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("MASUGATA_UPDATE=1 writes testdata anew (-want +got):\n%s", d)
	}
}

func TestDrops(t *testing.T) {
	eve, _ := run(t, offlinetest.Ordinary, func(q *offline.Request) {
		q.IPS = true
		q.Rules = []string{write(t, "b.rules", `drop http any any -> any any (msg:"request"; http.uri; content:"/notes.txt"; sid:1;)`)}
	})
	if !strings.Contains(eve, `"event_type":"drop"`) || !strings.Contains(eve, `"reason":"rules"`) || !strings.Contains(eve, `"reason":"flow drop"`) ||
		!strings.Contains(eve, `"action":"blocked"`) {
		t.Error(eve)
	}
}

func TestPage(t *testing.T) {
	for kind, want := range map[string][]string{
		offlinetest.Ordinary: {"12 packets", "10.0.0.1  ⇄ 192.0.2.80", "http, dns, ICMP", "severity 3  1  request", "/notes.txt  12 B  http  complete", "www.example.net  dns", "Nothing odd."},
		offlinetest.Offload:  {"wrong checksums", "-k none"},
		offlinetest.CutOff:   {"the file is cut off"},
		offlinetest.Odd:      {"decoder.ipv4."},
	} {
		_, page := run(t, kind, nil)
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s: no %q in\n%s", kind, w, page)
			}
		}
		if n := strings.Count(page, "\n"); n > 66 {
			t.Errorf("%s: %d lines", kind, n)
		}
	}
}

func TestOutputSettings(t *testing.T) {
	s, err := offline.Settings(write(t, "a.yaml", `outputs:
  - eve-log:
      types:
        - dns: {version: 3}
        - dhcp: {extended: yes}
        - mqtt: {passwords: yes}
        - pgsql: {passwords: yes}
app-layer: {protocols: {mqtt: {eve: {passwords: no}}}}
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"dns.eve.version": "3", "dhcp.eve.extended": "yes", "mqtt.eve.passwords": "no", "pgsql.eve.passwords": "yes"} {
		if got := s["app-layer.protocols."+k]; got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
}

// TestListed: what a list names is found where traffic names it, by address,
// name, URL and file; inline it would be stopped.
func TestListed(t *testing.T) {
	const digest = "f2abd48a4aec9eeb6a1ce7a2d4d77b6ef40a2b4a0bd3d9fbd27e8e42f6d0a1a3"
	sum := sha256.Sum256([]byte("plain words\n"))
	lists := []string{
		write(t, "addresses.txt", "192.0.2.80\n198.51.100.1\n"), write(t, "names.txt", "www.example.net\nevil.example.org\n"),
		write(t, "urls.txt", "http://www.example.net/notes.txt\n"), write(t, "hashes.txt", digest+"\n"+hex.EncodeToString(sum[:])+"\n"),
	}
	for _, c := range []struct {
		list string
		ips  bool
		want []string
	}{
		{lists[0], false, []string{"allowed address 192.0.2.80 address", "allowed address 192.0.2.80 address", "allowed address 192.0.2.80 address"}},
		{lists[1], false, []string{"allowed domain www.example.net dns.query", "allowed domain www.example.net http.host"}},
		{lists[1], true, []string{"blocked domain www.example.net dns.query", "blocked domain www.example.net http.host"}},
		{lists[2], false, []string{"allowed url www.example.net/notes.txt http.uri"}},
		{lists[3], false, []string{"allowed file " + hex.EncodeToString(sum[:]) + " file"}},
	} {
		set, err := listed.ReadFiles([]string{c.list}, 1_700_000_000, t.Errorf)
		if err != nil {
			t.Fatal(err)
		}
		eve, page := run(t, offlinetest.Ordinary, func(q *offline.Request) { q.Listed, q.Least, q.IPS = set, edge.TierHigh, c.ips })
		var got []string
		for line := range strings.Lines(eve) {
			var r struct {
				Reputation struct{ Action, Type, Value, Where string }
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if h := r.Reputation; h.Type != "" {
				got = append(got, strings.Join([]string{h.Action, h.Type, h.Value, h.Where}, " "))
			}
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", filepath.Base(c.list), got, c.want)
		}
		if !strings.Contains(page, "Of bad reputation (") || !strings.Contains(page, "met by 10.0.0.1") {
			t.Errorf("%s: the page does not tell:\n%s", filepath.Base(c.list), page)
		}
	}
	if set, err := listed.ReadFiles(lists, 1_700_000_000, t.Errorf); err != nil || set.Len() != 7 {
		t.Errorf("all lists: %v, %v", set, err)
	}
	if _, err := listed.ReadFiles([]string{write(t, "a.txt", "\x00\x01\x02 no list")}, 1, t.Logf); err == nil {
		t.Error("something else is taken as a list")
	}
}
