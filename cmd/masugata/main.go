// Command masugata is the control plane, the operator's command line and the
// lab.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/console/cli"
	"github.com/masugata/masugata/internal/control"
	"github.com/masugata/masugata/internal/control/bench"

	"github.com/masugata/masugata/internal/lab"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{Use: "masugata", Short: "Full-layer security for the Internet of Things",
		Version: version, SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(control.Commands(version)...)
	operator := cli.Commands(control.CheckLists)
	for _, c := range operator {
		if c.Name() == "reputation" {
			c.AddCommand(control.ReputationCommands(version)...)
		}
	}
	root.AddCommand(operator...)
	root.AddCommand(lab.Command(), bench.Command())
	cli.MarkUsage(root)
	os.Exit(exitCode(root.ExecuteContext(ctx)))
}

// exitCode says an error to people and to the shell: 0 done, 1 failed, 2 wrong
// use or configuration, 3 refused by the control plane.
func exitCode(err error) int {
	var refused *cli.Refused
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		fmt.Fprintln(os.Stderr, "masugata: refused:", err)
		return 3
	case cli.IsUsage(err), control.IsConfig(err):
		fmt.Fprintln(os.Stderr, "masugata:", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "masugata:", err)
	return 1
}
