package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// agentBudget is the largest stripped static agent, in bytes: it has to fit
// beside a camera's own firmware.
const agentBudget = 8_000_000

func TestAgentSize(t *testing.T) {
	for _, target := range []string{"amd64", "mipsle"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "agent")
			cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, "./cmd/masugata-agent")
			cmd.Dir = "../.."
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+target, "GOMIPS=softfloat")
			if b, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, b)
			}
			info, err := os.Stat(out)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("linux/%s: %d bytes", target, info.Size())
			if info.Size() > agentBudget {
				t.Errorf("linux/%s: %d bytes, over the budget of %d", target, info.Size(), agentBudget)
			}
		})
	}
}
