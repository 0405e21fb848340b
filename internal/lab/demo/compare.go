package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// fastnetmonName is its process in the lab.
const fastnetmonName = "fastnetmon"

// fastnetmonConfig lets FastNetMon look at every packet before the gate; it
// knows only the victim. The threshold and the time it averages over are
// those of Debian's configuration, or quicker ones.
const fastnetmonConfig = `enable_ban = on
process_incoming_traffic = on
process_outgoing_traffic = off
networks_list_path = %[1]s/networks
white_list_path = %[1]s/whitelist
check_period = 1
ban_time = 1900
ban_for_pps = on
ban_for_bandwidth = off
ban_for_flows = off
threshold_pps = %[3]d
average_calculation_time = %[4]d
speed_calculation_delay = 1
ban_details_records_count = 20
enable_connection_tracking = off
mirror_afpacket = on
interfaces = %[2]s
notify_script_path = %[1]s/notify
monitor_local_ip_addresses = off
disable_usage_report = on
enable_api = off
prometheus = off
cli_stats_file_path = %[1]s/stats
cli_stats_ipv6_file_path = %[1]s/stats6
logging_level = info
`

// Rival says how FastNetMon is set.
type Rival struct {
	PPS     int // ban from so many packets a second; Debian's file says 20000
	Average int // averaged over so many seconds; Debian's file says 5
}

// Comparison is one flood seen by both in the same run.
type Comparison struct {
	Run     int           `json:"run"`
	Ours    Result        `json:"ours"`
	Ban     time.Duration `json:"fastnetmon_ban_ns"`
	Banned  bool          `json:"fastnetmon_banned"`
	Through uint64        `json:"through_until_ban"` // packets the bot had sent when FastNetMon banned
}

// compareAttack is long enough for both.
const compareAttack = 6 * time.Second

// Compare stages the same UDP flood for Masugata's gate and for FastNetMon,
// which sees every packet of it on the wire before the gate.
func Compare(ctx context.Context, c Config) (all []Comparison, err error) {
	program, err := exec.LookPath("fastnetmon")
	if err != nil {
		return nil, fmt.Errorf("compare: FastNetMon is not installed (apt-get install fastnetmon): %w", err)
	}
	c.Modes = []Mode{WithoutAgent}
	d := &demo{Config: c, all: 4 + c.Runs}
	d.step("building the home in network namespaces")
	if d.lab, err = instance.Up(ctx, c.Lab, instance.Options{Life: 20 * time.Minute}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.lab.Down()) }()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	d.step("starting FastNetMon")
	dir, err := d.startFastNetMon(ctx, program)
	if err != nil {
		return nil, err
	}
	for run := 1; run <= c.Runs; run++ {
		d.step(fmt.Sprintf("the same flood for both, run %d of %d", run, c.Runs))
		one, err := d.compare(ctx, run, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (d *demo) startFastNetMon(ctx context.Context, program string) (string, error) {
	dir, err := d.lab.HostDir(topology.Switch, "fastnetmon")
	if err != nil {
		return "", err
	}
	var networks strings.Builder
	for run := range d.Runs {
		fmt.Fprintln(&networks, netip.PrefixFrom(topology.VictimAddr(run), 32))
	}
	files := map[string]string{
		"conf":      fmt.Sprintf(fastnetmonConfig, dir, topology.SwitchUplink, d.Rival.PPS, d.Rival.Average),
		"networks":  networks.String(),
		"whitelist": "",
		"notify":    fmt.Sprintf("#!/bin/sh\necho \"$(date +%%s%%N) $1 $4\" >> %s/bans\ncat > /dev/null\n", dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return "", err
		}
	}
	argv := []string{program, "--configuration_file", filepath.Join(dir, "conf"), "--log_file", filepath.Join(dir, "log"), "--disable_pid_logic"}
	if _, err := d.lab.Start(instance.Program{Name: fastnetmonName, Node: topology.Switch, Argv: argv}); err != nil {
		return "", err
	}
	select {
	case <-time.After(4 * time.Second): // it tells nobody when it is ready
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if p := d.lab.Find(fastnetmonName); !p.Alive() {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", fmt.Errorf("FastNetMon ended:\n%s\n%s", d.lab.Tail(fastnetmonName, 500), text)
	}
	return dir, nil
}

func (d *demo) compare(ctx context.Context, run int, dir string) (Comparison, error) {
	// FastNetMon looks once a second: come at any moment of it.
	time.Sleep(rand.N(time.Second))
	target := topology.VictimAddr(d.next)
	d.next++
	a := staging.Attack{Vector: model.VectorUDP, Target: target, PPS: d.PPS, Duration: compareAttack, Devices: []topology.Node{topology.CameraB}}
	r, err := staging.Start(ctx, d.lab, a)
	if err != nil {
		return Comparison{}, err
	}
	out, err := r.Wait(ctx)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Run: run, Ours: Result{Mode: WithoutAgent, Vector: a.Vector, Run: run, Device: topology.CameraB}}
	o := out[topology.CameraB]
	c.Ours.judge(o)
	s := &stagedAttack{Attack: a, end: o.Sent.Last, results: []Result{c.Ours}}
	if err := d.await(ctx, []*stagedAttack{s}, 5*time.Second); err != nil {
		return c, err
	}
	c.Ours = s.results[0]
	at, err := banTime(filepath.Join(dir, "bans"), target)
	if err != nil {
		return c, err
	}
	if !at.IsZero() {
		c.Banned, c.Ban = true, at.Sub(o.Sent.First)
		c.Through = o.Sent.Sent - o.Sent.After(at)
	}
	return c, d.retire(ctx, []*stagedAttack{s})
}

// banTime reads what the notify script wrote: nanoseconds, address, action.
func banTime(path string, target netip.Addr) (time.Time, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) == 3 && w[1] == target.String() && w[2] == "ban" {
			ns, err := strconv.ParseInt(w[0], 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("%s: %w", path, err)
			}
			return time.Unix(0, ns), nil
		}
	}
	return time.Time{}, nil
}

// PrintComparison writes both side by side.
func PrintComparison(w io.Writer, all []Comparison) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tMASUGATA DETECTED\tMASUGATA BLOCKED\tPACKETS THROUGH\tFASTNETMON BAN\tPACKETS SENT UNTIL ITS BAN")
	for _, c := range all {
		ban, until := "none", "-"
		if c.Banned {
			ban, until = fmt.Sprintf("%d ms", c.Ban.Milliseconds()), fmt.Sprint(c.Through)
		}
		blocked := "not stopped"
		if c.Ours.Stopped {
			blocked = fmt.Sprintf("%d ms", c.Ours.Blocked.Milliseconds())
		}
		fmt.Fprintf(t, "%d\t%d ms\t%s\t%d\t%s\t%s\n", c.Run, c.Ours.Detected.Milliseconds(), blocked, c.Ours.Through, ban, until)
	}
	return t.Flush()
}
