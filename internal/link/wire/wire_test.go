package wire

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	linkv1 "github.com/masugata/masugata/api/link/v1"
	"github.com/masugata/masugata/internal/model"
)

var sameAddrs = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()}

func at(ns int64) time.Time { return time.Unix(0, 1_700_000_000_000_000_000+ns).UTC() }

func process() *model.ProcessEvidence {
	return &model.ProcessEvidence{
		PID: 4711, Start: 99, Path: "/tmp/bot", SHA256: strings.Repeat("ab", 32), Args: []string{"bot", "", "-x"},
		UID: 1, ParentPID: 2, ParentPath: "/bin/sh",
		Remotes: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:80"), netip.MustParseAddrPort("[2001:db8::1]:443")},
	}
}

func shape() model.Shape {
	return model.Shape{
		Proto: 17, Dst: netip.MustParsePrefix("2001:db8::/64"), DstPort: 53, SrcPort: 65535,
		LenMin: 28, LenMax: 1500, TCPFlags: 2, TCPMask: 18, Spoofed: true,
	}
}

func events() []model.Event {
	full := model.Event{
		ID: model.NewID(at(0)), Time: at(5), Last: at(2e9), Device: "mac-020000000a01.v12", Layer: model.LayerNetwork,
		Kind: model.KindFloodOutbound, Severity: model.SeverityCritical, Subject: "198.51.100.7:80", Rule: "flood.udp", Count: math.MaxUint32,
		Observables: []model.Observable{{Type: model.ObservableIP, Value: "198.51.100.7"}, {Type: model.ObservablePort, Value: "80"}},
		Explanation: "カメラが攻撃している", Advice: "…", Technique: "T1498",
		Flood: &model.FloodEvidence{
			Vector: model.VectorUDP, Shape: shape(), PPS: 1e6, BPS: 1.5e9, BaselinePPS: 0.25, Packets: math.MaxUint64, Sources: 3, Process: process(),
		},
	}
	small := model.Event{ID: model.NewID(at(1)), Time: at(7), Last: at(7)}
	started := small
	started.Kind, started.Process = model.KindProcessStart, process()
	changed := small
	changed.File = &model.FileEvidence{Path: "/etc/passwd", Change: "modified", SHA256: "aa", Was: "bb", Size: -1, PID: 3, By: "/bin/vi"}
	before := small
	before.Last = at(-5)
	return []model.Event{full, small, started, changed, before}
}

func batch(list []model.Event) (b []byte) {
	for i := range list {
		b = AppendBatchEvent(b, &list[i])
	}
	return b
}

