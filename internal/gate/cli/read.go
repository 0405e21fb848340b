package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/packet/filter"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// readFlags are Suricata's flags that `read` takes.
type readFlags struct {
	capture, rules, out, config string
	checksums, runmode          string
	sets, more, include         []string
	ips, fatal, blind           bool
	profile                     string
	verbose                     int
	reputation                  []string
	score                       int
}

func readCommand() *cobra.Command {
	var f readFlags
	c := &cobra.Command{
		Use:   "read [flags] [CAPTURE] [FILTER]",
		Short: "Inspect a capture file with the engine that guards live traffic",
		Long: "Inspect a capture file (pcap, pcapng) with the engine that guards live traffic.\n\n" +
			"Without -l it prints a page: who talked to whom, protocols, alerts, files, names, odd\n" +
			"things. With -l it writes FOLDER/eve.json with Suricata's field names instead. The flags\n" +
			"are those of Suricata, so that existing tests and habits carry over.\n\n" +
			"FILTER is a small part of what tcpdump takes: host, net, port, portrange, src, dst, tcp,\n" +
			"udp, sctp, icmp, icmp6, ip, ip6, arp, vlan, and, or, not, parentheses. VLAN tags are\n" +
			"looked through; each fragment is judged by itself.",
		Example: "  masugata-gate read capture.pcap\n" +
			"  masugata-gate read capture.pcap -S home.rules 'host 192.0.2.7 and not port 443'\n" +
			"  masugata-gate read capture.pcap --reputation urlhaus.csv --reputation drop.txt\n" +
			"  masugata-gate read -r capture.pcap -S home.rules -l out -k none",
		RunE: func(c *cobra.Command, args []string) error { return read(c, f, args) },
	}
	fl := c.Flags()
	fl.StringVarP(&f.capture, "read", "r", "", "capture file (may also be given without a flag)")
	fl.StringVarP(&f.rules, "rules", "S", "", "rule file, used alone; several comma-separated")
	fl.StringVarP(&f.out, "out", "l", "", "folder for eve.json")
	fl.StringVarP(&f.config, "config", "c", "", "configuration in Suricata's YAML")
	fl.StringVarP(&f.checksums, "checksums", "k", "all", "all: packets with wrong checksums are left out; none: they are inspected")
	fl.StringArrayVar(&f.sets, "set", nil, "KEY=VALUE setting by Suricata's dotted name (repeatable)")
	fl.StringArrayVar(&f.reputation, "reputation", nil, "look for what this file lists: a list of addresses, names, URLs or hashes in any known format, or a signed set (repeatable)")
	fl.IntVar(&f.score, "reputation-score", reputation.DefaultBlock, "least score that counts: 50, 75 or 90")
	fl.BoolVar(&f.ips, "simulate-ips", false, "treat drop rules and streams as if inline")
	fl.StringArrayVarP(&f.more, "more-rules", "s", nil, "one more rule file (repeatable)")
	fl.StringArrayVar(&f.include, "include", nil, "one more configuration file, read after the first (repeatable)")
	fl.BoolVar(&f.fatal, "init-errors-fatal", false, "stop when a rule is refused")
	fl.BoolVar(&f.blind, "disable-detection", false, "load no rules: write records only")
	fl.StringVar(&f.runmode, "runmode", "single", "taken for Suricata's sake; there is one mode")
	fl.CountVarP(&f.verbose, "verbose", "v", "taken for Suricata's sake")
	fl.StringVar(&f.profile, "cpu-profile", "", "write a CPU profile in pprof's format to this file")
	fl.Lookup("cpu-profile").Hidden = true
	silent(fl)
	return c
}

// silent takes flags of Suricata that change nothing here, so that scripts
// written for it run as they are.
func silent(fl *pflag.FlagSet) {
	for _, name := range []string{"data-dir", "pcap-file-buffer-size", "strict-rule-keywords"} {
		fl.String(name, "", "taken for Suricata's sake")
		if name == "strict-rule-keywords" {
			fl.Lookup(name).NoOptDefVal = "all"
		}
		fl.Lookup(name).Hidden = true
	}
	for _, name := range []string{"pcap-file-continuous", "pcap-file-recursive"} {
		fl.Bool(name, false, "taken for Suricata's sake")
		fl.Lookup(name).Hidden = true
	}
}

func read(c *cobra.Command, f readFlags, args []string) error {
	if f.capture == "" && len(args) > 0 {
		f.capture, args = args[0], args[1:]
	}
	if f.capture == "" {
		return errUsage{fmt.Errorf("%s: give a capture file", c.CommandPath())}
	}
	q := offline.Request{
		Capture: f.capture, Out: f.out, Config: f.config, Set: f.sets, NoChecksums: f.checksums == "none", IPS: f.ips,
		Filter: strings.Join(args, " "),
		Warn:   func(format string, a ...any) { fmt.Fprintf(c.ErrOrStderr(), "masugata-gate: "+format+"\n", a...) },
	}
	if f.rules != "" {
		q.Rules = strings.Split(f.rules, ",")
	}
	if q.Rules = append(q.Rules, f.more...); f.blind {
		q.Rules = nil
	}
	q.Include = f.include
	if f.out == "" {
		q.Report = c.OutOrStdout()
	}
	if err := f.lists(&q); err != nil {
		return err
	}
	stop, err := profiled(f.profile)
	if err != nil {
		return err
	}
	defer stop()
	done := progress(&q, c.ErrOrStderr())
	res, err := offline.Run(c.Context(), q)
	done()
	var bad *filter.Error
	if errors.As(err, &bad) {
		return errUsage{err}
	}
	if err == nil && f.fatal && len(res.Refusals) > 0 {
		return fmt.Errorf("%d rules were refused", len(res.Refusals))
	}
	return err
}

// lists reads what is to be looked for.
func (f *readFlags) lists(q *offline.Request) (err error) {
	if f.score != 50 && f.score != 75 && f.score != 90 {
		return errUsage{fmt.Errorf("--reputation-score %d: want 50, 75 or 90", f.score)}
	}
	q.Least = edge.LeastTier(uint8(f.score))
	if len(f.reputation) > 0 {
		q.Listed, err = listed.ReadFiles(f.reputation, uint32(time.Now().Unix()), q.Warn)
	}
	return err
}

// profiled writes a CPU profile to a file ("" for none) until stop is called.
func profiled(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
