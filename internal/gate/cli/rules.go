package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/rule"
)

func rulesCommand() *cobra.Command {
	c := &cobra.Command{Use: "rules", Short: "About inspection rules (Suricata's rule language)"}
	c.AddCommand(rulesCheckCommand(), rulesKeywordsCommand(), rulesBenchCommand())
	return c
}

// engineFlags are where settings of the engine come from.
type engineFlags struct {
	config string
	sets   []string
}

func (f *engineFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration in Suricata's YAML: variables, files of classes and references, limits")
	c.Flags().StringArrayVar(&f.sets, "set", nil, "KEY=VALUE setting by Suricata's dotted name (repeatable)")
}

// checked is the outcome of `rules check`.
type checked struct {
	Files   int       `json:"files"`
	Loaded  int       `json:"loaded"`
	Seconds float64   `json:"seconds"`
	Refused []refused `json:"refused"`
}

type refused struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	SID     uint32 `json:"sid,omitempty"`
	Problem string `json:"problem"`
	Mend    string `json:"mend,omitempty"`
}

func rulesCheckCommand() *cobra.Command {
	var f engineFlags
	var output string
	c := &cobra.Command{
		Use:   "check FILE…",
		Short: "Say of each rule that cannot be honoured where and why, and what to write instead",
		Long: "Say of each rule that cannot be honoured where and why, and what to write instead, as\n" +
			"FILE:LINE:COLUMN: problem — mend. A rule is honoured as it stands or refused, never\n" +
			"weakened. classification.config and reference.config beside the rules are used.\n\n" +
			"Exit codes: 0 every rule is good, 1 a file could not be read, 2 rules were refused.",
		Example: "  masugata-gate rules check home.rules\n  masugata-gate rules check -c suricata.yaml --output json rules/*.rules",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errUsage{fmt.Errorf("%s: give rule files", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return rulesCheck(c, &f, output, args) },
	}
	f.add(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func rulesCheck(c *cobra.Command, f *engineFlags, output string, files []string) error {
	if output != "table" && output != "json" {
		return errUsage{fmt.Errorf("--output %q: want table or json", output)}
	}
	settings, err := offline.Settings(f.config, nil, f.sets)
	if err != nil {
		return err
	}
	start := time.Now()
	set, list, err := offline.CompileRules(files, settings)
	if err != nil {
		return err
	}
	out := checked{Files: len(files), Loaded: len(set.Rules()), Seconds: time.Since(start).Seconds(), Refused: []refused{}}
	for i := range list {
		r := &list[i]
		out.Refused = append(out.Refused, refused{r.File, r.Line, r.Column, r.SID, r.Problem, r.Mend})
		if output == "table" {
			fmt.Fprintln(c.OutOrStdout(), offline.RefusalText(r))
		}
	}
	if output == "json" {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		if err := e.Encode(out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.OutOrStdout(), "%d rules loaded, %d refused, in %.2f s\n", out.Loaded, len(list), out.Seconds)
	}
	if len(list) > 0 {
		return errUsage{fmt.Errorf("refused rules: %d", len(list))}
	}
	return nil
}

// keyword is a row of `rules keywords`.
type keyword struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	Family  string   `json:"family"`
	Use     string   `json:"use"`
	Doc     string   `json:"doc"`
	Refused bool     `json:"refused,omitempty"`
}

func rulesKeywordsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{Use: "keywords", Short: "List every keyword that rules may use", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var list []keyword
			for _, k := range rule.Keywords(all.Specs()) {
				list = append(list, keyword{k.Name, k.Aliases, k.Family, k.Use, k.Doc, k.Refused})
			}
			return writeKeywords(c.OutOrStdout(), output, list)
		}}
	c.Flags().StringVarP(&output, "output", "o", "table", "table, json, yaml, csv or markdown (docs/RULES.md)")
	return c
}

func writeKeywords(w io.Writer, output string, list []keyword) error {
	switch output {
	case "table":
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "FAMILY\tKEYWORD\tWHAT IT IS")
		for _, k := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\n", k.Family, k.Use, k.Doc)
		}
		return t.Flush()
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(list)
	case "yaml":
		b, err := yaml.Dump(list)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "csv":
		c := csv.NewWriter(w)
		rows := [][]string{{"name", "aliases", "family", "use", "doc", "refused"}}
		for _, k := range list {
			rows = append(rows, []string{k.Name, strings.Join(k.Aliases, " "), k.Family, k.Use, k.Doc, fmt.Sprint(k.Refused)})
		}
		return c.WriteAll(rows)
	case "markdown":
		_, err := w.Write(rule.Document(all.Specs()))
		return err
	}
	return errUsage{fmt.Errorf("--output %q: want table, json, yaml, csv or markdown", output)}
}

func rulesBenchCommand() *cobra.Command {
	var f engineFlags
	var capture, rules, output string
	var runs int
	var sums bool
	c := &cobra.Command{
		Use:   "bench -r CAPTURE [-S RULES] [FILTER]",
		Short: "Measure how fast the engine inspects a capture with rules, on one core",
		Long: "Measure how fast the engine inspects a capture with rules, on one core. The capture is held\n" +
			"in memory; reading it and loading the rules are not part of the rate.",
		RunE: func(c *cobra.Command, args []string) error {
			if capture == "" || runs < 1 || output != "table" && output != "json" {
				return errUsage{fmt.Errorf("%s: give -r CAPTURE, at least one run, and table or json as --output", c.CommandPath())}
			}
			q := offline.Request{Capture: capture, Config: f.config, Set: f.sets, NoChecksums: !sums, Filter: strings.Join(args, " "),
				Warn: func(format string, a ...any) { fmt.Fprintf(c.ErrOrStderr(), "masugata-gate: "+format+"\n", a...) }}
			if rules != "" {
				q.Rules = strings.Split(rules, ",")
			}
			m, err := offline.Bench(c.Context(), q, runs)
			if err != nil {
				return err
			}
			return writeMeasured(c.OutOrStdout(), output, m)
		},
	}
	f.add(c)
	fl := c.Flags()
	fl.StringVarP(&capture, "read", "r", "", "capture file")
	fl.StringVarP(&rules, "rules", "S", "", "rule files, comma-separated")
	fl.IntVarP(&runs, "runs", "n", 3, "how often the capture is inspected")
	fl.BoolVar(&sums, "checksums", false, "verify checksums")
	fl.StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func writeMeasured(w io.Writer, output string, m *offline.Measured) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	row("rules", "%d loaded, %d refused, in %.2f s", m.Rules, m.Refused, m.Load.Seconds())
	row("memory", "%.1f MB rules, %.1f MB rules and engine", float64(m.RuleMemory)/1e6, float64(m.Memory)/1e6)
	row("capture", "%d packets, %.1f MB, %d alerts", m.Packets, float64(m.Bytes)/1e6, m.Alerts)
	for i, r := range m.Runs {
		row(fmt.Sprintf("run %d", i+1), "%.3f Gbit/s", r)
	}
	row("median", "%.3f Gbit/s, %.0f packets/s on one core", m.Median, m.PerSecond)
	return t.Flush()
}
