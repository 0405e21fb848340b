package bench

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

// TargetRate is six billion events a day.
const TargetRate = 69_444

// Command gives `masugata bench`.
func Command() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure this machine"}
	c.AddCommand(ingestCommand(), agentsCommand())
	return c
}

func ingestCommand() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use:   "ingest",
		Short: "Measure the event path: agents, link, bus, store",
		Long: `Measure the event path from simulated agents over mutual TLS, the link server
and the bus into the event store, all real and on this machine, the agents in a
process of their own. Prints what was sustained, what it cost, and how fast the
stored events are searched; fails when an acknowledged event is missing or
stored twice, or when the rate was not reached.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := Ingest(cmd.Context(), o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			r.Print(cmd.OutOrStdout())
			return r.Verdict()
		},
	}
	f := c.Flags()
	f.IntVar(&o.Rate, "rate", TargetRate, "events a second, all agents together")
	f.DurationVar(&o.Duration, "duration", 10*time.Minute, "how long the agents report")
	f.IntVar(&o.Devices, "devices", 200, "simulated agents, one a device")
	f.DurationVar(&o.Every, "every", 100*time.Millisecond, "how often each agent reports")
	f.StringVar(&o.Data, "data", "", "folder for bus and store, kept afterwards (default: a temporary one, removed)")
	f.BoolVar(&o.Full, "full", false, "also search all the time while events come in, and export a Parquet file at the end")
	f.StringVar(&o.Profile, "profile", "", "write CPU and heap profiles of the receiving process to this folder")
	return c
}

// agentsCommand is the generator's process; people do not call it.
func agentsCommand() *cobra.Command {
	o := agentsOptions{}
	c := &cobra.Command{
		Use: "agents", Short: "Simulated agents for bench ingest", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAgents(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", "", "address of the link server")
	f.IntVar(&o.Rate, "rate", 0, "events a second")
	f.DurationVar(&o.Duration, "duration", 0, "how long")
	f.IntVar(&o.Devices, "devices", 0, "agents")
	f.DurationVar(&o.Every, "every", 0, "time between reports of one agent")
	f.StringVar(&o.Profile, "profile", "", "folder for profiles")
	return c
}

// Options says what Ingest runs.
type Options struct {
	Rate     int
	Duration time.Duration
	Devices  int
	Every    time.Duration
	Data     string
	Full     bool
	Profile  string

	// Agents starts the generator; nil: this program's `bench agents`.
	Agents starter
}

func (o Options) check() error {
	switch {
	case o.Rate < 1:
		return errors.New("bench ingest: --rate must be at least 1")
	case o.Duration < time.Second:
		return errors.New("bench ingest: --duration must be at least 1s")
	case o.Devices < 1 || o.Devices > 1<<16:
		return errors.New("bench ingest: --devices must be 1 to 65536")
	case o.Every < time.Millisecond:
		return errors.New("bench ingest: --every must be at least 1ms")
	case o.Rate/o.Devices*int(o.Every/time.Millisecond)/1000 > maxPerBatch/2:
		return fmt.Errorf("bench ingest: %d events a second from %d agents is too many for each: use more --devices", o.Rate, o.Devices)
	}
	return nil
}

func machine() string {
	return fmt.Sprintf("%d CPUs, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
