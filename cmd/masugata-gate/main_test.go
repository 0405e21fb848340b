package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/masugata/masugata/internal/gate/cli"
	"github.com/masugata/masugata/internal/gate/offline/offlinetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"masugata-gate": func() {
			os.Exit(cli.Main(context.Background(), "test", os.Args[1:], os.Stdout, os.Stderr))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){"capture": capture}})
}

// capture KIND FILE makes a capture file by hand.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture KIND FILE")
	}
	b, err := offlinetest.Capture(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}
