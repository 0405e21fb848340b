package main

import (
	"context"
	"encoding/csv"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"masugata": main})
}

// TestScripts plays testdata/script/*.txt: the command line against a real
// `masugata serve` on loopback.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "healthy": healthy, "field": field,
		},
	})
}

// setup gives each script addresses of its own. $SERVE is what serve and
// backup are told, $MASUGATA_URL where the commands ask.
func setup(env *testscript.Env) error {
	console, err := freeAddr()
	if err != nil {
		return err
	}
	link, err := freeAddr()
	if err != nil {
		return err
	}
	env.Setenv("CONSOLE", console)
	env.Setenv("LINK", link)
	env.Setenv("DATA", env.WorkDir+"/data")
	env.Setenv("MASUGATA_URL", "http://"+console)
	env.Setenv("TZ", "UTC")
	return nil
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// exits CODE COMMAND ARGS… runs a command that ends with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// healthy waits until the control plane of the script answers.
func healthy(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ts.Getenv("CONSOLE")+"/healthz", nil)
		ts.Check(err)
		if r, err := http.DefaultClient.Do(req); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("the control plane did not become healthy")
}

// field VAR COLUMN puts a column of the first row of the CSV in stdout into a
// variable.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field VAR COLUMN")
	}
	rows, err := csv.NewReader(strings.NewReader(ts.ReadFile("stdout"))).ReadAll()
	ts.Check(err)
	if len(rows) < 2 {
		ts.Fatalf("stdout has no row")
	}
	n := slices.Index(rows[0], args[1])
	if n < 0 {
		ts.Fatalf("no column %q in %q", args[1], rows[0])
	}
	ts.Setenv(args[0], rows[1][n])
}
