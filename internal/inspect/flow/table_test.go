package flow

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// notes is a Consumer that writes down what it is told.
type notes struct {
	lines []string
	data  [2][]byte
	hook  func(f *Flow, d packet.Direction)
}

func (n *notes) Bytes(f *Flow, d packet.Direction, data []byte) {
	n.lines = append(n.lines, fmt.Sprintf("%s %q", d, data))
	n.data[d] = append(n.data[d], data...)
	if n.hook != nil {
		n.hook(f, d)
	}
}

func (n *notes) Gap(f *Flow, d packet.Direction, k uint64) {
	n.lines = append(n.lines, fmt.Sprintf("%s gap %d", d, k))
}

func (n *notes) End(f *Flow, d packet.Direction) { n.lines = append(n.lines, d.String()+" end") }

func (n *notes) Drained(*Flow, packet.Direction) {}
func (n *notes) Finish(f *Flow, why Reason)      { n.lines = append(n.lines, "finish "+why.String()) }

// take gives what was noted since the last call.
func (n *notes) take() string {
	s := strings.Join(n.lines, "; ")
	n.lines = n.lines[:0]
	return s
}

const second = int64(time.Second)

// wire makes packets between one client and one server.
type wire struct {
	t      testing.TB
	table  *Table
	notes  *notes
	now    int64
	number uint64
	p      packet.Packet
}

func newWire(t testing.TB, change func(*Config)) *wire {
	cfg := Default()
	if change != nil {
		change(&cfg)
	}
	w := &wire{t: t, notes: &notes{}, now: 1_700_000_000 * second}
	table, err := New(cfg, w.notes)
	if err != nil {
		t.Fatal(err)
	}
	w.table = table
	return w
}

func v4(a, b, c, d byte) packet.Addr { return mapped([]byte{a, b, c, d}) }

func (w *wire) base(fromClient bool, proto uint8) *packet.Packet {
	w.number++
	w.now += int64(time.Millisecond)
	w.p = packet.Packet{Time: w.now, Number: w.number, IPVersion: 4, Proto: proto, Has: packet.HasIPv4,
		Src: v4(10, 0, 0, 1), Dst: v4(10, 0, 0, 2), SrcPort: 40000, DstPort: 80}
	if !fromClient {
		w.p.Src, w.p.Dst, w.p.SrcPort, w.p.DstPort = w.p.Dst, w.p.Src, w.p.DstPort, w.p.SrcPort
	}
	return &w.p
}

// tcp sends one segment; who is "c" or "s".
func (w *wire) tcp(who, flags string, seq, ack uint32, payload string) Outcome {
	p := w.base(who == "c", protoTCP)
	p.Has |= packet.HasTCP
	for _, r := range flags {
		p.TCPFlags |= map[rune]uint8{'S': packet.SYN, 'A': packet.ACK, 'F': packet.FIN, 'R': packet.RST, 'P': packet.PSH, 'U': packet.URG}[r]
	}
	p.Seq, p.Ack, p.Window, p.Payload = seq, ack, 65535, []byte(payload)
	p.L4Header = 20
	p.Data = make([]byte, 54+len(payload))
	return w.table.Packet(p)
}

func (w *wire) udp(who string) Outcome {
	p := w.base(who == "c", protoUDP)
	p.Has |= packet.HasUDP
	return w.table.Packet(p)
}

// handshake opens a session whose client begins at 1001 and server at 5001.
func (w *wire) handshake() {
	w.tcp("c", "S", 1000, 0, "")
	w.tcp("s", "SA", 5000, 1001, "")
	w.tcp("c", "A", 1001, 5001, "")
}

