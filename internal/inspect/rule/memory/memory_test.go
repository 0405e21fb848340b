package memory_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
)

func ip(last byte) packet.Addr {
	return packet.Addr{10: 0xff, 11: 0xff, 12: 10, 15: last}
}

const second = int64(1e9)

func TestFlows(t *testing.T) {
	f := memory.NewFlows(3)
	f.Set(5, 1)
	f.Set(5, 1)
	f.SetCounter(5, 1, 7)
	f.Toggle(2, 9)
	f.Set(0, 4) // full
	if !f.Has(5, 1) || f.Has(4, 1) || !f.Has(2, 9) || f.Has(0, 4) {
		t.Error("wrong bits")
	}
	if v, ok := f.Counter(5, 1); !ok || v != 7 {
		t.Errorf("counter %d %v", v, ok)
	}
	f.Toggle(2, 9)
	f.Set(0, 4)
	if f.Has(2, 9) || !f.Has(0, 4) {
		t.Error("toggled bit")
	}
	f.Forget(5)
	if _, ok := f.Counter(5, 1); ok || f.Has(5, 1) {
		t.Error("forgotten flow remembered")
	}
	if f.Has(-1, 0) || f.Has(1<<30, 0) {
		t.Error("slots out of range")
	}
}

func TestFlowsAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := memory.NewFlows(0)
	want := map[[2]uint32]bool{}
	for range 20000 {
		slot, bit := r.Uint32N(50), r.Uint32N(30)
		k := [2]uint32{slot, bit}
		switch r.IntN(5) {
		case 0:
			f.Set(int32(slot), bit)
			want[k] = true
		case 1:
			f.Unset(int32(slot), bit)
			want[k] = false
		case 2:
			f.Toggle(int32(slot), bit)
			want[k] = !want[k]
		case 3:
			if f.Has(int32(slot), bit) != want[k] {
				t.Fatal("differs from a map")
			}
		case 4:
			if bit == 0 {
				f.Forget(int32(slot))
				for b := range uint32(30) {
					delete(want, [2]uint32{slot, b})
				}
			}
		}
	}
}

func TestRename(t *testing.T) {
	var old, now memory.Names
	old.Number(memory.SpaceFlow, "gone")
	a := old.Number(memory.SpaceFlow, "a")
	h := old.Number(memory.SpaceHost, "h")
	na := now.Number(memory.SpaceFlow, "a")
	now.Number(memory.SpaceHost, "other")
	nh := now.Number(memory.SpaceHost, "h")
	f := memory.NewFlows(0)
	f.Set(1, a)
	f.Set(1, a+7)
	f.Rename(&old, &now)
	if !f.Has(1, na) || f.Has(1, a+7) {
		t.Error("flowbits not kept by name")
	}
	b := memory.NewBits(0)
	b.Set(memory.Host(ip(1)), h, 0, 10)
	b.Rename(&old, &now, 1)
	if !b.Has(memory.Host(ip(1)), nh, 1) {
		t.Error("host bits not kept by name")
	}
}

func TestBits(t *testing.T) {
	b := memory.NewBits(64)
	p := memory.Pair(ip(1), ip(2))
	b.Set(p, 3, 0, 10*second)
	if !b.Has(memory.Pair(ip(2), ip(1)), 3, 9*second) || b.Has(p, 3, 10*second) {
		t.Error("pair bit: order or end")
	}
	if b.Has(memory.Host(ip(1)), 3, 1) || b.Has(memory.Transaction(1, 2), 3, 1) {
		t.Error("spaces mixed up")
	}
	for i := range 10000 {
		b.Set(memory.Host(ip(byte(i))), uint32(i), 0, second)
	}
	if !b.Has(memory.Host(ip(15)), 9999, 1) {
		t.Error("the latest bit gave way")
	}
}

// answers counts a match every step seconds.
func answers(th memory.Threshold, n int, step float64) string {
	t := memory.NewThresholds(0)
	var out strings.Builder
	for i := range n {
		a := t.Count(memory.RuleKey(1, 5), &th, &memory.Who{Src: ip(1), Dst: ip(2)}, int64(float64(i)*step*1e9)+1)
		out.WriteByte("AS.C"[a])
	}
	return out.String()
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		th   memory.Threshold
		step float64
		want string
	}{
		{memory.Threshold{Kind: memory.KindLimit, Count: 2, Seconds: 5}, 1, "AASSSSAASS"},
		{memory.Threshold{Kind: memory.KindThreshold, Count: 3, Seconds: 100}, 1, "..A..A..A."},
		{memory.Threshold{Kind: memory.KindThreshold, Count: 3, Seconds: 1}, 1, ".........."},
		{memory.Threshold{Kind: memory.KindBoth, Count: 2, Seconds: 4}, 1, ".ASSS.ASSS"},
		{memory.Threshold{Kind: memory.KindDetection, Count: 3, Seconds: 100}, 1, "...AAAAAAA"},
		{memory.Threshold{Kind: memory.KindRate, Count: 2, Seconds: 100, Timeout: 3}, 1, "AACCCCCCCC"},
		{memory.Threshold{Kind: memory.KindBackoff, Count: 1, Multiplier: 3}, 1, "ASASSSSSAS"},
	} {
		if got := answers(c.th, 10, c.step); got != c.want {
			t.Errorf("%+v: %s, want %s", c.th, got, c.want)
		}
	}
}

