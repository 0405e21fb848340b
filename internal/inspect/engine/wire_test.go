package engine_test

import (
	"encoding/binary"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// rawIP is the link type of frames that begin with the IP header.
const rawIP packet.LinkType = 101

// found is a Sink that keeps what tests ask for.
type found struct {
	alerts []uint32
	flows  []flow.Flow
}

func (s *found) Alerts(_ *rule.Context, v *rule.Verdict) {
	for i := range v.Alerts {
		s.alerts = append(s.alerts, v.Alerts[i].Rule.SID)
	}
}
func (s *found) Transaction(*flow.Flow, *protocol.Spec, protocol.Tx, packet.Direction, *packet.Packet) {
}
func (s *found) File(*flow.Flow, *protocol.Spec, protocol.Tx, *protocol.File, packet.Direction, *packet.Packet) {
}
func (s *found) Anomaly(*flow.Flow, *protocol.Spec, protocol.Tx, string, packet.Direction, *packet.Packet) {
}
func (s *found) FlowEnd(f *flow.Flow, _ flow.Reason, _ int64) { s.flows = append(s.flows, *f) }

// compile makes a rule set of text; every rule must load.
func compile(t testing.TB, text string) *rule.Set {
	t.Helper()
	vars := map[string]string{"HOME_NET": "10.0.0.0/8", "EXTERNAL_NET": "!$HOME_NET", "HTTP_SERVERS": "$HOME_NET"}
	set, refused, err := rule.Compile([]rule.Source{{Name: "test.rules", Text: []byte(text)}},
		rule.Options{Specs: all.Specs(), Fields: protocol.Fields(), AddressVars: vars, PortVars: map[string]string{"HTTP_PORTS": "80"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refused {
		t.Fatalf("line %d: %s", r.Line, r.Problem)
	}
	return set
}

// open makes an engine with rules, told to s unless that is nil.
func open(t testing.TB, text string, s engine.Sink, settings engine.Settings) *engine.Engine {
	t.Helper()
	return start(t, compile(t, text), s, settings)
}

// start makes an engine with a rule set.
func start(t testing.TB, set *rule.Set, s engine.Sink, settings engine.Settings) *engine.Engine {
	t.Helper()
	ips := settings["ips"] == "yes"
	f, err := engine.FlowConfig(settings, ips)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{Specs: all.Specs(), Rules: set, Flow: f, Decoder: engine.DecoderOptions(settings, false),
		Settings: settings, Sink: s, Inspect: rule.InspectorConfig{PacketAlertMax: 15, RecursionLimit: 3000, IPS: ips}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ip is an IPv4 packet of a protocol between 10.0.0.x and 10.0.0.y.
func ip(proto, from, to byte, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	copy(b[12:], []byte{10, 0, 0, from, 10, 0, 0, to})
	return append(b, payload...)
}

func udp(from, to byte, sp, dp uint16, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, sp)
	binary.BigEndian.PutUint16(b[2:], dp)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return ip(17, from, to, append(b, payload...))
}

// talk is a TCP session between client 10.0.0.1 and server 10.0.0.2.
type talk struct {
	e      *engine.Engine
	now    int64
	number uint64
	cp, sp uint16
	seq    [2]uint32
	frame  []byte
	last   engine.Action
}

// Flags of TCP segments.
const (
	fin = 1
	syn = 2
	rst = 4
	psh = 8
	ack = 16
)

func (s *talk) send(d packet.Direction, flags byte, data []byte) {
	from, to, sp, dp := byte(1), byte(2), s.cp, s.sp
	if d == packet.ToClient {
		from, to, sp, dp = to, from, dp, sp
	}
	n := 40 + len(data)
	if cap(s.frame) < n {
		s.frame = make([]byte, n, 64<<10)
	}
	b := s.frame[:n]
	clear(b[:40])
	b[0], b[8], b[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	b[12], b[15], b[16], b[19] = 10, from, 10, to
	t := b[20:]
	binary.BigEndian.PutUint16(t, sp)
	binary.BigEndian.PutUint16(t[2:], dp)
	binary.BigEndian.PutUint32(t[4:], s.seq[d])
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(t[8:], s.seq[d.Other()])
	}
	t[12], t[13] = 5<<4, flags
	binary.BigEndian.PutUint16(t[14:], 0xffff)
	copy(t[20:], data)
	s.seq[d] += uint32(len(data))
	if flags&(syn|fin) != 0 {
		s.seq[d]++
	}
	s.now += 1e6
	s.number++
	s.last = s.e.Frame(rawIP, b, s.now, s.number)
}

// begin does the handshake.
func begin(e *engine.Engine, cp, sp uint16) *talk {
	s := &talk{e: e, now: 1e18, cp: cp, sp: sp, seq: [2]uint32{1000, 5000}}
	s.send(packet.ToServer, syn, nil)
	s.send(packet.ToClient, syn|ack, nil)
	s.send(packet.ToServer, ack, nil)
	return s
}

// say sends data and has the other side acknowledge it.
func (s *talk) say(d packet.Direction, data []byte) {
	s.send(d, psh|ack, data)
	s.send(d.Other(), ack, nil)
}

func (s *talk) end() {
	s.send(packet.ToServer, fin|ack, nil)
	s.send(packet.ToClient, fin|ack, nil)
	s.send(packet.ToServer, ack, nil)
}
