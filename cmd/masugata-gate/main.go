// Command masugata-gate protects a network from the wire between its switch
// and its router.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/masugata/masugata/internal/gate/cli"
)

// version is set by the linker.
var version = "dev"

// gcPercent trades a little time when rules are loaded for half of the memory:
// nothing allocates in steady state, so what loading left over would stay.
const gcPercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(cli.Main(context.Background(), version, os.Args[1:], os.Stdout, os.Stderr))
}
