package rule

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReach(t *testing.T) {
	for _, c := range []struct {
		rules string
		want  Reach
	}{
		{"", Reach{}},
		{`alert tcp any any -> any 80 (content:"abc"; sid:1;)`, Reach{TCP: []Ports{{80, 80}}}},
		{`alert tcp any any -> any [80,443,8000:8100] (content:"abc"; sid:1;)` + "\n" + `alert udp any 53 -> any any (content:"abc"; sid:2;)`,
			Reach{TCP: []Ports{{80, 80}, {443, 443}, {8000, 8100}}, UDP: []Ports{{53, 53}}}},
		{`alert tcp any 1024: -> any 81 (content:"abc"; sid:1;)` + "\n" + `alert tcp any any -> any 82 (content:"abc"; sid:2;)`, Reach{TCP: []Ports{{81, 82}}}},
		{`alert tcp any 5 <> any 6:7 (content:"abc"; sid:1;)`, Reach{TCP: []Ports{{5, 7}}}},
		{`alert tcp any any -> any any (content:"abc"; sid:1;)`, Reach{TCP: []Ports{{0, 65535}}}},
		{`alert icmp any any -> any any (itype:8; sid:1;)`, Reach{Other: true}},
	} {
		set, refused, err := Compile([]Source{{"reach.rules", []byte(c.rules)}}, Options{})
		if err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
		if d := cmp.Diff(c.want, set.Reach()); d != "" {
			t.Errorf("%s\n%s", c.rules, d)
		}
	}
	all, _, err := Compile([]Source{{"reach.rules", []byte(`alert ip any any -> any any (content:"abc"; sid:1;)`)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := all.Reach(); len(r.TCP) != 1 || r.TCP[0] != (Ports{0, 65535}) || len(r.UDP) != 1 || !r.Other {
		t.Errorf("rules about all of IP reach %+v", r)
	}
}

// TestOnlyParsed: where no protocol is parsed, rules about protocols are
// refused, and rules about payloads are not.
func TestOnlyParsed(t *testing.T) {
	text := `alert http any any -> any any (content:"abc"; sid:1;)
alert tcp any any -> any any (http.uri; content:"abc"; sid:2;)
alert tcp any any -> any any (app-layer-protocol:dns; sid:3;)
alert tcp any any -> any any (file.data; content:"abc"; sid:4;)
alert tcp any any -> any any (flow:established; content:"abc"; pcre:"/abc.*d/"; byte_test:1,>,3,0; sid:5;)
alert udp any any -> any 53 (content:"abc"; sid:6;)`
	for _, only := range []bool{false, true} {
		o := stockOptions()
		o.OnlyParsed = only
		set, refused, err := Compile([]Source{{"parsed.rules", []byte(text)}}, o)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 4, false: 0}[only]; len(refused) != want || len(set.Rules()) != 6-want {
			t.Errorf("%v: %d rules, refused %v", only, len(set.Rules()), refused)
		}
	}
}
