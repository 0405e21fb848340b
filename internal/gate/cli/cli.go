// Package cli is the command line of masugata-gate: it reads flags, starts
// the role or asks the running one, and turns errors into exit codes. It knows
// nothing of packets. Only cmd/masugata-gate calls it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/datapath/xdp"
	"github.com/masugata/masugata/internal/gate"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2 // a wrong flag or configuration
	ExitRefused = 3 // the control plane said no
)

// errUsage marks errors of flags and arguments.
type errUsage struct{ error }

// Main runs the command line and gives the exit code.
func Main(ctx context.Context, version string, args []string, out, errOut io.Writer) int {
	root := New(version)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(errOut, "masugata-gate:", err)
	}
	return ExitCode(err)
}

// ExitCode gives the exit code for what a command returned.
func ExitCode(err error) int {
	var refused *client.Refused
	var problems configfile.Problems
	var usage errUsage
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &refused), errors.Is(err, client.ErrWrongCA):
		return ExitRefused
	case errors.As(err, &problems), errors.As(err, &usage),
		strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "required flag"):
		return ExitUsage
	}
	return ExitFailure
}

// New makes the root command.
func New(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "masugata-gate",
		Short: "Protects a network from the wire between its switch and its router",
		Long: "Protects a network from the wire between its switch and its router.\n\n" +
			"Exit codes: 0 fine, 1 failure, 2 wrong usage or configuration, 3 refused by the control plane.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	root.AddCommand(runCommand(version), enrollCommand(version), statusCommand(), checkCommand(),
		configCommand(), detachCommand(), readCommand(), rulesCommand(), versionCommand(version))
	return root
}

// source is where a command takes its configuration from.
type source struct {
	file string
	sets []string
}

func (s *source) flags(c *cobra.Command) {
	c.Flags().StringVarP(&s.file, "config", "c", "", "configuration file")
	c.Flags().StringArrayVar(&s.sets, "set", nil, "KEY=VALUE that replaces what the file says (repeatable)")
}

func (s *source) load() (gate.Config, error) { return gate.LoadConfig(s.file, s.sets) }

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errUsage{fmt.Errorf("%s takes no argument %q", c.CommandPath(), args[0])}
	}
	return nil
}

func runCommand(version string) *cobra.Command {
	var s source
	c := &cobra.Command{Use: "run", Short: "Protect until told to stop", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		cfg, err := s.load()
		if err != nil {
			return err
		}
		level := new(slog.LevelVar)
		level.Set(cfg.Log.Level)
		log := logger(c.ErrOrStderr(), cfg.Log.Format, level)
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return gate.Run(ctx, cfg, log, gate.Options{Version: version, Reload: reloads(ctx, &s, level, log)})
	}}
	s.flags(c)
	return c
}

func logger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// reloads reads and checks the configuration at every SIGHUP and hands over
// what passed.
func reloads(ctx context.Context, s *source, level *slog.LevelVar, log *slog.Logger) <-chan gate.Config {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	out := make(chan gate.Config)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
			}
			cfg, err := s.load()
			if err != nil {
				log.Error("new configuration refused; the former one holds", "error", err)
				continue
			}
			level.Set(cfg.Log.Level)
			select {
			case out <- cfg:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func enrollCommand(version string) *cobra.Command {
	var s source
	var state string
	e := client.EnrollConfig{Role: string(model.RoleGate), Software: version}
	c := &cobra.Command{Use: "enroll", Short: "Get an identity from the control plane with a one-time token", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if state == "" {
				state = gate.Default().State
				if s.file != "" || len(s.sets) > 0 {
					cfg, err := s.load()
					if err != nil {
						return err
					}
					state = cfg.State
				}
			}
			e.Dir = gate.IdentityDir(state)
			if err := client.Enroll(c.Context(), e); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Enrolled with %s; the identity is in %s.\n", e.Endpoint, e.Dir)
			return nil
		}}
	s.flags(c)
	f := c.Flags()
	f.StringVar(&state, "state", "", "state folder (default: the configuration's)")
	f.StringVar(&e.Endpoint, "endpoint", "", "HOST:PORT of the control plane's link")
	f.StringVar(&e.Token, "token", "", "one-time token from `masugata enroll --role gate`")
	f.StringVar(&e.Name, "name", "", "name for people (default: the host name)")
	f.BoolVar(&e.Replace, "replace", false, "replace an identity that is there")
	for _, name := range []string{"endpoint", "token"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is named three lines above
		}
	}
	return c
}

func checkCommand() *cobra.Command {
	var s source
	c := &cobra.Command{Use: "check-config", Short: "Say all that is wrong with a configuration file", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := s.load(); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "The configuration is good.")
			return nil
		}}
	s.flags(c)
	return c
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "About the configuration file"}
	c.AddCommand(&cobra.Command{Use: "sample", Short: "Print a commented configuration file with the defaults", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), gate.Sample)
			return err
		}})
	return c
}

func detachCommand() *cobra.Command {
	var s source
	c := &cobra.Command{Use: "detach", Short: "Take the data path off the ports: nothing is forwarded or stopped any more", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			d, err := xdp.Open(xdp.Config{
				Inside: cfg.Ports.Inside, Outside: cfg.Ports.Outside, PinDir: cfg.Ports.Pin,
				MaxFlows: uint32(cfg.Ports.Flows), MaxDevices: uint32(cfg.Ports.Devices), Generic: cfg.Ports.Attach == "generic",
			})
			if err != nil {
				return err
			}
			return d.Detach()
		}}
	s.flags(c)
	return c
}

func versionCommand(version string) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(c.OutOrStdout(), "masugata-gate", version)
		return err
	}}
}
