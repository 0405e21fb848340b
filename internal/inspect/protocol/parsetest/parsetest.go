// Package parsetest drives parsers in their tests: it feeds bytes, asks every
// transaction for everything a rule or a record may ask for, and checks that
// bad input does no harm and good input allocates nothing. It knows the
// contract of internal/inspect/protocol and no protocol. Only tests call it.
package parsetest

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Config gives settings to a parser.
type Config map[string]string

// Lookup is protocol.Settings.
func (c Config) Lookup(name string) (string, bool) { v, ok := c[name]; return v, ok }

// Flow is one flow with its parser.
type Flow struct {
	Parser protocol.Parser
	Env    protocol.Env
	t      testing.TB
	eve    []byte
	sent   [2][]byte // TCP, unless steady: all that was sent, which frames are checked against
	marked bool      // marks that frames leave out lie between the bytes sent
	steady bool
}

// Open makes a parser as the engine does.
func Open(t testing.TB, spec protocol.Spec, c Config) *Flow {
	t.Helper()
	maker, err := spec.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	f := &Flow{Parser: maker(), t: t, marked: spec.ID == protocol.NFS}
	f.Env.UDP = spec.Transport&protocol.OverTCP == 0
	f.Env.WantFrames = true
	f.Parser.Reset()
	return f
}

// Step is bytes sent in one direction.
type Step struct {
	Dir  packet.Direction
	Data []byte
}

// Send parses bytes in a direction. What lies behind them in memory is out of
// reach: a parser that looks there panics.
func (f *Flow) Send(d packet.Direction, data []byte) protocol.Status {
	f.Env.Frames = f.Env.Frames[:0]
	if f.steady || f.Env.UDP {
		return f.Parser.Parse(d, slices.Clip(data), &f.Env)
	}
	f.sent[d] = append(f.sent[d], data...)
	st := f.Parser.Parse(d, slices.Clip(data), &f.Env)
	for _, x := range f.Env.Frames {
		if !f.marked && !bytes.Contains(f.sent[x.Dir], x.Data) {
			f.t.Fatalf("frame %s has bytes that were not sent: %q", x.Name, x.Data)
		}
	}
	return st
}

// Tx is the n-th live transaction; the test fails when there is none.
func (f *Flow) Tx(n int) protocol.Tx {
	f.t.Helper()
	txs := f.Parser.Txs()
	if n >= len(txs) {
		f.t.Fatalf("transaction %d is missing: there are %d", n, len(txs))
	}
	return txs[n]
}

// Text is the i-th value of a buffer, "<none>" when there is none.
func (f *Flow) Text(n int, field protocol.Field, d packet.Direction, i int) string {
	f.t.Helper()
	b, ok := f.Tx(n).Bytes(field, d, i)
	if !ok {
		return "<none>"
	}
	return string(b)
}

// Number is the i-th value of a number, -1 when there is none.
func (f *Flow) Number(n int, field protocol.Field, d packet.Direction, i int) int64 {
	f.t.Helper()
	v, ok := f.Tx(n).Uint(field, d, i)
	if !ok {
		return -1
	}
	return int64(v)
}

// Eve is the record of a transaction.
func (f *Flow) Eve(n int, d packet.Direction) string {
	f.t.Helper()
	r, ok := f.Tx(n).(protocol.Recorder)
	if !ok {
		return ""
	}
	b := r.AppendEve(nil, d)
	if len(b) > 0 && !json.Valid(b) {
		f.t.Fatalf("not JSON: %s", b)
	}
	return string(b)
}

// Finish ends both directions, asks every transaction for everything and
// sweeps them all.
func (f *Flow) Finish(fields []protocol.FieldSpec) {
	for d := packet.ToServer; d <= packet.ToClient; d++ {
		f.Parser.End(d, &f.Env)
	}
	f.Ask(fields)
	f.Parser.Sweep()
}

