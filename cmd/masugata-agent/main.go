// Command masugata-agent protects the device or server it runs on.
package main

import (
	"os"

	"github.com/masugata/masugata/internal/agent"
	"github.com/masugata/masugata/internal/agent/command"
)

// version is set when a release is built.
var version = "dev"

func main() {
	agent.Tune()
	os.Exit(command.Main(os.Args[1:], version, os.Stdout, os.Stderr))
}