func TestEventsRoundTrip(t *testing.T) {
	want := events()
	b := batch(want)
	sum, err := Scan(b, "mac-020000000a01.v12")
	if err != nil || sum.Events != len(want) || sum.MaxSeverity != model.SeverityCritical {
		t.Fatalf("Scan: %+v, %v", sum, err)
	}
	var got []model.Event
	err = new(Decoder).Batch(b, "gate-1", func(e *model.Event) error { got = append(got, *e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Reporter = "gate-1"
	}
	if d := cmp.Diff(want, got, sameAddrs); d != "" {
		t.Error(d)
	}
}

// TestAgainstGenerated holds the hand-written encoding against the generated one.
func TestAgainstGenerated(t *testing.T) {
	b := batch(events())
	var m linkv1.EventBatch
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	e := m.Events[0]
	f := e.GetFlood()
	if e.Subject != "198.51.100.7:80" || e.Count != math.MaxUint32 || e.LastAfterNs != 2e9-5 || len(e.Observables) != 2 ||
		f.Shape.DstBits != 64 || f.Process.Args[2] != "-x" || f.Process.Remotes[1] != "[2001:db8::1]:443" || f.Packets != math.MaxUint64 || m.Events[3].GetFile().Size != -1 {
		t.Errorf("generated types read something else: %v", e)
	}
	again, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	var a, c []model.Event
	keep := func(to *[]model.Event) func(*model.Event) error {
		return func(e *model.Event) error { *to = append(*to, *e); return nil }
	}
	var d Decoder
	if err := errors.Join(d.Batch(b, "p", keep(&a)), d.Batch(again, "p", keep(&c))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, c, sameAddrs); diff != "" {
		t.Error(diff)
	}
	for _, m := range []proto.Message{&m} {
		if len(m.ProtoReflect().GetUnknown()) != 0 {
			t.Error("unknown fields were written")
		}
	}
}

func TestMessagesAgainstGenerated(t *testing.T) {
	state := &PartState{
		Software: "1.2", Started: at(0), Spooled: 3, Dropped: 4,
		Coverage: []model.Coverage{{Layer: model.LayerDevice, Protection: "x", Active: true, Reason: "r"}},
		Actions:  []ActionStatus{{ID: model.NewID(at(0)), PartStatus: model.PartStatus{Applied: true, Error: "e", At: at(1), Packets: 2, Bytes: 3, LastHit: at(4), Part: "gate-1"}}},
		Devices: []model.Device{{
			ID: "mac-020000000a01.v7", MAC: "02:00:00:00:0a:01", VLAN: 7, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Gate: "gate-1",
			Hostname: "cam", FirstSeen: at(1), LastSeen: at(2), TxPackets: 1, TxBytes: 2, RxPackets: 3, RxBytes: 4,
		}},
		Sets: map[string]uint64{"policy": 2}, Counters: map[string]uint64{"a": 1, "b": 0},
	}
	got, err := DecodePartState(AppendPartState(nil, state), "gate-1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(state, got, sameAddrs); d != "" {
		t.Error(d)
	}
	for _, x := range []struct {
		own, empty Message
		gen        proto.Message
	}{
		{&EnrollRequest{"t", []byte{1}, "agent", "n", "d", "s"}, new(EnrollRequest), new(linkv1.EnrollRequest)},
		{&EnrollResponse{"p", []byte{1}, []byte{2}, "k", 7}, new(EnrollResponse), new(linkv1.EnrollResponse)},
		{&RenewRequest{[]byte{1}}, new(RenewRequest), new(linkv1.RenewRequest)},
		{&RenewResponse{[]byte{1}, []byte{2}, 3}, new(RenewResponse), new(linkv1.RenewResponse)},
		{&ReportRequest{Epoch: 1 << 60, Seq: 2, Batch: batch(events()), State: AppendPartState(nil, state)}, new(ReportRequest), new(linkv1.ReportRequest)},
		{&ReportRequest{Epoch: 1, Seq: 2, Zstd: []byte{9}}, new(ReportRequest), new(linkv1.ReportRequest)},
		{&ReportResponse{5, 6}, new(ReportResponse), new(linkv1.ReportResponse)},
		{&WatchRequest{map[string]uint64{"policy": 1, "rules": 0}, 50000, []string{"rules", "x"}}, new(WatchRequest), new(linkv1.WatchRequest)},
		{&WatchResponse{[]SignedSet{{Name: "policy", Version: 3, Payload: []byte("x"), Minisig: "sig", SHA256: []byte{1, 2}, Size: 1},
			{Name: "reputation", Version: 4, SHA256: []byte{3}, Size: 9, Base: 3, Difference: []byte("d"), DifferenceSHA256: []byte{4}, DifferenceSize: 1}}}, new(WatchResponse), new(linkv1.WatchResponse)},
		{&FetchRequest{[]byte{1}}, new(FetchRequest), new(linkv1.FetchRequest)},
		{&FetchResponse{[]byte{1, 2}}, new(FetchResponse), new(linkv1.FetchResponse)},
	} {
		if err := proto.Unmarshal(x.own.AppendTo(nil), x.gen); err != nil {
			t.Errorf("%T: generated type: %v", x.own, err)
			continue
		}
		if len(x.gen.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%T writes fields the generated type does not know", x.own)
		}
		b, err := proto.Marshal(x.gen)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.empty.Decode(b); err != nil {
			t.Errorf("%T: %v", x.own, err)
		}
		if r, ok := x.empty.(*ReportRequest); ok && r.State != nil {
			// The generated type writes fields in another order.
			if s, err := DecodePartState(r.State, "gate-1"); err != nil || !cmp.Equal(s, state, sameAddrs) {
				t.Errorf("state by way of the generated type: %v %v", s, err)
			}
			if sum, err := Scan(r.Batch, ""); err != nil || sum.Events != len(events()) {
				t.Errorf("batch by way of the generated type: %v %v", sum, err)
			}
			continue
		}
		if d := cmp.Diff(x.own, x.empty); d != "" {
			t.Errorf("%T: %s", x.own, d)
		}
	}
}

func TestSetsRoundTrip(t *testing.T) {
	actions := []model.Action{
		{
			ID: model.NewID(at(0)), Kind: model.ActionKillProcess, Mode: model.ModeEnforce, Scope: model.Scope{Device: "d", Gate: "g"},
			Shape: shape(), PPS: 7, Process: process(), Expires: at(9), Author: "user:x", Reason: "r", Incident: model.NewID(at(1)), State: model.ActionPending,
		},
		{ID: model.NewID(at(2)), Kind: model.ActionDrop, Mode: model.ModeObserve, Expires: at(9), State: model.ActionPending},
	}
	undone := make([]model.ID, 100)
	for i := range undone {
		undone[i] = model.NewID(at(int64(i)))
	}
	b := EncodeActions(actions, undone)
	got, gotUndone, err := DecodeActions(b)
	if err != nil || !cmp.Equal(undone, gotUndone) {
		t.Fatal(err)
	}
	if d := cmp.Diff(actions, got, sameAddrs); d != "" {
		t.Error(d)
	}
	if err := proto.Unmarshal(b, new(linkv1.ActionSet)); err != nil {
		t.Error(err)
	}
	policy := &model.Policy{
		Version: 4, FloodMode: model.ModeEnforce, KillMode: model.ModePropose, BlockTTL: time.Minute,
		Protected: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, AntiSpoof: true,
		Limits:       model.FloodLimits{UDP: 1, SYN: 2, ACK: 3, ICMP: 4, DNS: 5, HTTP: 6, Spoofed: 7},
		DeviceLimits: map[model.DeviceID]model.FloodLimits{"mac-020000000a01": {UDP: 9}, "mac-020000000a02": {}},
		WatchPaths:   []string{"/etc", "/bin"},
		InspectMode:  model.ModeEnforce, InspectDevices: map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeOff, "mac-020000000a02": model.ModeObserve},
		Reputation:        model.ReputationPolicy{Mode: model.ModeObserve, Score: 90},
		ReputationDevices: map[model.DeviceID]model.ReputationPolicy{"mac-020000000a01": {Score: 50}, "mac-020000000a02": {Mode: model.ModeOff}, "mac-020000000a03": {}},
		Contacts:          model.ModeOff, ContactsDevices: map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeObserve, "mac-020000000a02": model.ModeOff},
	}
	p, err := DecodePolicy(4, EncodePolicy(policy))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(policy, p, sameAddrs); d != "" {
		t.Error(d)
	}
	if !bytes.Equal(EncodePolicy(policy), EncodePolicy(p)) {
		t.Error("the same policy gives other bytes")
	}
	files := []model.RuleFile{{Name: "a.rules", Text: "alert \xff"}, {Name: "b.rules"}}
	b = EncodeRules(files)
	if rules, err := DecodeRules(b); err != nil || !cmp.Equal(files, rules) {
		t.Error(rules, err)
	}
	if err := proto.Unmarshal(b, new(linkv1.RuleSet)); err != nil {
		t.Error(err)
	}
	if _, err := DecodeRules(EncodeRules([]model.RuleFile{{Text: strings.Repeat("#", MaxRuleText)}, {Text: "#"}})); err == nil {
		t.Error("too many rules were accepted")
	}
	actions[1].Mode = model.ModePropose
	if _, _, err := DecodeActions(EncodeActions(actions, nil)); err == nil {
		t.Error("a proposed action was accepted by a part")
	}
}

