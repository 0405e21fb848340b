package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/configfile"
)

// IsConfig says whether an error is about the configuration.
func IsConfig(err error) bool {
	var p configfile.Problems
	return errors.As(err, &p)
}

// Commands gives the commands that run on the control plane's own machine:
// serve, config, backup, restore.
func Commands(version string) []*cobra.Command {
	return []*cobra.Command{serveCommand(version), configCommand(), backupCommand(), restoreCommand()}
}

func serveCommand(version string) *cobra.Command {
	var path string
	var sets []string
	c := &cobra.Command{Use: "serve", Short: "Run the control plane", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := Load(path, sets)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), cfg, version, newLog(cmd.ErrOrStderr(), &cfg))
		}}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (default: none, all defaults)")
	c.Flags().StringArrayVar(&sets, "set", nil, "replace one value: KEY=VALUE, such as link.listen=:7443")
	return c
}

// ReputationCommands gives the commands of `masugata reputation` that need no
// running control plane.
func ReputationCommands(version string) []*cobra.Command {
	return []*cobra.Command{
		aloneCommand("serve", "Run the reputation service alone, without a control plane", version, RunReputation),
		aloneCommand("replica", "Run a look-up node that answers from signed snapshots (reputation.replica)", version, RunReplica),
		formatsCommand(),
	}
}

// aloneCommand runs a reputation service without a control plane.
func aloneCommand(use, short, version string, run func(context.Context, Config, string, *slog.Logger) error) *cobra.Command {
	var path string
	var sets []string
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := Load(path, sets)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, version, newLog(cmd.ErrOrStderr(), &cfg))
		}}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (default: none, all defaults)")
	c.Flags().StringArrayVar(&sets, "set", nil, "replace one value: KEY=VALUE, such as console.listen=127.0.0.1:7081")
	return c
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Print or check configurations"}
	c.AddCommand(&cobra.Command{Use: "sample", Short: "Print every key with its default and what it means", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), Sample)
			return err
		}})
	c.AddCommand(&cobra.Command{Use: "check FILE", Short: "Say all that is wrong with a file", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := Load(args[0], nil)
			return err
		}})
	return c
}

func newLog(w io.Writer, c *Config) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	o := &slog.HandlerOptions{Level: level[c.Log.Level]}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