func TestThresholdTracks(t *testing.T) {
	for track, same := range map[memory.Track]bool{
		memory.TrackSrc: false, memory.TrackDst: false, memory.TrackBoth: true, memory.TrackRule: true, memory.TrackFlow: true,
	} {
		th := memory.Threshold{Kind: memory.KindLimit, Track: track, Count: 1, Seconds: 60}
		m := memory.NewThresholds(0)
		m.Count(9, &th, &memory.Who{Src: ip(1), Dst: ip(2), Flow: 7}, 1)
		got := m.Count(9, &th, &memory.Who{Src: ip(2), Dst: ip(1), Flow: 7}, 2) == memory.Silent
		if got != same {
			t.Errorf("track %d: counted together %v", track, got)
		}
	}
}

func TestTags(t *testing.T) {
	m := memory.NewTags(0)
	w := &memory.Who{Src: ip(1), Dst: ip(2), Flow: 3}
	back := &memory.Who{Src: ip(2), Dst: ip(1), Flow: 4}
	m.Start(&memory.Tag{Host: true, Amount: 2}, w, 1)
	if !m.Active() || !m.Packet(back, 60, 2) || !m.Packet(w, 60, 3) || m.Packet(w, 60, 4) || m.Active() {
		t.Error("tag of a host, by packets")
	}
	m.Start(&memory.Tag{Amount: 5, Unit: memory.TagSeconds}, w, 0)
	if m.Packet(back, 60, second) || !m.Packet(w, 60, 5*second) || m.Packet(w, 60, 6*second) {
		t.Error("tag of a flow, by seconds")
	}
	m.Start(&memory.Tag{Amount: 100, Unit: memory.TagBytes}, w, 10*second)
	if !m.Packet(w, 60, 11*second) || !m.Packet(w, 60, 11*second) || m.Packet(w, 60, 11*second) {
		t.Error("tag of a flow, by bytes")
	}
}

func TestLimits(t *testing.T) {
	text := `# comment
suppress gen_id 1, sig_id 10
suppress gen_id 1, sig_id 11, track by_src, ip [10.0.0.0/30,!10.0.0.2,$NET]
threshold gen_id 0, sig_id 0, type limit, track by_dst, \
  count 1, seconds 60
threshold gen_id 1, sig_id 12, type both, track by_rule, count 3, seconds 9
rate_filter gen_id 1, sig_id 12, track by_src, count 5, seconds 2, new_action drop, timeout 30
threshold gen_id 1, sig_id 13, type sometimes, track by_src, count 1, seconds 1
suppress gen_id 1, sig_id x
`
	l, bad := memory.ParseLimits("t.config", []byte(text), map[string]string{"NET": "192.168.0.0/16"})
	if len(bad) != 2 || bad[0].Line != 8 || bad[0].Column != 32 || bad[1].Error() != `t.config:9:20: sig_id: "x" is no number from 0 to 4294967295` {
		t.Errorf("problems %+v", bad)
	}
	if th := l.Of(1, 12); len(th) != 2 || th[0].Kind != memory.KindRate || th[0].Action != memory.RateDrop || th[1].Kind != memory.KindBoth || th[1].Track != memory.TrackRule {
		t.Errorf("%+v", th)
	}
	if th := l.Of(3, 99); len(th) != 1 || th[0].Kind != memory.KindLimit || th[0].Seconds != 60 {
		t.Errorf("%+v", th)
	}
	all, some, none := l.Suppression(1, 10), l.Suppression(1, 11), l.Suppression(1, 12)
	if !all.Has(&memory.Who{}) || !none.Empty() {
		t.Error("suppression without track")
	}
	for a, want := range map[packet.Addr]bool{ip(1): true, ip(2): false, ip(4): false, {10: 0xff, 11: 0xff, 12: 192, 13: 168}: true} {
		if got := some.Has(&memory.Who{Src: a, Dst: ip(1)}); got != want {
			t.Errorf("%v: %v", a, got)
		}
	}
}

