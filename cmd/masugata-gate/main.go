// Command masugata-gate protects a network from the wire between its switch
// and its router.
package main

import (
	"context"
	"os"

	"github.com/masugata/masugata/internal/gate/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Main(context.Background(), version, os.Args[1:], os.Stdout, os.Stderr))
}
