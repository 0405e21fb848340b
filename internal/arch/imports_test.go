package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/masugata/masugata/"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
}

// rel is the package's folder in the module, "" outside of it.
func rel(path string) string {
	r, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	return r
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Name,Doc,GoFiles,Imports,Deps,Standard"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// in says whether a folder is the given one or below it.
func in(folder, top string) bool { return folder == top || strings.HasPrefix(folder, top+"/") }

// rule bans imports: whoever is in From must not import what is in Ban unless
// it is in Except.
type rule struct {
	from   string
	ban    []string
	except []string
	why    string
}

func rules() []rule {
	adapters := []string{"internal/host", "internal/datapath", "internal/link", "internal/bus", "internal/store"}
	roles := []string{"internal/agent", "internal/gate", "internal/control", "internal/lab"}
	upper := slices.Concat(adapters, roles, []string{"internal/console"})
	r := []rule{
		{"internal/inspect", slices.Concat(upper, []string{"internal/detect", "internal/intel", "internal/decide"}), nil, "inspect knows only model"},
		{"internal/detect", slices.Concat(upper, []string{"internal/intel", "internal/decide"}), nil, "detect knows inspect and model"},
		{"internal/intel", slices.Concat(upper, []string{"internal/decide"}), nil, "intel knows detect, inspect and model"},
		{"internal/decide", upper, nil, "decide is pure"},
		{"internal/console", slices.Concat(roles, adapters), nil, "console knows interfaces that it declares itself"},
		{"internal/configfile", slices.Concat(upper, []string{"internal/inspect", "internal/detect", "internal/decide"}), nil, "configfile knows no meaning"},
	}
	for _, a := range adapters {
		others := slices.DeleteFunc(slices.Clone(adapters), func(o string) bool { return o == a })
		r = append(r, rule{a, slices.Concat(others, roles, []string{"internal/console"}), nil, "adapters know model and the pure parts, never each other"})
	}
	for _, role := range roles {
		others := slices.DeleteFunc(slices.Clone(roles), func(o string) bool { return o == role })
		r = append(r, rule{role, others, nil, "a role never imports another role"})
	}
	return r
}

func TestImportRules(t *testing.T) {
	for _, p := range list(t, "./...") {
		folder := rel(p.ImportPath)
		for _, r := range rules() {
			if !in(folder, r.from) {
				continue
			}
			for _, imp := range p.Imports {
				to := rel(imp)
				banned := slices.ContainsFunc(r.ban, func(b string) bool { return to != "" && in(to, b) })
				if banned && !slices.ContainsFunc(r.except, func(e string) bool { return in(to, e) }) {
					t.Errorf("%s imports %s: %s", folder, to, r.why)
				}
			}
		}
	}
}

// TestPlaces holds libraries to the folders that may know them.
func TestPlaces(t *testing.T) {
	only := map[string][]string{
		"github.com/cilium/ebpf":      {"internal/datapath", "internal/host", "internal/lab", "internal/gate"},
		"database/sql":                {"internal/store"},
		"github.com/jackc/pgx":        {"internal/store"},
		"modernc.org/sqlite":          {"internal/store"},
		"github.com/duckdb/duckdb-go": {"internal/store"},
		"github.com/nats-io":          {"internal/bus"},
		"github.com/danielgtaylor":    {"internal/console"},
	}
	for _, p := range list(t, "./...") {
		for _, imp := range p.Imports {
			for lib, places := range only {
				if !in(imp, lib) {
					continue
				}
				if !slices.ContainsFunc(places, func(place string) bool { return in(rel(p.ImportPath), place) }) {
					t.Errorf("%s imports %s, which belongs under %v", rel(p.ImportPath), imp, places)
				}
			}
		}
	}
}

// TestPure keeps I/O, clocks and goroutines' tools out of the pure parts as
// far as imports tell.
func TestPure(t *testing.T) {
	banned := []string{"net/http", "os", "os/exec", "syscall", "golang.org/x/sys", "sync", "context", "log", "log/slog", "database/sql"}
	pure := []string{"internal/model", "internal/inspect", "internal/detect", "internal/intel", "internal/decide"}
	for _, p := range list(t, "./...") {
		if !slices.ContainsFunc(pure, func(f string) bool { return in(rel(p.ImportPath), f) }) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.ContainsFunc(banned, func(b string) bool { return in(imp, b) }) {
				t.Errorf("%s is pure but imports %s", rel(p.ImportPath), imp)
			}
			if rel(p.ImportPath) == "internal/model" && strings.Contains(imp, ".") {
				t.Errorf("internal/model imports %s: only the standard library is allowed", imp)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range list(t, "./...") {
		folder := rel(p.ImportPath)
		if in(folder, "api") || in(folder, "internal/store/state/sqldb") || len(p.GoFiles) == 0 { // generated
			continue
		}
		if len(strings.Fields(p.Doc)) < 8 && p.Name != "main" {
			t.Errorf("%s: the package comment must say what it knows, what not, and who calls it; it is %q", folder, p.Doc)
		}
		for _, bad := range []string{"util", "utils", "common", "helpers", "misc", "types", "manager"} {
			if p.Name == bad {
				t.Errorf("%s: a package is named after what it knows, not %q", folder, bad)
			}
		}
	}
}

// TestSmallPrograms says what the agent and the gate must not link.
func TestSmallPrograms(t *testing.T) {
	tests := map[string][]string{
		"./cmd/masugata-agent": {"database/sql", "github.com/nats-io", module + "internal/bus", module + "internal/store", module + "internal/console",
			module + "internal/control", module + "internal/gate", module + "internal/lab", "connectrpc.com", "go.yaml.in", "github.com/spf13", "github.com/cilium"},
		"./cmd/masugata-gate": {"database/sql", "github.com/nats-io", module + "internal/bus", module + "internal/store", module + "internal/console",
			module + "internal/control", module + "internal/agent", module + "internal/lab", "connectrpc.com"},
	}
	for cmd, banned := range tests {
		for _, p := range list(t, cmd) {
			for _, dep := range p.Deps {
				if slices.ContainsFunc(banned, func(b string) bool { return in(dep, b) }) {
					t.Errorf("%s links %s", cmd, dep)
				}
			}
		}
	}
}
