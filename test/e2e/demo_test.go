// Package e2e tests the built programs as a user runs them.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs gives a folder with all programs: the one MASUGATA_BIN names, or
// one built for this test.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("MASUGATA_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for out, pkg := range map[string]string{"": "./cmd/...", "masugata-lab-bot": "./internal/lab/attack/bot"} {
		cmd := exec.Command("go", "build", "-o", dir+"/"+out, pkg)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, text)
		}
	}
	return dir
}

// report is what `masugata lab demo -o json` prints, as far as it is read here.
type report struct {
	Results []struct {
		Mode, Vector, Device      string
		Sent, Through             uint64
		Stopped, General, Retired bool
	} `json:"results"`
	Losses []struct {
		Kind               string
		Total, Lost, Wrong uint64
	} `json:"losses"`
	Failures []string `json:"failures"`
}

// TestDemonstration runs the demonstration with two vectors: everything must
// be stopped, and ordinary traffic must lose nothing.
func TestDemonstration(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces and load XDP programs")
	}
	bin := programs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	defer cancel()
	name := fmt.Sprintf("e%d", os.Getpid())
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "masugata"), "lab", "demo", "--bin", bin, "--name", name,
		"--vector", "udp,syn", "--without", "nothing,control", "-o", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	ran := cmd.Run()
	t.Cleanup(func() {
		if text, err := exec.Command(filepath.Join(bin, "masugata"), "lab", "down", "--name", name).CombinedOutput(); err != nil {
			t.Errorf("lab down: %v\n%s", err, text)
		}
	})
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("the demonstration printed no report: %v, %v\n%s\n%s", ran, err, out.String(), errs.String())
	}
	for _, f := range r.Failures {
		t.Error(f)
	}
	if (ran == nil) != (len(r.Failures) == 0) {
		t.Errorf("exit %v with failures %q", ran, r.Failures)
	}
	check(t, &r)
}

// check does not trust the program's own judgement.
func check(t *testing.T, r *report) {
	t.Helper()
	if len(r.Results) != 8 {
		t.Fatalf("%d results, want 8: two modes, two vectors, two devices", len(r.Results))
	}
	for _, x := range r.Results {
		if x.Sent < 5000 || !x.Stopped || x.Through > x.Sent/2 {
			t.Errorf("%s %s %s: %d of %d packets reached the victim, stopped: %v", x.Mode, x.Vector, x.Device, x.Through, x.Sent, x.Stopped)
		}
		if x.Mode == "agent" && !(x.General && x.Retired) {
			t.Errorf("%s %s %s: action for all devices %v, retired %v", x.Mode, x.Vector, x.Device, x.General, x.Retired)
		}
	}
	kinds := map[string]uint64{}
	for _, l := range r.Losses {
		kinds[l.Kind] += l.Total
		if l.Lost+l.Wrong > 0 {
			t.Errorf("%s: %d lost, %d wrong of %d", l.Kind, l.Lost, l.Wrong, l.Total)
		}
	}
	for _, k := range strings.Split("video camera-a,video camera-b,upload camera-a,mqtt receive,speed test,dns,ntp,http small,tv stream", ",") {
		if kinds[k] == 0 {
			t.Errorf("no %q in the books", k)
		}
	}
}
