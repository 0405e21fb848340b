package gate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/model"
)

func TestSampleIsDefault(t *testing.T) {
	got, err := ParseConfig("sample", []byte(Sample), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Ports.Inside, want.Ports.Outside = "eth1", "eth0"
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the sample differs from Default (-want +got):\n%s", d)
	}
}

func TestConfigProblemsAllAtOnceWithLines(t *testing.T) {
	text := `ports:
  inside: a
  outside: a
fail_mode: maybe
flood:
  mode: kill
  retire_after: 1ms
metrics:
  listen: 0.0.0.0:9
home:
  anti_spoof: true
  trusted: [nonsense]
`
	_, err := ParseConfig("gate.yaml", []byte(text), nil)
	var problems configfile.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	for _, want := range []string{
		"gate.yaml:3: ports.outside:", "gate.yaml:4: fail_mode:", "gate.yaml:6: flood.mode:",
		"gate.yaml:7: flood.retire_after:", "gate.yaml:9: metrics.listen:",
		"gate.yaml:11: home.anti_spoof:", "gate.yaml:12: home.trusted:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestConfigUnknownKeyAndSet(t *testing.T) {
	if _, err := ParseConfig("g", []byte("ports: {inside: a, outside: b, speed: 3}\n"), nil); err == nil {
		t.Error("an unknown key was taken")
	}
	c, err := ParseConfig("g", nil, []string{"ports.inside=a", "ports.outside=b", "flood.retire_after=3s", "flood.mode=observe"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Flood.RetireAfter != 3*time.Second || c.Flood.Mode != model.ModeObserve {
		t.Errorf("sets not taken: %+v", c.Flood)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(Sample)
	f.Add("ports: {inside: a, outside: b}\nflood: {limits: {udp_pps: 5}}\n")
	f.Add("home: [")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig("fuzz", []byte(text), nil)
		if err != nil {
			return
		}
		if c.Ports.Inside == "" || c.Flood.RetireAfter <= 0 || c.Flood.BlockTTL <= c.Flood.RetireAfter {
			t.Errorf("taken though incomplete: %+v", c)
		}
	})
}
