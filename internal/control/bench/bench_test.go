package bench

import (
	"strings"
	"testing"
	"time"
)

// The whole path at a low rate, with the agents in this process.
func TestIngest(t *testing.T) {
	o := Options{Rate: 3000, Duration: 2 * time.Second, Devices: 5, Every: 50 * time.Millisecond, Full: true, Agents: runAgents}
	r, err := Ingest(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verdict(); err != nil && !strings.Contains(err.Error(), "were asked for") {
		t.Error(err)
	}
	if r.Stored == 0 || r.DiskBytes <= 0 || len(r.Queries) != 6 || r.Control.CPU == 0 {
		t.Errorf("report %+v", r)
	}
	r.Print(t.Output())
}

func TestVerdict(t *testing.T) {
	good := Report{Options: Options{Rate: 100, Duration: 10 * time.Second}, Elapsed: 10500 * time.Millisecond, Acked: 1000, Stored: 1000}
	if err := good.Verdict(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Report){
		"lost":  func(r *Report) { r.Stored-- },
		"few":   func(r *Report) { r.Acked, r.Stored = 990, 990 },
		"twice": func(r *Report) { r.Stored++ },
		"slow":  func(r *Report) { r.Elapsed = 12 * time.Second },
	} {
		bad := good
		change(&bad)
		if bad.Verdict() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
