package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sizeMost is the budget of the stripped binary in bytes.
const sizeMost = 8_000_000

// Packages that a small device cannot afford, or that have no place on one.
var unaffordable = []string{
	"net/http", "encoding/json", "log/slog", "database/sql", "regexp", "text/template", "html/template", "encoding/gob", "encoding/xml", "go/ast",
	"google.golang.org/protobuf/proto", "google.golang.org/protobuf/reflect", "connectrpc.com", "go.yaml.in",
	"github.com/nats-io", "github.com/duckdb", "modernc.org", "github.com/jackc", "github.com/danielgtaylor",
	"github.com/spf13", "github.com/cilium", "github.com/vishvananda", "github.com/prometheus", "github.com/mdlayher",
	"github.com/masugata/masugata/internal/store", "github.com/masugata/masugata/internal/bus",
	"github.com/masugata/masugata/internal/console", "github.com/masugata/masugata/internal/control",
	"github.com/masugata/masugata/internal/gate", "github.com/masugata/masugata/internal/datapath",
	"github.com/masugata/masugata/internal/link/server", "github.com/masugata/masugata/internal/lab",
}

func TestLinkedPackages(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "github.com/masugata/masugata/cmd/masugata-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	linked := strings.Fields(string(out))
	if len(linked) < 100 {
		t.Fatalf("only %d packages listed", len(linked))
	}
	for _, p := range linked {
		for _, bad := range unaffordable {
			if p == bad || strings.HasPrefix(p, bad+"/") {
				t.Errorf("the agent links %s", p)
			}
		}
	}
}

func TestEveryTargetBuildsWithinItsSize(t *testing.T) {
	targets := []string{"amd64", "arm", "mipsle"}
	if os.Getenv("MASUGATA_LONG") != "" {
		targets = append(targets, "arm64", "mips", "riscv64")
	}
	for _, arch := range targets {
		out := filepath.Join(t.TempDir(), "agent")
		args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out}
		if strings.HasPrefix(arch, "mips") { // as make agent-all builds it
			args = append(args, "-gcflags=all=-l")
		}
		cmd := exec.Command("go", append(args, "github.com/masugata/masugata/cmd/masugata-agent")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM=6", "GOMIPS=softfloat")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", arch, err, text)
			continue
		}
		st, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", arch, st.Size())
		if st.Size() > sizeMost {
			t.Errorf("%s: %d bytes, the budget is %d", arch, st.Size(), sizeMost)
		}
		runForeign(t, arch, out)
	}
}

// runForeign runs the program of another machine type in qemu when it is there.
func runForeign(t *testing.T, arch, program string) {
	emulator := map[string]string{"mipsle": "qemu-mipsel-static", "mips": "qemu-mips-static", "arm": "qemu-arm-static",
		"arm64": "qemu-aarch64-static", "riscv64": "qemu-riscv64-static"}[arch]
	path, err := exec.LookPath(emulator)
	if err != nil {
		return
	}
	for _, args := range [][]string{{"version"}, {"check-config", "--set", "udp_pps=5"}} {
		out, err := exec.Command(path, append([]string{program}, args...)...).CombinedOutput()
		if err != nil || len(out) == 0 {
			t.Errorf("%s %v: %v: %s", arch, args, err, out)
		}
	}
}