// Ask asks every transaction for everything, as rules and records would, and
// marks it done.
func (f *Flow) Ask(fields []protocol.FieldSpec) {
	for _, tx := range f.Parser.Txs() {
		for d := packet.ToServer; d <= packet.ToClient; d++ {
			tx.Stage(d)
			for i := range fields {
				f.ask(tx, &fields[i], d)
			}
			if r, ok := tx.(protocol.Recorder); ok {
				f.eve = r.AppendEve(f.eve[:0], d)
				if len(f.eve) > 0 && f.t != nil && !json.Valid(f.eve) {
					f.t.Fatalf("not JSON: %s", f.eve)
				}
			}
		}
		tx.Inspection().Done = true
	}
}

func (f *Flow) ask(tx protocol.Tx, s *protocol.FieldSpec, d packet.Direction) {
	for i := range 70000 {
		_, ok := tx.Bytes(s.Field, d, i)
		_, ok2 := tx.Uint(s.Field, d, i)
		if !ok && !ok2 {
			return
		}
		if !s.Multi && i > 0 {
			f.t.Fatalf("%s has several values", s.Keyword)
		}
	}
	f.t.Fatalf("%s has no end", s.Keyword)
}

// Fields are the fields offered on a protocol.
func Fields(id protocol.ID) (out []protocol.FieldSpec) {
	for _, s := range protocol.Fields() {
		for _, on := range s.On {
			if on == id {
				out = append(out, s)
			}
		}
	}
	return out
}

// Fuzz feeds bytes to the parser, cut into pieces of changing direction, and to
// the probe. The first byte of the input chooses where to cut.
func Fuzz(f *testing.F, spec protocol.Spec, c Config) {
	fields := Fields(spec.ID)
	maker, err := spec.Open(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, udp bool) {
		if len(data) == 0 || len(data) > 1<<16 {
			return
		}
		flow := &Flow{Parser: maker(), t: t, marked: spec.ID == protocol.NFS}
		flow.Parser.Reset()
		flow.Env.UDP = udp && spec.Transport&protocol.OverUDP != 0 || spec.Transport&protocol.OverTCP == 0
		flow.Env.WantFrames = true
		cut, dir := int(data[0]), packet.Direction(data[0]&1)
		data = data[1:]
		for d := packet.ToServer; d <= packet.ToClient; d++ {
			spec.Probe(d, data, 1024, 80)
			for _, port := range spec.Ports {
				spec.Probe(d, data, port, 1024)
			}
		}
		for len(data) > 0 {
			n := min(max(cut, 1), len(data))
			st := flow.Send(dir, data[:n])
			if st.Code == protocol.StatusSwitch && (flow.Env.Consumed < 0 || flow.Env.Consumed > n) {
				t.Fatalf("consumed %d of %d", flow.Env.Consumed, n)
			}
			if st.Code != protocol.StatusOK {
				break
			}
			data = data[n:]
			if cut&2 != 0 {
				dir ^= 1
			}
			if cut&4 != 0 {
				flow.Parser.Gap(dir, 3, &flow.Env)
			}
			if cut&8 != 0 {
				flow.Ask(fields)
				flow.Parser.Sweep()
			}
		}
		flow.Finish(fields)
		if n := len(flow.Parser.Txs()); n != 0 {
			t.Fatalf("%d transactions stay after the sweep", n)
		}
	})
}

// Steady fails the test when parsing, asking and recording the steps again and
// again allocates.
func Steady(t *testing.T, spec protocol.Spec, udp bool, steps ...Step) {
	t.Helper()
	f := Open(t, spec, nil)
	f.Env.UDP, f.steady = udp, true
	fields := Fields(spec.ID)
	run := func() {
		f.Parser.Reset()
		for _, s := range steps {
			f.Send(s.Dir, s.Data)
		}
		for _, tx := range f.Parser.Txs() {
			for d := packet.ToServer; d <= packet.ToClient; d++ {
				for i := range fields {
					f.ask(tx, &fields[i], d)
				}
				if r, ok := tx.(protocol.Recorder); ok {
					f.eve = r.AppendEve(f.eve[:0], d)
				}
			}
			tx.Inspection().Done = true
		}
		f.Parser.Sweep()
	}
	for range 4 {
		run()
	}
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a run", n)
	}
}
