package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/masugata/masugata/internal/gate/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"masugata-gate": func() {
			os.Exit(cli.Main(context.Background(), "test", os.Args[1:], os.Stdout, os.Stderr))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