func (w *wire) want(got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func (w *wire) events(o Outcome, want string) {
	w.t.Helper()
	var s []string
	for i := range NumStreamEvents {
		if o.Events.Has(StreamEvent(i)) {
			s = append(s, StreamEvent(i).String())
		}
	}
	w.want(strings.Join(s, " "), want)
}

func TestHandshakeAndAcknowledgedData(t *testing.T) {
	w := newWire(t, nil)
	a := w.tcp("c", "S", 1000, 0, "")
	if !a.New || a.Established || a.Flow.State != StateNew {
		t.Errorf("SYN: %+v", a)
	}
	w.tcp("s", "SA", 5000, 1001, "")
	if o := w.tcp("c", "A", 1001, 5001, ""); o.Established || o.Flow.State != StateEstablished {
		t.Errorf("third packet: established %v, state %v", o.Established, o.Flow.State)
	}
	o := w.tcp("c", "PA", 1001, 5001, "GET / HTTP/1.0\r\n\r\n")
	if !o.Established || !o.InStream || o.RawDue {
		t.Errorf("data: %+v", o)
	}
	w.want(w.notes.take(), "")
	w.tcp("s", "A", 5001, 1019, "")
	w.want(w.notes.take(), `to_server "GET / HTTP/1.0\r\n\r\n"`)
	w.tcp("s", "PA", 5001, 1019, "HTTP/1.0 200 OK\r\n\r\n")
	w.want(w.notes.take(), "")
	w.tcp("c", "A", 1019, 5020, "")
	w.want(w.notes.take(), `to_client "HTTP/1.0 200 OK\r\n\r\n"`)
	w.tcp("s", "FA", 5020, 1019, "")
	w.tcp("c", "FA", 1019, 5021, "")
	o = w.tcp("s", "A", 5021, 1020, "")
	if o.Flow.TCPState != TCPClosed || o.Flow.State != StateClosed {
		t.Errorf("end: %v %v", o.Flow.TCPState, o.Flow.State)
	}
	w.events(o, "")
	w.want(w.notes.take(), "to_server end; to_client end")
	w.table.Close()
	w.want(w.notes.take(), "finish shutdown")
	if s := w.table.Stats(); s.ActiveFlows != 0 || s.ActiveSessions != 0 || w.table.segments.used != 0 {
		t.Errorf("left over: %+v", s)
	}
}

func TestOutOfOrderAndGap(t *testing.T) {
	w := newWire(t, nil)
	w.handshake()
	w.tcp("c", "A", 1006, 5001, "fghij")
	w.tcp("s", "A", 5001, 1001, "")
	w.want(w.notes.take(), "")
	w.tcp("c", "A", 1001, 5001, "abcde")
	w.tcp("s", "A", 5001, 1011, "")
	w.want(w.notes.take(), `to_server "abcdefghij"`)
	w.tcp("c", "A", 1021, 5001, "uvwxy")
	o := w.tcp("s", "A", 5001, 1026, "")
	w.events(o, "reassembly_seq_gap")
	w.want(w.notes.take(), `to_server gap 10; to_server "uvwxy"`)
	w.tcp("c", "A", 1026, 5001, "z")
	w.table.Close()
	w.want(w.notes.take(), `to_server "z"; to_server end; to_client end; finish shutdown`)
}

func TestInlineDeliversAtOnceAndNormalises(t *testing.T) {
	w := newWire(t, func(c *Config) { c.Stream.Inline = true })
	w.handshake()
	w.tcp("c", "A", 1001, 5001, "attack")
	w.want(w.notes.take(), `to_server "attack"`)
	o := w.tcp("c", "A", 1001, 5001, "benignly")
	w.events(o, "reassembly_overlap_different_data")
	w.want(string(o.Rewrite), "attackly")
	w.want(w.notes.take(), `to_server "ly"`)
	w.tcp("c", "A", 1011, 5001, "OOO")
	o = w.tcp("c", "A", 1009, 5001, "12xxx4")
	w.want(string(o.Rewrite), "12OOO4")
	w.want(w.notes.take(), `to_server "12OOO4"`)
	o = w.tcp("s", "A", 5001, 1015, "")
	if o.Drop {
		t.Error("a good ACK dropped")
	}
	o = w.tcp("c", "A", 900000, 5001, "far")
	if !o.Drop {
		t.Error("a segment out of the window passes")
	}
	w.events(o, "est_packet_out_of_window")
}

func TestUDPAndTimeouts(t *testing.T) {
	w := newWire(t, nil)
	if o := w.udp("c"); !o.New || o.Established || o.Dir != packet.ToServer {
		t.Errorf("first: %+v", o)
	}
	if o := w.udp("s"); o.New || !o.Established || o.Dir != packet.ToClient || o.Flow.State != StateEstablished {
		t.Errorf("answer: %+v", o)
	}
	w.table.Advance(w.now + 299*second)
	w.want(w.notes.take(), "")
	w.table.Advance(w.now + 301*second)
	w.want(w.notes.take(), "finish timeout")
	w.now += 400 * second
	w.udp("c")
	w.now += 31 * second
	if o := w.udp("c"); !o.New {
		t.Error("a flow outlived its time-out")
	}
	w.want(w.notes.take(), "finish timeout")
}

func TestReuse(t *testing.T) {
	w := newWire(t, nil)
	w.handshake()
	w.tcp("c", "RA", 1001, 5001, "")
	w.want(w.notes.take(), "")
	if o := w.tcp("c", "S", 9000, 0, ""); !o.New || o.Flow.TCPState != TCPSynSent {
		t.Errorf("%+v", o)
	}
	w.want(w.notes.take(), "to_server end; to_client end; finish tcp_reuse")
}

func TestMidstream(t *testing.T) {
	w := newWire(t, nil)
	w.tcp("c", "A", 1001, 5001, "not taken")
	w.table.Close()
	w.want(w.notes.take(), "finish shutdown")
	w = newWire(t, func(c *Config) { c.Stream.Midstream = true })
	o := w.tcp("c", "A", 1001, 5001, "taken")
	if o.Flow.Flags&FlagMidstream == 0 || !o.InStream {
		t.Errorf("%+v", o)
	}
	w.tcp("s", "A", 5001, 1006, "answer")
	w.want(w.notes.take(), `to_server "taken"`)
	o = w.tcp("c", "A", 1006, 5007, "")
	w.events(o, "")
	w.want(w.notes.take(), `to_client "answer"`)
}

func TestSwapWithinBytes(t *testing.T) {
	w := newWire(t, func(c *Config) { c.Stream.Midstream = true })
	w.notes.hook = func(f *Flow, d packet.Direction) {
		if f.Flags&FlagReversed == 0 {
			w.table.Swap(f)
		}
	}
	w.tcp("s", "A", 5001, 1001, "220 hello")
	w.tcp("c", "A", 1001, 5010, "EHLO")
	w.want(w.notes.take(), `to_server "220 hello"`)
	o := w.tcp("s", "A", 5010, 1005, "250 ok")
	if o.Dir != packet.ToClient {
		t.Errorf("direction %v", o.Dir)
	}
	w.want(w.notes.take(), `to_server "EHLO"`)
	w.tcp("c", "A", 1005, 5016, "")
	w.want(w.notes.take(), `to_client "250 ok"`)
}

func allV4() netip.Prefix { return netip.MustParsePrefix("0.0.0.0/0") }

func TestRawBehindAHoleAtTheEnd(t *testing.T) {
	w := newWire(t, nil)
	w.handshake()
	w.tcp("s", "A", 5001, 1001, "first")
	w.tcp("s", "A", 5010, 1001, "Me")
	w.tcp("s", "A", 5012, 1001, " In")
	w.tcp("s", "A", 5020, 1001, "last")
	raw := &rawAtEnd{notes: w.notes, table: w.table}
	w.table.sink = raw
	w.table.Close()
	w.want(w.notes.take(), `to_server end; to_client "first"; to_client end; raw 0 "first"; raw 9 "Me In"; raw 19 "last"; finish shutdown`)
}

// rawAtEnd reads the raw stream to the client when a flow ends.
type rawAtEnd struct {
	*notes
	table *Table
}

func (r *rawAtEnd) Finish(f *Flow, why Reason) {
	for {
		data, at, fresh := r.table.Raw(f, packet.ToClient)
		if len(data) <= fresh {
			break
		}
		r.lines = append(r.lines, fmt.Sprintf("raw %d %q", at, data))
		r.table.RawDone(f, packet.ToClient)
	}
	r.notes.Finish(f, why)
}

func TestUrgentByte(t *testing.T) {
	for policy, want := range map[UrgentPolicy]string{
		UrgentInline: `to_server "abcdef"; to_server "g"`, UrgentOOB: `to_server "abdef"; to_server "g"`,
		UrgentGap: `to_server "ab"; to_server gap 1; to_server "def"; to_server "g"`,
	} {
		w := newWire(t, func(c *Config) { c.Stream.Urgent = policy })
		w.handshake()
		p := w.base(true, protoTCP)
		p.Has |= packet.HasTCP
		p.TCPFlags, p.Seq, p.Ack, p.Window, p.Urgent, p.Payload = packet.ACK|packet.URG, 1001, 5001, 65535, 3, []byte("abcdef")
		w.table.Packet(p)
		w.tcp("s", "A", 5001, 1007, "")
		w.tcp("c", "A", 1007, 5001, "g")
		w.tcp("s", "A", 5001, 1008, "")
		w.want(w.notes.take(), want)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	w := newWire(t, func(c *Config) { c.Stream.MaxSessions, c.Stream.MemcapPolicy = 1, PolicyDropPacket })
	w.handshake()
	p := w.base(true, protoTCP)
	p.Has |= packet.HasTCP
	p.SrcPort, p.TCPFlags = 7, packet.SYN
	if o := w.table.Packet(p); !o.Drop || w.table.Stats().SessionMemcap != 1 {
		t.Errorf("%+v", o)
	}
}
