package query

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func sample() *model.Event {
	id, _ := model.ParseID("0192f0c1-2b3c-7d4e-8f50-617283940516")
	return &model.Event{
		ID: id, Time: noon().Add(-time.Hour), Device: "mac-020000000a01", Reporter: "gate-0123456789ab",
		Layer: model.LayerNetwork, Kind: model.KindFloodOutbound, Severity: model.SeverityHigh, Count: 12,
		Subject: "UDP flood to 198.51.100.7", Rule: "2034001", Technique: "T1498",
		Explanation: "The camera sends a flood, カメラ.", Advice: "Look at the camera.",
		Observables: []model.Observable{{Type: "ip", Value: "198.51.100.7"}, {Type: "path", Value: "/tmp/Bot x"}},
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		query string
		want  bool
	}{
		{"", true},
		{"   ", true},
		{"severity:>=high layer:network device:mac-02* not rule:9034* since:24h", true},
		{"severity:>=high layer:network device:mac-02* not rule:2034* since:24h", false},
		{"severity:high", true}, {"severity:>high", false}, {"severity:<=low", false}, {"SEVERITY:High", true},
		{"severity:low..critical", true}, {"severity:info,low", false}, {"severity:info,high", true},
		{"sev:high", true},
		{"layer:device,network", true}, {"layer:data", false},
		{"count:12", true}, {"count:>12", false}, {"count:>=12", true}, {"count:1..20", true},
		{"device:MAC-020000000A01", true}, {"device:mac-02", false}, {"device:*a01", true}, {`device:"*a01"`, false},
		{"device:mac-0200*0a01", true}, {"device:mac-*a0*a01", false},
		{"kind:flood.*", true}, {"kind:flood", false}, {"kind:file.changed,flood.outbound", true},
		{"rule:2034001", true}, {"rule:=2034001", true}, {"technique:t1498", true},
		{"id:0192f0c1-2b3c-7d4e-8f50-617283940516", true}, {"id:0192F0C1-2b3c-7d4e-8f50-617283940517", false},
		{"subject:flood", true}, {"subject:=flood", false}, {`subject:="udp flood to 198.51.100.7"`, true},
		{"subject:udp*198", true}, {"subject:198*udp", false}, {"explanation:カメラ", true},
		{"ip:198.51.100.7", true}, {"ip:198.51.*", true}, {"ip:198.51", false}, {"path:198.51.100.7", false},
		{`path:"/tmp/bot x"`, true}, {`path:/tmp/"bot x"`, true}, {`path:/tmp/"bo*"`, false}, {`path:/tmp/*" x"`, true},
		{"flood", true}, {"FLOOD camera", true}, {"flood tv", false}, {"flood or tv", true}, {"flood OR tv", true},
		{"tv or flood and camera", true}, {"(tv or flood) and tv", false}, {"not tv", true}, {"-tv", true}, {"!flood", false},
		{"not not flood", true}, {"not (tv or radio)", true}, {`"sends a flood"`, true}, {`"sends flood"`, false},
		{"sends*flood", true}, {`"not"`, false}, {`""flood`, true}, {"ip=198.51", true}, {"path=/tmp", true},
		{"since:30m", false}, {"since:1h", true}, {"until:1h", false}, {"until:30m", true}, {"since:now", false},
		{"since:2026-11-23", true}, {"since:2026-11-24", false}, {"before:2026-11-23T11:00", false},
		{"since:2026-11-23T13:00+02:00", true}, {"time:2026-11-23", true}, {"time:2026-11-22", false},
		{"time:2026-11-23T11", true}, {"time:2h..30m", true}, {"time:..2h", false}, {"time:2026-11-23T10:59..", true},
		{"since:1d1h30m", true}, {"since:1w", true},
		{"http://x", false}, {"a:1 or flood", false},
	} {
		q, err := Parse(c.query)
		if err != nil {
			if strings.Contains(c.query, "http:") || strings.HasPrefix(c.query, "a:") {
				continue // an unknown field, see TestErrors
			}
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		if got := q.Match(sample(), noon()); got != c.want {
			t.Errorf("%q: match %v, want %v", c.query, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		query  string
		column int
		want   string
	}{
		{"sevrity:high", 1, `did you mean "severity"`},
		{"flood http://x", 7, "quote the word"},
		{"severity:hgih", 10, `did you mean "high"`},
		{"severity:purple", 10, "want one of info, low"},
		{"severity:high..low", 10, "write low..high"},
		{"layer:>=network", 7, "layers have no order"},
		{"count:many", 7, "is not a count"},
		{"rule:", 6, "has no value"},
		{"rule: 7", 6, "has no value"},
		{"rule:a,", 8, "has no value"},
		{"カメラ rule:", 10, "has no value"},
		{"(flood", 1, "not closed"},
		{"flood)", 6, "without its ("},
		{"()", 2, "nothing before"},
		{`say "hello`, 5, "quote that is not closed"},
		{"flood or", 9, "ends where a term"},
		{"and flood", 1, "joins nothing"},
		{"not", 4, "ends where a term"},
		{"since:yesterday", 7, "is not a time"},
		{"since:1h,2h", 10, "a list of times"},
		{"time:24h", 6, "is one moment"},
		{"rule:>7", 6, "not compared by order"},
		{"id:7*", 4, "is not an id"},
		{"*", 1, "nothing to search for"},
		{"a\x01b", 2, "control character"},
		{"a\xffb", 2, "UTF-8"},
		{strings.Repeat("x", MaxLength+1), 1, "longer than"},
		{strings.Repeat("x ", MaxTerms+1), 2*MaxTerms + 1, "more than"},
		{strings.Repeat("(", 1000), MaxTerms + 1, "more than"},
	} {
		_, err := Parse(c.query)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.40q: error %v, want an *Error", c.query, err)
			continue
		}
		if e.Column != c.column || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%.40q: %v; want column %d and %q", c.query, e, c.column, c.want)
		}
	}
}

func TestResolveNames(t *testing.T) {
	names := func(p Pattern) []model.DeviceID {
		if p.Match("Cam-Door") {
			return []model.DeviceID{"mac-020000000a01"}
		}
		return nil
	}
	q := MustParse("not (device:tv or (device:cam-* flood))").Resolve(names)
	if q.Match(sample(), noon()) {
		t.Error("a device found by its name is not excluded")
	}
	if MustParse("device:cam-*").Match(sample(), noon()) {
		t.Error("an unresolved name matches")
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct{ query, from, to string }{
		{"flood", "", ""},
		{"since:24h flood", "2026-11-22T12:00:00Z", ""},
		{"since:24h since:2h until:1h", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"},
		{"time:2026-11-20 (since:1h or flood)", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"},
		{"not since:1h", "", ""},
	} {
		from, to := MustParse(c.query).Bounds(noon())
		if text(from) != c.from || text(to) != c.to {
			t.Errorf("%q: bounds %s to %s, want %s to %s", c.query, text(from), text(to), c.from, c.to)
		}
	}
}

func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func TestAnd(t *testing.T) {
	q := MustParse("flood or tv").And(MustParse("tv"))
	if q.Match(sample(), noon()) {
		t.Error("and of a query that does not match matches")
	}
	again, err := Parse(q.String())
	if err != nil || again.Match(sample(), noon()) {
		t.Errorf("text of a joined query %q: %v", q, err)
	}
	var zero Query
	if got := zero.And(q); got.String() != q.String() {
		t.Errorf("zero and q = %q", got)
	}
}

// A pattern that must be tried at every place would take minutes here.
func TestPatternTime(t *testing.T) {
	q := MustParse("subject:" + strings.Repeat("a*", 100) + "b")
	e := &model.Event{Subject: strings.Repeat("a", 100_000)}
	began := time.Now()
	if q.Match(e, noon()) {
		t.Error("match without the last letter")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`severity:>=high layer:network device:cam-* not rule:2034* since:24h`, `(a or "b c") -d,e`, `time:..1h`, `x:"\"\\"`, `a*b* "`,
		`subject:="x"y*z`, `not not(ip:::1,*)`, "カ:メ", `count:1..2`, `id:""`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(text)+1 {
				t.Fatalf("%q: error without a place: %v", text, err)
			}
			return
		}
		got := q.Match(sample(), noon())
		again, err := Parse(q.String())
		if err != nil || again.Match(sample(), noon()) != got {
			t.Fatalf("%q: parsed again %v and otherwise: %v", text, again, err)
		}
		if q.Root() == nil {
			return
		}
		negated, err := Parse("not (" + text + ")")
		if err == nil && negated.Match(sample(), noon()) == got {
			t.Fatalf("%q: matches like its negation", text)
		}
	})
}

func TestNamesAndWithout(t *testing.T) {
	for _, c := range []struct {
		query string
		names bool
	}{
		{"", false}, {"camera", false}, {"kind:flood.*", false}, {"kind:*", false}, {"kind:contact", true}, {"kind:con*", true},
		{"not kind:contact", true}, {"ip:192.0.2.1 (kind:contact,flood.outbound or layer:data)", true}, {"rule:contact", false},
	} {
		q, err := Parse(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Names(FieldKind, "contact"); got != c.names {
			t.Errorf("%q names contacts: %t", c.query, got)
		}
		both := q.And(Without(FieldKind, "contact"))
		if again, err := Parse(both.String()); err != nil || again.Match(sample(), noon()) != both.Match(sample(), noon()) {
			t.Errorf("%q and not contacts reads %q (%v), which is another query", c.query, both.String(), err)
		}
	}
	q, err := Parse("(tv or id:0192f0c1-2b3c-7d4e-8f50-617283940516)")
	if err != nil || !q.Asks(FieldID) || q.Asks(FieldKind) {
		t.Errorf("what the query asks for: %v, %v", q, err)
	}
	e := sample()
	e.Kind = model.KindContact
	if Without(FieldKind, "contact").Match(e, noon()) {
		t.Error("a contact matches the query without contacts")
	}
}
