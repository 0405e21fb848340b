// Package demo is the demonstration: it runs the real programs of Masugata in
// a lab, stages attacks with an agent, without one and with the control plane
// killed, measures from the bots' and the victim's own counts how fast and how
// well they were stopped and what ordinary traffic lost, and judges. The lab's
// commands and the end-to-end tests call it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/lab/desk"
	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/lab/traffic"
	"github.com/masugata/masugata/internal/model"
)

// Config says what is shown.
type Config struct {
	Lab     instance.Spec
	Bin     string // folder of the three programs
	Vectors []model.Vector
	Modes   []Mode
	Runs    int
	PPS     int           // of each device
	Attack  time.Duration // length of one attack
	Keep    bool          // leave all running
	Life    time.Duration // of the hosts, when kept
	Step    func(text string, done, all int)
	Rival   Rival // Compare only
}

// Outcome is what Run leaves behind.
type Outcome struct {
	Report
	Dashboard, Setup string // only when kept
}

type demo struct {
	Config
	lab     *instance.Lab
	product *Product
	report  Report
	next    int // victim address of the next attack
	done    int
	all     int
	settled time.Time // when the books of ordinary traffic were opened
	before  map[topology.Node]map[string]tally.Count
}

// Run goes through the demonstration. It returns an error only when it could
// not be carried out; what was not stopped is in the report.
func Run(ctx context.Context, c Config) (out *Outcome, err error) {
	start := time.Now()
	d := &demo{Config: c}
	d.all = 3 + len(c.Modes)*(c.Runs*len(c.Vectors)+1)
	d.step("building the home in network namespaces")
	if d.lab, err = instance.Up(ctx, c.Lab, instance.Options{Life: max(c.Life, 20*time.Minute)}); err != nil {
		return nil, err
	}
	defer func() {
		if !c.Keep || err != nil {
			err = errors.Join(err, d.lab.Down())
		}
	}()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	for _, m := range c.Modes {
		if err := d.mode(ctx, m); err != nil {
			return nil, fmt.Errorf("demonstration, mode %s: %w", m, err)
		}
	}
	if err := d.account(ctx); err != nil {
		return nil, err
	}
	out = &Outcome{Report: d.report}
	if c.Keep {
		if out.Dashboard, out.Setup, err = d.keep(ctx); err != nil {
			return nil, err
		}
	}
	out.Took = time.Since(start)
	return out, nil
}

func (d *demo) step(text string) {
	if d.Step != nil {
		d.Step(text, d.done, d.all)
	}
	d.done++
}

func (d *demo) start(ctx context.Context) error {
	var err error
	if d.product, err = NewProduct(d.lab, d.Bin); err != nil {
		return err
	}
	d.step("starting the control plane and enrolling the gate")
	if err := d.product.StartControl(ctx); err != nil {
		return err
	}
	if err := d.product.StartGate(ctx); err != nil {
		return err
	}
	if d.Modes[0] != WithoutAgent {
		if err := d.product.StartAgent(ctx); err != nil {
			return err
		}
	}
	d.step("ordinary traffic warms up")
	return d.warmUp(ctx)
}

// warmUp waits until for two whole seconds every kind of ordinary traffic
// flowed and lost nothing, and the speed test had two readings.
func (d *demo) warmUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	last, err := d.lab.Counts(ctx)
	if err != nil {
		return err
	}
	var trouble []Loss
	for good := 0; good < 2; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("ordinary traffic does not settle: %+v", trouble)
		case <-time.After(1500 * time.Millisecond):
		}
		now, err := d.lab.Counts(ctx)
		if err != nil {
			return err
		}
		good++
		for _, l := range d.losses(last, now) {
			if l.Bad() > 0 {
				good, trouble = 0, append(trouble, l)
			}
		}
		last, d.before = now, now
	}
	quiet := time.Now().Add(-3 * time.Second)
	for {
		r, err := d.speed(ctx)
		if err != nil {
			return err
		}
		if n := len(r); n > 0 && r[n-1].At.After(quiet.Add(2*time.Second)) {
			d.report.SpeedBefore = middle(r[n-1:])
			break
		}
		select {
		case <-ctx.Done():
			return errors.New("the speed test gives no reading")
		case <-time.After(100 * time.Millisecond):
		}
	}
	d.settled = time.Now()
	d.before, err = d.lab.Counts(ctx)
	return err
}

func (d *demo) speed(ctx context.Context) ([]traffic.Speed, error) {
	var r []traffic.Speed
	err := desk.Call(ctx, d.lab.SocketPath(string(topology.Laptop)), "GET", "/speed", nil, &r)
	return r, err
}