// TestWhatIsWrittenIsAccepted writes events with hostile content and holds
// Scan to its word.
func TestWhatIsWrittenIsAccepted(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	}
	for range 60 {
		e := model.Event{
			ID: model.NewID(at(0)), Time: at(r.Int64N(1e18)), Kind: model.Kind(text(1000)), Subject: text(20000), Rule: text(1000),
			Explanation: text(9000), Advice: text(9000), Technique: text(1000), Layer: model.LayerDevice, Severity: model.SeverityHigh,
		}
		p := process()
		for range r.IntN(200) {
			p.Args = append(p.Args, text(9000))
			p.Remotes = append(p.Remotes, netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(strings.Repeat("z", r.IntN(90))), 1))
			e.Observables = append(e.Observables, model.Observable{Type: "ip", Value: text(9000)})
		}
		e.Flood = &model.FloodEvidence{Vector: "udp", PPS: math.NaN(), BPS: math.Inf(1), Process: p}
		b := AppendBatchEvent(nil, &e)
		if _, err := Scan(b, ""); err != nil {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	good := batch(events()[:1])
	if _, err := Scan(good, "mac-020000000a02"); !errors.Is(err, ErrForeignDevice) {
		t.Errorf("foreign device: %v", err)
	}
	if _, err := Scan(good[:len(good)-1], ""); err == nil {
		t.Error("a torn batch was accepted")
	}
	for name, m := range map[string]*linkv1.Event{
		"no id":         {Kind: "x"},
		"short id":      {Id: []byte{1}},
		"severity":      {Id: make([]byte, 16), Severity: 5},
		"layer":         {Id: make([]byte, 16), Layer: 5},
		"long kind":     {Id: make([]byte, 16), Kind: strings.Repeat("k", MaxShort+1)},
		"large":         {Id: make([]byte, 16), Subject: strings.Repeat("k", MaxEventBytes)},
		"address":       {Id: make([]byte, 16), Evidence: &linkv1.Event_Flood{Flood: &linkv1.FloodEvidence{Shape: &linkv1.Shape{Dst: []byte{1, 2, 3}}}}},
		"prefix length": {Id: make([]byte, 16), Evidence: &linkv1.Event_Flood{Flood: &linkv1.FloodEvidence{Shape: &linkv1.Shape{Dst: []byte{1, 2, 3, 4}, DstBits: 33}}}},
		"remote":        {Id: make([]byte, 16), Evidence: &linkv1.Event_Process{Process: &linkv1.ProcessEvidence{Remotes: []string{"nowhere"}}}},
		"many args":     {Id: make([]byte, 16), Evidence: &linkv1.Event_Process{Process: &linkv1.ProcessEvidence{Args: make([]string, MaxList+1)}}},
	} {
		b, err := proto.Marshal(&linkv1.EventBatch{Events: []*linkv1.Event{m}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Scan(b, ""); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestCompatible(t *testing.T) {
	for _, x := range []struct{ own, peer, says string }{
		{"1.0", "1.0", ""}, {"1.0", "1.2", ""}, {"1.3", "1.1", ""},
		{"1.0", "1.3", "update the part"}, {"1.4", "1.1", "update the control plane"},
		{"1.0", "2.0", "update the part"}, {"2.0", "1.9", "update the control plane"},
		{"1.0", "", "too old"}, {"1.0", "x", "want MAJOR.MINOR"},
	} {
		own, err := ParseVersion(x.own)
		if err != nil {
			t.Fatal(err)
		}
		err = Compatible(own, x.peer, "part", "control plane")
		if (err == nil) != (x.says == "") || err != nil && !strings.Contains(err.Error(), x.says) {
			t.Errorf("own %s, peer %s: %v, want %q", x.own, x.peer, err, x.says)
		}
	}
}

// FuzzBatch: whatever Scan accepts, Decoder and the generated types read.
func FuzzBatch(f *testing.F) {
	f.Add(batch(events()))
	f.Add([]byte{10, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		sum, err := Scan(b, "")
		n := 0
		derr := new(Decoder).Batch(b, "p", func(e *model.Event) error {
			n++
			if _, err := Scan(AppendBatchEvent(nil, e), ""); err != nil {
				t.Errorf("decoded, encoded, refused: %v", err)
			}
			return nil
		})
		if (err == nil) != (derr == nil) || err == nil && n != sum.Events {
			t.Errorf("Scan: %v (%d events), Decoder: %v (%d events)", err, sum.Events, derr, n)
		}
		n = 0
		serr := (&Decoder{Scanned: true}).Batch(b, "p", func(*model.Event) error { n++; return nil })
		if err == nil && (serr != nil || n != sum.Events) {
			t.Errorf("Scan: %d events, Decoder after it: %v (%d events)", sum.Events, serr, n)
		}
	})
}

// FuzzMessages: no message decoder fails otherwise than by an error.
func FuzzMessages(f *testing.F) {
	f.Add((&WatchResponse{[]SignedSet{{Name: "policy", Version: 3, Minisig: "sig", SHA256: []byte{1, 2}, Size: 1, Base: 2, Difference: []byte("d"), DifferenceSHA256: []byte{2}, DifferenceSize: 1}}}).AppendTo(nil))
	f.Add(EncodePolicy(&model.Policy{FloodMode: model.ModeEnforce, KillMode: model.ModeObserve}))
	f.Add((&WatchRequest{map[string]uint64{"reputation": 1}, 1, []string{"reputation"}}).AppendTo(nil))
	f.Add(EncodePolicy(&model.Policy{FloodMode: model.ModeEnforce, KillMode: model.ModeObserve, Reputation: model.ReputationPolicy{Mode: model.ModeObserve, Score: 50},
		ReputationDevices: map[model.DeviceID]model.ReputationPolicy{"mac-020000000a01": {Score: 90}}}))
	f.Add(EncodePolicy(&model.Policy{FloodMode: model.ModeEnforce, KillMode: model.ModeObserve, Contacts: model.ModeOff,
		ContactsDevices: map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeObserve}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []Message{
			new(EnrollRequest), new(EnrollResponse), new(RenewRequest), new(RenewResponse), new(ReportRequest),
			new(ReportResponse), new(WatchRequest), new(WatchResponse), new(FetchRequest), new(FetchResponse), new(SignedSet),
		} {
			_ = m.Decode(b)
		}
		if s, err := DecodePartState(b, "p"); err == nil {
			if _, err := DecodePartState(AppendPartState(nil, s), "p"); err != nil {
				t.Errorf("state decoded, encoded, refused: %v", err)
			}
		}
		if r, err := DecodeRules(b); err == nil {
			if _, err := DecodeRules(EncodeRules(r)); err != nil {
				t.Errorf("rules decoded, encoded, refused: %v", err)
			}
		}
		readable, bad := ReadableActions(b)
		for i := range readable {
			if err := CheckAction(&readable[i]); err != nil {
				t.Fatalf("action %d was read but is refused: %v", i, err)
			}
		}
		if a, undone, err := DecodeActions(b); err == nil {
			if bad != nil || len(a) != len(readable) {
				t.Fatalf("%d of %d actions are readable: %v", len(readable), len(a), bad)
			}
			if _, _, err := DecodeActions(EncodeActions(a, undone)); err != nil {
				t.Errorf("actions decoded, encoded, refused: %v", err)
			}
		}
		if p, err := DecodePolicy(1, b); err == nil {
			if _, err := DecodePolicy(1, EncodePolicy(p)); err != nil {
				t.Errorf("policy decoded, encoded, refused: %v", err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e := events()[0]
	var buf []byte
	for b.Loop() {
		buf = AppendBatchEvent(buf[:0], &e)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
}

func thousand() []byte {
	e := events()[0]
	e.Flood.Process, e.Observables = nil, e.Observables[:1]
	var buf []byte
	for range 1000 {
		buf = AppendBatchEvent(buf, &e)
	}
	return buf
}

func BenchmarkScan1000(b *testing.B) {
	buf := thousand()
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(buf, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode1000(b *testing.B) {
	buf := thousand()
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	d := Decoder{Scanned: true}
	for b.Loop() {
		if err := d.Batch(buf, "p", func(*model.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