func TestReputation(t *testing.T) {
	r, bad := memory.ParseReputation("cat", []byte("1,BadHosts,known\n2,Scan,x\nzz,a\n"), map[string][]byte{
		"l": []byte("10.0.0.1,1,100\n10.0.0.0/24,1,20\n2001:db8::/32,2,5\n10.0.0.1,1,200\n"),
	})
	if len(bad) != 2 {
		t.Errorf("problems %+v", bad)
	}
	for arg, want := range map[string]bool{
		"any,BadHosts,>,50": true, "src,BadHosts,>,50": true, "dst,BadHosts,>,50": false, "dst,BadHosts,<=,20": true,
		"both,BadHosts,>,10": true, "both,BadHosts,>,30": false, "src,Scan,isset": false, "src,Scan,isnotset": true, "any,BadHosts,=,20": true,
	} {
		x, err := r.ParseTest(arg)
		if err != nil {
			t.Errorf("%s: %v", arg, err)
		} else if got := r.Test(&x, &memory.Who{Src: ip(1), Dst: ip(2)}); got != want {
			t.Errorf("%s: %v", arg, got)
		}
	}
	if s, ok := r.Score(2, packet.Addr{0x20, 1, 0xd, 0xb8, 15: 9}); !ok || s != 5 {
		t.Errorf("IPv6 network: %d %v", s, ok)
	}
	for _, arg := range []string{"any,No,>,1", "any,BadHosts,>", "any,BadHosts,~,1", "x,BadHosts,>,1", "any,BadHosts,>,128"} {
		if _, err := r.ParseTest(arg); err == nil {
			t.Errorf("%s is taken", arg)
		}
	}
}

func TestDataset(t *testing.T) {
	d := &memory.Dataset{Name: "ua", Kind: memory.DatasetString}
	if bad := d.Load("f", []byte(base64.StdEncoding.EncodeToString([]byte("curl"))+",7\n%%\nd2dldA==\n")); len(bad) != 1 || bad[0].Line != 2 {
		t.Errorf("problems %+v", bad)
	}
	s := d.Open()
	if rep, ok := s.Reputation([]byte("curl")); !ok || rep != 7 || !s.Has([]byte("wget")) || s.Has([]byte("other")) {
		t.Error("loaded values")
	}
	if !s.Add([]byte("other")) || s.Add([]byte("other")) || !s.Remove([]byte("wget")) || s.Remove([]byte("wget")) {
		t.Error("add or remove")
	}
	if got := string(s.AppendText(nil)); got != "Y3VybA==,7\nb3RoZXI=\n" || s.Len() != 2 {
		t.Errorf("saved %q", got)
	}
	next := d.Open()
	next.Adopt(s)
	if !next.Has([]byte("other")) || next.Has([]byte("wget")) {
		t.Error("adopted state")
	}
	ipv4 := &memory.Dataset{Kind: memory.DatasetIPv4}
	ipv4.Load("f", []byte("10.0.0.1\n"))
	if o := ipv4.Open(); !o.Has([]byte{10, 0, 0, 1}) || o.Has([]byte{10, 0, 0, 2}) || o.Add([]byte("xyz")) {
		t.Error("addresses")
	}
	small := &memory.Dataset{Kind: memory.DatasetString, MemCap: 100}
	o := small.Open()
	n := 0
	for i := range byte(50) {
		if o.Add([]byte{i}) {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d values in 100 bytes", n)
	}
}

func TestNoAllocation(t *testing.T) {
	f, b, th, tags := memory.NewFlows(0), memory.NewBits(0), memory.NewThresholds(0), memory.NewTags(0)
	d := &memory.Dataset{Kind: memory.DatasetIP}
	d.Load("f", []byte("10.0.0.1\n"))
	set := d.Open()
	limit := memory.Threshold{Kind: memory.KindLimit, Count: 1, Seconds: 10}
	w := &memory.Who{Src: ip(1), Dst: ip(2), Flow: 3}
	addr := []byte{10, 0, 0, 1}
	f.Set(1, 1)
	b.Set(memory.Host(ip(1)), 1, 0, second)
	tags.Start(&memory.Tag{Amount: 1 << 30}, w, 0)
	if n := testing.AllocsPerRun(100, func() {
		f.Toggle(1, 2)
		f.Has(1, 1)
		b.Has(memory.Host(ip(1)), 1, 1)
		b.Toggle(memory.Pair(ip(1), ip(2)), 5, 1, 10)
		th.Count(7, &limit, w, 5)
		tags.Packet(w, 60, 5)
		set.Has(addr)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLimits(f *testing.F) {
	f.Add("suppress gen_id 1, sig_id 10, track by_src, ip [10.0.0.0/8,!$X]\n")
	f.Add("rate_filter gen_id 1, sig_id 2, track by_both, count 1, seconds 2, new_action reject, timeout 0\\\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, bad := memory.ParseLimits("f", []byte(text), map[string]string{"X": "[1.1.1.1,$X]"})
		for _, p := range bad {
			if p.Line < 1 || p.Column < 1 || p.Problem == "" {
				t.Fatalf("%+v", p)
			}
		}
		s := l.Suppression(1, 1)
		s.Has(&memory.Who{Src: ip(1)})
		l.Of(1, 1)
	})
}

func FuzzDataset(f *testing.F) {
	f.Add(byte(0), "Y3VybA==,7\n")
	f.Add(byte(4), "::1\n10.0.0.1,3\n")
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		d := &memory.Dataset{Kind: memory.DatasetKind(kind % 5), MemCap: 1 << 16}
		d.Load("f", []byte(text))
		saved := d.Open().AppendText(nil)
		again := &memory.Dataset{Kind: d.Kind}
		if bad := again.Load("g", saved); len(bad) != 0 || again.Len() != d.Len() {
			t.Fatalf("saved state does not load: %+v", bad)
		}
	})
}
