package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/masugata/masugata/internal/model"
)

func TestDefaultText(t *testing.T) {
	p, err := Parse("default", []byte(DefaultText))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Policy{FloodMode: model.ModeEnforce, KillMode: model.ModePropose, BlockTTL: 10 * time.Minute,
		AntiSpoof: true, InspectMode: model.ModeObserve,
		Reputation: model.ReputationPolicy{Mode: model.ModeEnforce, Score: 75}, Contacts: model.ModeObserve, Protected: []netip.Prefix{}, WatchPaths: []string{}}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
}

func TestParseTellsAllProblems(t *testing.T) {
	_, err := Parse("p.yaml", []byte(`flood:
  mode: enforced
  block_ttl: 1s
  protected: [192.0.2.0/24, nonsense]
process:
  kill_mode: never
devices:
  camera: {limits: {udp_pps: 5}}
  mac-020000000a02: {inspection: propose}
files:
  watch: [etc]
inspection:
  mode: loud
reputation:
  mode: propose
  score: 60
`))
	if err == nil {
		t.Fatal("a broken policy was taken")
	}
	for _, want := range []string{
		"p.yaml:2: flood.mode: \"enforced\" is not one of observe, propose, enforce",
		"p.yaml:3: flood.block_ttl", "p.yaml:4: flood.protected: \"nonsense\"", "p.yaml:6: process.kill_mode",
		"p.yaml:8: devices.camera: device id", "p.yaml:9: devices.mac-020000000a02.inspection", "p.yaml:11: files.watch",
		"p.yaml:13: inspection.mode: \"loud\" is not one of off, observe, enforce",
		"p.yaml:15: reputation.mode: \"propose\"", "p.yaml:16: reputation.score: 60 is not one of 50, 75, 90",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestModeOf(t *testing.T) {
	p := model.Policy{FloodMode: model.ModeEnforce, KillMode: model.ModeObserve,
		Protected: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	shape := func(dst string) model.Shape { return model.Shape{Dst: netip.MustParsePrefix(dst)} }
	tests := []struct {
		name string
		a    model.Action
		want model.Mode
	}{
		{"drop elsewhere", model.Action{Kind: model.ActionDrop, Shape: shape("198.51.100.1/32")}, model.ModeEnforce},
		{"drop inside a protected prefix", model.Action{Kind: model.ActionDrop, Shape: shape("192.0.2.7/32")}, model.ModeObserve},
		{"drop around a protected prefix", model.Action{Kind: model.ActionRateLimit, Shape: shape("192.0.0.0/16")}, model.ModeObserve},
		{"drop to anywhere", model.Action{Kind: model.ActionDrop}, model.ModeObserve},
		{"kill", model.Action{Kind: model.ActionKillProcess}, model.ModeObserve},
		{"a kind of a later version", model.Action{Kind: "reboot"}, model.ModePropose},
	}
	for _, tt := range tests {
		if got := ModeOf(&p, &tt.a); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestLimitsOf(t *testing.T) {
	p := model.Policy{Limits: model.FloodLimits{UDP: 100, SYN: 10},
		DeviceLimits: map[model.DeviceID]model.FloodLimits{"mac-020000000a01": {UDP: 500}}}
	if got := LimitsOf(&p, "mac-020000000a01"); got.UDP != 500 || got.SYN != 10 {
		t.Errorf("own ceilings: %+v", got)
	}
	if got := LimitsOf(&p, "mac-020000000a02"); got != p.Limits {
		t.Errorf("ceilings of all: %+v", got)
	}
}

func TestInspectionOfSingleDevices(t *testing.T) {
	p, err := Parse("p", []byte("devices: {mac-020000000a01: {inspection: enforce}, mac-020000000a02: {limits: {udp_pps: 5}, inspection: \"off\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeEnforce, "mac-020000000a02": model.ModeOff}
	if d := cmp.Diff(want, p.InspectDevices); d != "" || p.InspectMode != "" || len(p.DeviceLimits) != 1 {
		t.Errorf("%+v: %s", p, d)
	}
}

func TestReputationOfSingleDevices(t *testing.T) {
	p, err := Parse("p", []byte("reputation: {mode: observe, score: 90}\ndevices: {mac-020000000a01: {reputation: {mode: enforce}}, mac-020000000a02: {reputation: {score: 50}}, mac-020000000a03: {}}"))
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[model.DeviceID]model.ReputationPolicy{
		"mac-020000000a01": {Mode: model.ModeEnforce, Score: 90}, "mac-020000000a02": {Mode: model.ModeObserve, Score: 50},
		"mac-020000000a03": {Mode: model.ModeObserve, Score: 90},
	} {
		if got := p.ReputationOf(device); got != want {
			t.Errorf("%s: %+v, want %+v", device, got, want)
		}
	}
	if len(p.ReputationDevices) != 2 || len(p.DeviceLimits) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestContacts(t *testing.T) {
	p, err := Parse("p", []byte("contacts: {mode: off}\ndevices: {mac-020000000a01: {contacts: observe}, mac-020000000a02: {}}"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.TellsContacts("mac-020000000a01") || p.TellsContacts("mac-020000000a02") || p.TellsContacts("mac-020000000a03") || len(p.DeviceLimits) != 0 {
		t.Errorf("%+v", p)
	}
	if p, err = Parse("p", []byte("devices: {mac-020000000a01: {contacts: off}}")); err != nil || p.TellsContacts("mac-020000000a01") || !p.TellsContacts("mac-020000000a02") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := Parse("p", []byte("contacts: {mode: enforce}")); err == nil || !strings.Contains(err.Error(), "contacts.mode") {
		t.Errorf("contacts cannot be enforced: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(DefaultText))
	f.Add([]byte("flood: {protected: [::/0]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("f", data)
		if err == nil && (p.BlockTTL < MinBlockTTL || p.BlockTTL > MaxBlockTTL) {
			t.Errorf("taken with a life of %v", p.BlockTTL)
		}
	})
}
