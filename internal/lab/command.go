// Package lab is the command line of the lab: test hosts in network
// namespaces, cameras, ordinary traffic, attacks and the demonstration. It
// only joins the packages below it with flags and output; cmd/masugata hangs
// its command in. The hidden `lab role` runs one host's programs inside its
// namespace.
package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// Command gives `masugata lab` with all below it.
func Command() *cobra.Command {
	c := &cobra.Command{Use: "lab", Short: "a home in network namespaces: real video, ordinary traffic, staged attacks",
		Long: `The lab builds a home with cameras, a gate and a router, and an outside with
servers and a victim, in network namespaces of this machine. It needs root and
touches no interface of the machine itself.`}
	var spec instance.Spec
	c.PersistentFlags().StringVar(&spec.ID, "name", "lab", "name of the lab; several can stand side by side")
	c.PersistentFlags().StringVar(&spec.Root, "dir", instance.Root, "folder of all labs")
	c.AddCommand(upCommand(&spec), attackCommand(&spec), downCommand(&spec), statusCommand(&spec), demoCommand(&spec), compareCommand(&spec), roleCommand())
	return c
}

func upCommand(spec *instance.Spec) *cobra.Command {
	var o instance.Options
	c := &cobra.Command{Use: "up", Short: "build the lab and start its hosts", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := instance.Up(cmd.Context(), *spec, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "lab %q is up in %s\nlook around: ip netns exec %s ip addr\nend it: masugata lab down --name %s\n",
				l.State().ID, l.Dir, l.Net.Name(topology.CameraA), l.State().ID)
			return nil
		}}
	c.Flags().BoolVar(&o.Cable, "without-gate", true, "join the gate's ports by a bridge instead of its program")
	c.Flags().DurationVar(&o.Life, "life", 4*time.Hour, "the hosts end by themselves after this")
	return c
}

func downCommand(spec *instance.Spec) *cobra.Command {
	return &cobra.Command{Use: "down", Short: "end the lab and remove all of it, also after a crash", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := instance.Open(*spec)
			if errors.Is(err, os.ErrNotExist) {
				fmt.Fprintf(cmd.OutOrStdout(), "no lab %q is up\n", spec.ID)
				return nil
			}
			if err != nil {
				return err
			}
			return l.Down()
		}}
}

func statusCommand(spec *instance.Spec) *cobra.Command {
	var output string
	c := &cobra.Command{Use: "status", Short: "the lab's hosts and what their ordinary traffic lost", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := instance.Open(*spec)
			if err != nil {
				return err
			}
			return printStatus(cmd.Context(), cmd.OutOrStdout(), l, output)
		}}
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func printStatus(ctx context.Context, w io.Writer, l *instance.Lab, output string) error {
	counts, err := l.Counts(ctx)
	if err != nil {
		return err
	}
	s := l.State()
	if output == "json" {
		return json.NewEncoder(w).Encode(map[string]any{"state": s, "counts": counts})
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tTRAFFIC\tTOTAL\tLOST\tWRONG\tLAST TROUBLE")
	for _, n := range instance.Roles() {
		var names []string
		for name := range counts[n] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			k := counts[n][name]
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.60s\n", n, name, k.Total, k.Lost, k.Wrong, k.Note)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, p := range s.Processes {
		state := "running"
		if !p.Alive() {
			state = "ended"
		}
		fmt.Fprintf(w, "%-16s process %-8d %s\n", p.Name, p.PID, state)
	}
	for k, v := range s.Notes {
		fmt.Fprintf(w, "%s: %s\n", k, v)
	}
	return nil
}

func attackCommand(spec *instance.Spec) *cobra.Command {
	c := &cobra.Command{Use: "attack", Short: "stage an attack inside the lab"}
	var vector string
	var devices []string
	a := staging.Attack{}
	ddos := &cobra.Command{Use: "ddos", Short: "bots on the cameras flood the lab's victim", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := instance.Open(*spec)
			if err != nil {
				return err
			}
			a.Vector = model.Vector(vector)
			a.Target = topology.VictimAddr(int(time.Now().Unix()))
			for _, d := range devices {
				if staging.Mark(topology.Node(d)) == 0 {
					return fmt.Errorf("device %q: want camera-a or camera-b", d)
				}
				a.Devices = append(a.Devices, topology.Node(d))
			}
			return runAttack(cmd.Context(), cmd.OutOrStdout(), l, a)
		}}
	f := ddos.Flags()
	f.StringVar(&vector, "vector", "udp", "one of "+vectorList())
	f.IntVar(&a.PPS, "pps", 10000, fmt.Sprintf("packets per second of each device, at most %d", attack.MaxPPS))
	f.DurationVar(&a.Duration, "duration", 3*time.Second, fmt.Sprintf("at most %s", attack.MaxDuration))
	f.StringSliceVar(&devices, "devices", []string{string(topology.CameraA), string(topology.CameraB)}, "where the bots run")
	c.AddCommand(ddos)
	return c
}

func vectorList() string {
	var s []string
	for _, v := range attack.Vectors() {
		s = append(s, string(v))
	}
	return strings.Join(s, ", ")
}

func runAttack(ctx context.Context, w io.Writer, l *instance.Lab, a staging.Attack) error {
	r, err := staging.Start(ctx, l, a)
	if err != nil {
		return err
	}
	out, err := r.Wait(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tFIRST PACKET\tSENT\tREACHED THE VICTIM\tLAST ONE AFTER")
	for _, n := range a.Devices {
		o := out[n]
		last := "-"
		if o.Arrived.Packets > 0 {
			last = o.Arrived.Last.Sub(o.Sent.First).Round(time.Millisecond).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\n", n, o.Sent.First.Format("15:04:05.000"), o.Sent.Sent, o.Arrived.Packets, last)
	}
	return t.Flush()
}

// roleCommand runs one host's programs; the lab starts it in the host's
// namespace. "bot" stands for the attack tool where its own program is absent.
func roleCommand() *cobra.Command {
	c := &cobra.Command{Use: "role NAME", Hidden: true, DisableFlagParsing: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("lab role: want a name")
			}
			if args[0] == "bot" {
				os.Exit(attack.Main(args[1:]))
			}
			return parseRole(cmd.Context(), args)
		}}
	return c
}

func parseRole(ctx context.Context, args []string) error {
	var dir, node, listen, into, to string
	var life time.Duration
	f := cobra.Command{}
	f.Flags().StringVar(&dir, "dir", "", "")
	f.Flags().StringVar(&node, "node", "", "")
	f.Flags().DurationVar(&life, "life", time.Minute, "")
	f.Flags().StringVar(&listen, "listen", "", "")
	f.Flags().StringVar(&into, "into", "", "")
	f.Flags().StringVar(&to, "to", "", "")
	if err := f.ParseFlags(args[1:]); err != nil {
		return err
	}
	ctx, stop := untilTold(cmp.Or(ctx, context.Background()))
	defer stop()
	if args[0] == "forward" {
		ctx, cancel := context.WithTimeout(ctx, life)
		defer cancel()
		return forward(ctx, listen, into, to)
	}
	return runRole(ctx, args[0], dir, topology.Node(node), life)
}
