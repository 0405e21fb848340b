// Package staging puts attacks on: it plants the bot on the lab's devices,
// watches the victim, and reads back what was sent and what arrived. It knows
// the lab and the attack tools, not what stops them; the lab's commands and
// the demonstration call it.
package staging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/desk"
	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/lab/victim"
	"github.com/masugata/masugata/internal/model"
)

// BotProgram is the bot as a program of its own; where it is not beside the
// lab's program, a copy of the lab's program plays the bot.
const BotProgram = "masugata-lab-bot"

// Attack is one attack by one or more devices on one target.
type Attack struct {
	Vector   model.Vector
	Target   netip.Addr
	PPS      int // of each device
	Duration time.Duration
	Devices  []topology.Node
	Stagger  time.Duration // each device begins this much after the one before
}

// Mark is the mark a device's attack packets carry.
func Mark(n topology.Node) uint8 {
	return map[topology.Node]uint8{topology.CameraA: 1, topology.CameraB: 2}[n]
}

// Running is an attack under way.
type Running struct {
	Attack
	lab  *instance.Lab
	logs map[topology.Node]string
	done chan error
}

// Outcome is what one device's bot sent and what of it arrived.
type Outcome struct {
	Sent    *attack.Log
	Arrived victim.Arrivals
}

// Start begins the attack and returns; Wait gives its end.
func Start(ctx context.Context, l *instance.Lab, a Attack) (*Running, error) {
	if len(a.Devices) == 0 {
		return nil, errors.New("attack: no devices named")
	}
	if err := desk.Call(ctx, l.SocketPath(string(topology.Victim)), "POST", "/watch?target="+url.QueryEscape(a.Target.String()), nil, nil); err != nil {
		return nil, fmt.Errorf("attack: watch the victim: %w", err)
	}
	r := &Running{Attack: a, lab: l, logs: map[topology.Node]string{}, done: make(chan error, len(a.Devices))}
	var programs []instance.Program
	for _, n := range a.Devices {
		p, err := r.plant(n)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	for i, p := range programs {
		go func() { r.done <- r.run(ctx, p, time.Duration(i)*a.Stagger) }()
	}
	return r, nil
}

// plant puts the bot's program on a device, as malware would: hidden, under a
// name that says nothing.
func (r *Running) plant(n topology.Node) (instance.Program, error) {
	dir, err := r.lab.HostDir(n, "tmp")
	if err != nil {
		return instance.Program{}, err
	}
	path := filepath.Join(dir, ".x")
	var own []string
	from := filepath.Join(filepath.Dir(r.lab.Exe), BotProgram)
	if _, err := os.Stat(from); err != nil {
		from, own = r.lab.Exe, []string{"lab", "role", "bot"}
	}
	if err := copyOnce(from, path); err != nil {
		return instance.Program{}, fmt.Errorf("attack: plant the bot: %w", err)
	}
	r.logs[n] = filepath.Join(dir, fmt.Sprintf("%s-%d.log", r.Vector, time.Now().UnixNano()))
	o := attack.Order{Vector: r.Vector, Target: r.Target, Device: Mark(n), PPS: r.PPS, Duration: r.Duration, Permit: r.lab.PermitPath(), Log: r.logs[n]}
	argv := append([]string{path}, own...)
	return instance.Program{Name: "bot-" + string(n), Node: n, Argv: append(argv, o.Args()...)}, nil
}

func copyOnce(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if old, err := os.Stat(to); err == nil && old.Size() == info.Size() && !old.ModTime().Before(info.ModTime()) {
		return nil
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

func (r *Running) run(ctx context.Context, p instance.Program, after time.Duration) error {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := r.lab.Start(p); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, r.Duration+5*time.Second)
	defer cancel()
	err := r.lab.Wait(limit, p.Name)
	return errors.Join(err, r.lab.Stop(p.Name, 0))
}

// Begun waits for the first attack packet of a device.
func (r *Running) Begun(ctx context.Context, n topology.Node) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		if l, err := attack.ReadLog(r.logs[n]); err == nil && l.Sent > 0 {
			return l.First, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("attack: the bot of %s sends nothing:\n%s", n, r.lab.Tail("bot-"+string(n), 500))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Wait waits until all bots have ended and gives what they sent and what
// arrived.
func (r *Running) Wait(ctx context.Context) (map[topology.Node]Outcome, error) {
	var errs []error
	for range r.Devices {
		errs = append(errs, <-r.done)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	time.Sleep(20 * time.Millisecond) // what is on its way, and the counter's ring
	var c victim.Count
	if err := desk.Call(ctx, r.lab.SocketPath(string(topology.Victim)), "GET", "/arrivals", nil, &c); err != nil {
		return nil, fmt.Errorf("attack: count at the victim: %w", err)
	}
	if c.Missed > 0 {
		return nil, fmt.Errorf("attack: the victim's counter missed %d packets; its count is not exact", c.Missed)
	}
	out := map[topology.Node]Outcome{}
	for _, n := range r.Devices {
		l, err := attack.ReadLog(r.logs[n])
		if err != nil || l.Sent == 0 {
			return nil, fmt.Errorf("attack: the bot of %s sent nothing: %w\n%s", n, err, r.lab.Tail("bot-"+string(n), 500))
		}
		o := Outcome{Sent: l}
		if a := c.Devices[Mark(n)]; a != nil {
			o.Arrived = *a
		}
		out[n] = o
		_ = os.Remove(r.logs[n]) // one log an attack would pile up
	}
	return out, nil
}
