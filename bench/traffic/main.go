// Command traffic writes capture files of realistic traffic for comparing
// inspection engines: browsing in the clear, a TLS-heavy mix, or that of a
// home full of devices. A share of the transactions is built out of the rules
// it is given, so that they truly fire. For one seed it writes the same flows
// in the same order; only the keys and random numbers of TLS, which crypto/tls
// draws itself, differ from run to run. Developers run it by hand.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "traffic:", err)
		os.Exit(1)
	}
}

func run() error {
	var p plan
	flag.StringVar(&p.Mix, "mix", "http", "what to write: http, tls or iot")
	rules := flag.String("rules", "", "folder of *.rules files to build triggers from")
	flag.Uint64Var(&p.Seed, "seed", 1, "seed of all choices")
	size := flag.Int64("size", 50, "size of the capture in MB")
	flag.Float64Var(&p.Trigger, "trigger", 0.003, "share of transactions that fire a rule")
	flag.Float64Var(&p.Rate, "rate", 200, "Mbit/s of capture time")
	out := flag.String("o", "traffic.pcap", "capture file; beside it FILE.json tells what was triggered")
	flag.Parse()
	p.Size = *size << 20
	if *rules != "" {
		list, skipped, err := loadTriggers(*rules)
		if err != nil {
			return err
		}
		p.triggers = list
		fmt.Fprintf(os.Stderr, "%d rules can be triggered, %d are not simple enough\n", len(list), skipped)
	}
	file, err := os.Create(*out)
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := p.write(file)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(*out, ".pcap")+".json", append(text, '\n'), 0o644)
}
