package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// errUsage is the cause of errors about the command line itself.
var errUsage = errors.New("wrong use")

// IsUsage says whether an error is about the command line itself.
func IsUsage(err error) bool { return errors.Is(err, errUsage) }

// MarkUsage makes root and all commands below give errors that IsUsage knows
// for unknown commands, wrong flags and wrong numbers of arguments.
func MarkUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	mark(root)
}

func mark(c *cobra.Command) {
	switch args := c.Args; {
	case args != nil:
		c.Args = func(cmd *cobra.Command, list []string) error {
			if err := args(cmd, list); err != nil {
				return fmt.Errorf("%w: %w; see %s --help", errUsage, err, cmd.CommandPath())
			}
			return nil
		}
	case !c.Runnable() && c.HasSubCommands():
		c.Args, c.RunE = cobra.ArbitraryArgs, noSuchCommand
	}
	for _, sub := range c.Commands() {
		mark(sub)
	}
}

// noSuchCommand runs a command that only groups others.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	near := ""
	c.SuggestionsMinimumDistance = 2
	if s := c.SuggestionsFor(args[0]); len(s) > 0 {
		near = ", did you mean " + strings.Join(s, " or ")
	}
	return fmt.Errorf("%w: unknown command %q%s; see %s --help", errUsage, args[0], near, c.CommandPath())
}