func middle(r []traffic.Speed) Speed {
	var down, up []float64
	for _, x := range r {
		down, up = append(down, x.DownMbit), append(up, x.UpMbit)
	}
	slices.Sort(down)
	slices.Sort(up)
	return Speed{DownMbit: down[len(down)/2], UpMbit: up[len(up)/2]}
}

func (d *demo) losses(before, after map[topology.Node]map[string]tally.Count) []Loss {
	var out []Loss
	for _, n := range instance.Roles() {
		delta := tally.Since(before[n], after[n])
		for _, kind := range sortedKeys(delta) {
			out = append(out, Loss{Host: n, Kind: kind, Count: delta[kind]})
		}
	}
	return out
}

func sortedKeys(m map[string]tally.Count) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// account takes the books of ordinary traffic from the warm-up to now. What is
// still under way is given the time to arrive or to fail.
func (d *demo) account(ctx context.Context) error {
	time.Sleep(2500 * time.Millisecond)
	after, err := d.lab.Counts(ctx)
	if err != nil {
		return err
	}
	d.report.Losses = d.losses(d.before, after)
	r, err := d.speed(ctx)
	if err != nil {
		return err
	}
	r = slices.DeleteFunc(r, func(x traffic.Speed) bool { return x.At.Before(d.settled) })
	if len(r) == 0 {
		return errors.New("the speed test gave no reading during the attacks")
	}
	d.report.SpeedDuring, d.report.SpeedLowest = middle(r), lowest(r)
	return nil
}

func lowest(r []traffic.Speed) Speed {
	low := Speed{DownMbit: r[0].DownMbit, UpMbit: r[0].UpMbit}
	for _, x := range r {
		low.DownMbit, low.UpMbit = min(low.DownMbit, x.DownMbit), min(low.UpMbit, x.UpMbit)
	}
	return low
}

// mode stages all attacks of one mode and waits until their blocks are gone.
func (d *demo) mode(ctx context.Context, m Mode) error {
	if err := d.enter(ctx, m); err != nil {
		return err
	}
	var staged []*stagedAttack
	for run := 1; run <= d.Runs; run++ {
		for _, v := range d.Vectors {
			d.step(fmt.Sprintf("%s: %s flood, run %d of %d", describe(m), v, run, d.Runs))
			s, err := d.attack(ctx, m, v, run)
			if err != nil {
				return err
			}
			staged = append(staged, s)
		}
	}
	d.step(describe(m) + ": blocks end by themselves")
	return d.leave(ctx, m, staged)
}

func describe(m Mode) string {
	return map[Mode]string{WithAgent: "with agent", WithoutAgent: "without agent", ControlDown: "control plane killed"}[m]
}

func (d *demo) enter(ctx context.Context, m Mode) error {
	hasAgent := d.lab.Find(AgentName) != nil
	switch {
	case m == WithoutAgent && hasAgent:
		return d.lab.Stop(AgentName, 3*time.Second)
	case m != WithoutAgent && !hasAgent:
		if err := d.product.StartAgent(ctx); err != nil {
			return err
		}
	}
	if m == ControlDown {
		return d.lab.Stop(ControlName, 0)
	}
	return nil
}

// leave reads what the parts told of the staged attacks. After a mode without
// the control plane it is started again: the parts then hand over what they
// kept.
func (d *demo) leave(ctx context.Context, m Mode, staged []*stagedAttack) error {
	patience := 15 * time.Second
	if m == ControlDown {
		if err := d.product.StartControl(ctx); err != nil {
			return err
		}
		patience = time.Minute // parts try again after up to 45 s
	}
	if err := d.await(ctx, staged, patience); err != nil {
		return err
	}
	if err := d.retire(ctx, staged); err != nil {
		return err
	}
	for _, s := range staged {
		d.report.Results = append(d.report.Results, s.results...)
	}
	return nil
}

func (d *demo) keep(ctx context.Context) (address, setup string, err error) {
	if address, setup, err = d.product.Dashboard(ctx, max(d.Life, time.Hour)); err != nil {
		return "", "", err
	}
	return address, setup, errors.Join(d.lab.Note("dashboard", address), d.lab.Note("set up the first user", setup))
}

// DefaultBin is the folder of the running program.
func DefaultBin() string {
	exe, err := os.Executable()
	if err != nil {
		return "bin"
	}
	return filepath.Dir(exe)
}

// stagedAttack is one attack and its results so far.
type stagedAttack struct {
	staging.Attack
	results []Result
	end     time.Time
}
