package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/masugata/masugata/internal/gate"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/model"
)

func statusCommand() *cobra.Command {
	var s source
	var state, output string
	c := &cobra.Command{Use: "status", Short: "Say how the running gate stands", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		write, ok := writers[output]
		if !ok {
			return errUsage{fmt.Errorf("--output %q: want table, json, yaml or csv", output)}
		}
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
		st, err := gate.AskStatus(c.Context(), state)
		if err != nil {
			return err
		}
		return write(c.OutOrStdout(), &st)
	}}
	s.flags(c)
	c.Flags().StringVar(&state, "state", "", "state folder of the gate (default: the configuration's)")
	c.Flags().StringVarP(&output, "output", "o", "table", "table, json, yaml or csv (csv: the blocks)")
	return c
}

// writers are the forms of the status.
var writers = map[string]func(io.Writer, *gate.Status) error{
	"table": writeTable, "json": writeJSON, "yaml": writeYAML, "csv": writeCSV,
}

func writeJSON(w io.Writer, s *gate.Status) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// writeYAML goes over JSON, so that both have the same keys.
func writeYAML(w io.Writer, s *gate.Status) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var v any
	if err := yaml.Load(b, &v); err != nil {
		return err
	}
	b, err = yaml.Dump(v)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func writeCSV(w io.Writer, s *gate.Status) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"id", "author", "kind", "mode", "device", "shape", "applied", "expires", "packets", "bytes", "last_hit", "error"}}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		rows = append(rows, []string{b.ID.String(), b.Author, string(b.Kind), string(b.Mode), string(b.Device), b.Shape.String(),
			stamp(b.Applied), stamp(b.Expires), strconv.FormatUint(b.Packets, 10), strconv.FormatUint(b.Bytes, 10), stamp(b.LastHit), b.Error})
	}
	return c.WriteAll(rows)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func writeTable(w io.Writer, s *gate.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	row("gate", "%s, version %s, process %d, since %s", orNone(string(s.Part), "not enrolled"), s.Version, s.PID, s.Started.Local().Format(time.DateTime))
	row("ports", "%s ⇄ %s (%s), fail mode %s", s.Inside, s.Outside, s.Attach, s.FailMode)
	row("policy", "flood mode %s, %s", s.FloodMode, policyText(s.Policy))
	row("control plane", "%s", linkText(s))
	tr := &s.Totals
	row("traffic", "%d packets forwarded, %d stopped by rules, %d by ceilings, %d as spoofed, %d by the fail mode, %d malformed",
		tr.Forwarded, tr.DroppedRule, tr.DroppedCeiling, tr.DroppedSpoofed, tr.DroppedFail, tr.Malformed)
	if tr.DeviceTableFull+tr.FlowTableFull > 0 {
		row("not counted", "%d packets of devices and %d of flows that found the table full", tr.DeviceTableFull, tr.FlowTableFull)
	}
	if i := s.Inspection; i != nil {
		row("inspection", "mode %s, %d workers, %d rules (%d refused), %d packets inspected, %d passed, %d dropped (%d rejected), %d lost to full rings, %d alerts",
			i.Mode, len(i.Workers), i.Rules.Rules, i.Rules.Refused, i.Inspected, i.Forwarded, i.Dropped, i.Rejected, i.RingFull, i.Alerts)
		row("reputation", "%d entries in use, %d things of bad reputation met, %d stopped, %d names denied, %d unsure and let pass",
			i.Listing.Entries, i.Listed, i.ListedStopped, i.Denied, i.Unsure)
	}
	if s.Inspection != nil || tr.Uninspected > 0 {
		row("in the kernel", "%d packets forwarded and %d dropped as inspection said of their flow, %d passed uninspected",
			tr.Settled, tr.DroppedVerdict, tr.Uninspected)
	}
	if c := s.Contacts; c != nil {
		row("contacts", "whom devices speak with is told every %v (contacts.enabled), %d so far", c.Every, c.Told)
	}
	row("seen", "%d devices, %d flows, %d floods going on", s.Devices, s.Flows, s.Floods)
	row("scans", "%d, the last in %v, the longest in %v, %d left out", s.Scans, s.LastScan, s.WorstScan, s.Late)
	for _, c := range s.Coverage {
		state := "active"
		if !c.Active {
			state = "MISSING: " + c.Reason
		}
		row(c.Protection, "%s", state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeBlocks(w, s.Blocks)
}

func writeBlocks(w io.Writer, blocks []block.Block) error {
	if len(blocks) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nKIND\tMODE\tDEVICE\tSHAPE\tPACKETS\tAUTHOR\tSTATE")
	for i := range blocks {
		b := &blocks[i]
		state := "in force"
		switch {
		case b.Undone:
			state = "undone"
		case b.Error != "":
			state = b.Error
		case b.Applied.IsZero():
			state = "not in force"
		case b.Mode != model.ModeEnforce:
			state = "counts only"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", b.Kind, b.Mode, orNone(string(b.Device), "all"), b.Shape, b.Packets, b.Author, state)
	}
	return t.Flush()
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return s
}

func policyText(version uint64) string {
	if version == 0 {
		return "from the configuration"
	}
	return fmt.Sprintf("signed policy version %d", version)
}

func linkText(s *gate.Status) string {
	switch {
	case s.Link == nil:
		return "none"
	case s.Link.Up:
		return fmt.Sprintf("%s, up since %s, %d events waiting", s.Link.Endpoint, s.Link.Since.Local().Format(time.DateTime), s.Link.Spooled)
	}
	return fmt.Sprintf("%s, DOWN: %s; %d events waiting, %d dropped", s.Link.Endpoint, s.Link.LastErr, s.Link.Spooled, s.Link.Dropped)
}
