package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/demo"
	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/model"
)

// errNotStopped is the end of a demonstration that was carried out and failed.
var errNotStopped = errors.New("the demonstration failed: see the lines marked FAILED")

func demoCommand(spec *instance.Spec) *cobra.Command {
	c := demo.Config{}
	var kind, vector, output string
	var without []string
	cmd := &cobra.Command{Use: "demo", Short: "stage attacks against the real programs and judge how they were stopped", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Lab = *spec
			if kind != "ddos" {
				return fmt.Errorf("--attack %q: want ddos", kind)
			}
			if err := chooseVectors(&c, vector); err != nil {
				return err
			}
			if err := chooseModes(&c, without); err != nil {
				return err
			}
			c.Step = demo.Progress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
			out, err := demo.Run(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := out.Print(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			if len(out.Failures()) > 0 {
				return errNotStopped
			}
			return nil
		}}
	f := cmd.Flags()
	f.StringVar(&c.Bin, "bin", demo.DefaultBin(), "folder of masugata, masugata-gate and masugata-agent")
	f.StringVar(&kind, "attack", "ddos", "which attack")
	f.StringVar(&vector, "vector", "all", "all, or a list of "+vectorList())
	f.StringSliceVar(&without, "without", nil, "show only the mode without this: agent, control (default: with all, without agent, control plane killed)")
	f.IntVar(&c.Runs, "runs", 1, "runs of each vector; several give median and worst")
	f.IntVar(&c.PPS, "pps", 10000, "packets per second of each device")
	f.DurationVar(&c.Attack, "duration", 1500*time.Millisecond, "length of one attack of one device")
	f.BoolVar(&c.Keep, "keep", false, "leave the lab and the dashboard running")
	f.DurationVar(&c.Life, "life", 4*time.Hour, "with --keep: the hosts end by themselves after this")
	f.StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func chooseVectors(c *demo.Config, list string) error {
	if list == "all" {
		c.Vectors = attack.Vectors()
		return nil
	}
	for _, v := range strings.Split(list, ",") {
		if !slices.Contains(attack.Vectors(), model.Vector(v)) {
			return fmt.Errorf("--vector %q: want all, or some of %s", v, vectorList())
		}
		c.Vectors = append(c.Vectors, model.Vector(v))
	}
	return nil
}

func chooseModes(c *demo.Config, without []string) error {
	if len(without) == 0 {
		c.Modes = demo.Modes()
		return nil
	}
	for _, w := range without {
		m, ok := map[string]demo.Mode{"agent": demo.WithoutAgent, "control": demo.ControlDown, "nothing": demo.WithAgent}[w]
		if !ok {
			return fmt.Errorf("--without %q: want agent, control or nothing", w)
		}
		c.Modes = append(c.Modes, m)
	}
	return nil
}

func compareCommand(spec *instance.Spec) *cobra.Command {
	c := demo.Config{}
	var output string
	cmd := &cobra.Command{Use: "compare", Short: "stage the same flood for Masugata and for FastNetMon and time both", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Lab = *spec
			c.Step = demo.Progress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
			all, err := demo.Compare(cmd.Context(), c)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			return demo.PrintComparison(cmd.OutOrStdout(), all)
		}}
	f := cmd.Flags()
	f.StringVar(&c.Bin, "bin", demo.DefaultBin(), "folder of masugata, masugata-gate and masugata-agent")
	f.IntVar(&c.Runs, "runs", 3, "how often")
	f.IntVar(&c.PPS, "pps", 40000, "packets per second")
	f.IntVar(&c.Rival.PPS, "threshold", 20000, "FastNetMon bans from so many packets per second (Debian: 20000)")
	f.IntVar(&c.Rival.Average, "average", 5, "FastNetMon averages over so many seconds (Debian: 5)")
	f.StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}
