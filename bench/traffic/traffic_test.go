package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
)

const rules = `
alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"a"; flow:established,to_server; http.method; content:"POST"; http.uri; content:"/gate"; startswith; content:".php"; endswith; distance:3; http.user_agent; content:"evil"; bsize:6; sid:1;)
alert dns $HOME_NET any -> any any (msg:"b"; dns.query; dotprefix; content:".bad.example"; nocase; endswith; sid:2;)
alert tls $HOME_NET any -> $EXTERNAL_NET any (msg:"c"; flow:established,to_server; tls.sni; content:"c2.example"; endswith; sid:3;)
alert tcp $EXTERNAL_NET any -> $HOME_NET 6667 (msg:"d"; flow:established,to_server; content:"|00 01|x"; depth:3; content:"y"; distance:2; within:3; sid:4;)
alert http any any -> any any (msg:"no pcre"; http.uri; content:"/x"; pcre:"/y/"; sid:5;)
alert http any any -> any any (msg:"contradiction"; http.uri; content:"/abc"; depth:2; sid:6;)
#alert dns any any -> any any (msg:"off"; dns.query; content:"off"; sid:7;)
alert http $EXTERNAL_NET any -> $HOME_NET any (msg:"page"; flow:established,to_client; file.data; content:"<evil>"; sid:8;)
`

func TestTriggers(t *testing.T) {
	list, skipped := triggersIn([]byte(rules))
	if len(list) != 5 || skipped != 2 {
		t.Fatalf("%d rules, %d skipped", len(list), skipped)
	}
	for i, want := range []map[string]string{
		{"method": "POST", "uri": "/gateaaa.php", "agent": "evilaa"},
		{"query": "bad.example"},
		{"sni": "c2.example"},
		{"": "\x00\x01xaay"},
		{"page": "<evil>"},
	} {
		got := list[i]
		if len(got.values) != len(want) {
			t.Errorf("rule %d: %q", got.sid, got.values)
		}
		for k, v := range want {
			if string(got.values[k]) != v {
				t.Errorf("rule %d: %s is %q, want %q", got.sid, k, got.values[k], v)
			}
		}
	}
	if !list[3].outside || list[3].port != 6667 || list[4].outside {
		t.Errorf("%+v", list[3])
	}
}

// capturedAs writes a small capture of a mix.
func capturedAs(t *testing.T, mix string) ([]byte, *report) {
	t.Helper()
	list, _ := triggersIn([]byte(rules))
	p := plan{Mix: mix, Seed: 7, Size: 2 << 20, Trigger: 0.3, Rate: 100, triggers: list}
	var out bytes.Buffer
	rep, err := p.write(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), rep
}

func TestCapture(t *testing.T) {
	for _, mix := range []string{"http", "tls", "iot"} {
		file, rep := capturedAs(t, mix)
		if rep.Triggered == 0 || rep.Transactions < rep.Triggered {
			t.Errorf("%s: %+v", mix, rep)
		}
		r, err := capture.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		d := packet.NewDecoder(packet.Options{Checksums: packet.CheckAll})
		var p packet.Packet
		var last int64
		n := int64(0)
		for {
			f, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
			d.Decode(&p, f.Link, f.Data, f.Time, uint64(n))
			if p.Invalid || !p.Events.Empty() || p.BadIPSum || p.BadL4Sum || p.Time < last {
				t.Fatalf("%s: packet %d: %+v", mix, n, p)
			}
			last = p.Time
		}
		if n != rep.Packets {
			t.Errorf("%s: %d packets, report says %d", mix, n, rep.Packets)
		}
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, mix := range []string{"http", "iot"} {
		a, _ := capturedAs(t, mix)
		b, _ := capturedAs(t, mix)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two runs with one seed differ", mix)
		}
	}
}

func TestFragments(t *testing.T) {
	g, err := (&plan{Mix: "http", Seed: 1}).generator()
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(g.rng, g.ends(80, false), 0)
	w.udp(0, bytes.Repeat([]byte("abc"), 400))
	parts := fragments(w.frames[0])
	d := packet.NewDecoder(packet.Options{Checksums: packet.CheckIPv4})
	var whole []byte
	for i, f := range parts {
		var p packet.Packet
		d.Decode(&p, packet.LinkEthernet, f.data, 0, 1)
		if p.BadIPSum || p.Has&packet.HasFragment == 0 || int(p.FragOff) != len(whole) || p.IPFlags&1 != uint8(1-i) {
			t.Errorf("part %d: %+v", i, p)
		}
		whole = append(whole, p.Payload...)
	}
	if !bytes.Equal(whole, w.frames[0].data[34:]) {
		t.Error("the parts do not make the whole")
	}
}
