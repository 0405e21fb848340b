package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func TestProgramsAndFilesAreTold(t *testing.T) {
	h := newHome(t)
	_, events := h.agent()
	program := filepath.Join(h.dir, "intruder")
	if out, err := exec.Command("cp", "/bin/sleep", program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("ip", "netns", "exec", h.device, program, "0.3")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	e := h.await(events, model.KindProcessStart, 3*time.Second)
	for !strings.Contains(e.line, program) {
		e = h.await(events, model.KindProcessStart, 3*time.Second)
	}
	// A program of another network namespace is another device's.
	if err := exec.Command("ip", "netns", "exec", h.outside, program, "0.1").Run(); err != nil {
		t.Fatal(err)
	}
	if e, ok := h.maybe(events, model.KindProcessStart, 500*time.Millisecond); ok && strings.Contains(e.line, program) {
		t.Errorf("told of a program of another device: %s", e.line)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "watched", "shadow"), []byte("root::0:0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := h.await(events, model.KindFileChanged, 3*time.Second); !strings.Contains(e.line, "watched/shadow was created by") {
		t.Errorf("file change told as %s", e.line)
	}
	text, err := ReadStatus(filepath.Join(h.dir, "state"))
	if err != nil || !strings.Contains(text, `flood.outbound: "active"`) || !strings.Contains(text, "device: mac-") {
		t.Errorf("status %v: %s", err, text)
	}
}
