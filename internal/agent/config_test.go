package agent

import (
	"reflect"
	"strings"
	"testing"
)

func TestDefaultTextIsTheDefault(t *testing.T) {
	cfg, err := ParseConfig("default", DefaultConfigText, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	if len(cfg.Interfaces) == 0 {
		cfg.Interfaces = nil
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v\nwant %+v", cfg, want)
	}
	for _, key := range strings.Fields(configKeys) {
		if !strings.Contains(DefaultConfigText, "\n"+key+": ") {
			t.Errorf("%s is missing in the default text", key)
		}
	}
}

func TestConfigTellsAllProblemsAtOnce(t *testing.T) {
	_, err := ParseConfig("agent.yaml", "state: here\nwatch: /etc\nudp_ps: 4\nallow_kill: yes\nspool_mib: 4\nspool_mib: 5\n  log_level: x\nsyn_pps: -1\n",
		[]string{"endpoint=nowhere", "bad"})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"agent.yaml: state: want an absolute path", "agent.yaml:2: watch: want a list", "agent.yaml:3: udp_ps: unknown key, did you mean udp_pps?",
		"agent.yaml:4: allow_kill: want true or false", "agent.yaml:6: spool_mib: is given twice; it is on line 5 too",
		"agent.yaml:7: is indented", "agent.yaml:8: syn_pps: want a whole number", "endpoint: want host:port", "command line: --set bad: want KEY=VALUE",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
}

func TestSetReplacesTheFile(t *testing.T) {
	cfg, err := ParseConfig("f", "watch:\n- /a\n- '/b c'\nudp_pps: 7\n", []string{"udp_pps=9", "interfaces=[eth0, \"eth1\"]"})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Watch) != 2 || cfg.Watch[1] != "/b c" || cfg.Limits.UDP != 9 || len(cfg.Interfaces) != 2 || cfg.Interfaces[1] != "eth1" {
		t.Errorf("%+v", cfg)
	}
}
