package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
)

// starter runs the generator with the given input and gives its output; wait
// ends when it has ended.
type starter func(ctx context.Context, o agentsOptions, in io.Reader, out io.Writer) error

// ownProcess runs the generator as a process of this program.
func ownProcess(ctx context.Context, o agentsOptions, in io.Reader, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", "agents", "--endpoint", o.Endpoint, "--rate", fmt.Sprint(o.Rate),
		"--duration", o.Duration.String(), "--devices", fmt.Sprint(o.Devices), "--every", o.Every.String(), "--profile", o.Profile)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("bench agents: %w", err)
	}
	return nil
}

// Ingest runs the bench and tells on w how it goes.
func Ingest(ctx context.Context, o Options, w io.Writer) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Agents == nil {
		o.Agents = ownProcess
	}
	dir, remove, err := dataFolder(o.Data)
	if err != nil {
		return nil, err
	}
	defer remove()
	log := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p, err := openPlane(ctx, dir, log)
	if err != nil {
		return nil, err
	}
	defer p.close()
	stop, err := startProfile(o.Profile, "control")
	if err != nil {
		return nil, err
	}
	r, err := measure(ctx, o, p, w)
	stop()
	if err != nil {
		return nil, err
	}
	return r, ask(ctx, o, p, r)
}

func dataFolder(data string) (dir string, remove func(), err error) {
	if data != "" {
		return data, func() {}, os.MkdirAll(data, 0o700)
	}
	dir, err = os.MkdirTemp("", "masugata-bench-")
	if err != nil {
		return "", nil, fmt.Errorf("bench: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// measure lets the agents report and waits until all is stored.
func measure(ctx context.Context, o Options, p *plane, w io.Writer) (*Report, error) {
	before, err := p.store.Count(ctx, query.Query{})
	if err != nil {
		return nil, err
	}
	usageBefore, err := p.store.Usage(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Options: o, Machine: machine()}
	if err := watchAgents(ctx, o, p, r, w); err != nil {
		return nil, err
	}
	drained := time.Now()
	if err := p.drain(ctx); err != nil {
		return nil, err
	}
	r.Drain = time.Since(drained)
	r.Control = difference(ownUse(), r.controlBefore)
	r.Pipeline = p.stats()
	after, err := p.store.Count(ctx, query.Query{})
	if err != nil {
		return nil, err
	}
	usage, err := p.store.Usage(ctx)
	if err != nil {
		return nil, err
	}
	r.Stored = after - before
	r.DiskBytes = usage.Bytes - usageBefore.Bytes
	return r, nil
}

func difference(now, before use) use { return use{CPU: now.CPU - before.CPU, Peak: now.Peak} }

// watchAgents runs the generator and notes what it says.
func watchAgents(ctx context.Context, o Options, p *plane, r *Report, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := o.Agents(ctx, agentsOptions{Endpoint: p.ln.Addr().String(), Rate: o.Rate, Duration: o.Duration, Devices: o.Devices, Every: o.Every, Profile: o.Profile}, inRead, outWrite)
		ended <- err
		_ = outWrite.Close()
		_ = inRead.CloseWithError(errors.New("the agents have ended"))
	}()
	if err := json.NewEncoder(inWrite).Encode(invitation{CA: p.ca.DER(), Token: p.token.Text()}); err != nil {
		return errors.Join(fmt.Errorf("bench: %w", err), <-ended)
	}
	_ = inWrite.Close()
	lines := json.NewDecoder(outRead)
	searches := newSearcher(o, p)
	for n := 0; ; n++ {
		var now progress
		if err := lines.Decode(&now); err != nil {
			return errors.Join(fmt.Errorf("bench: the agents ended early: %w", err), <-ended)
		}
		if n == 0 {
			r.controlBefore = ownUse()
			searches.start(ctx)
		}
		if now.Done {
			r.Elapsed = time.Since(now.Began)
			r.Acked, r.Late, r.Retried, r.Agents = now.Acked, now.Late, now.Retried, now.Use
			r.StoredAtEnd = p.stats().Events
			r.Searches = searches.end()
			return <-ended
		}
		if n%10 == 0 && n > 0 {
			tell(ctx, w, p, &now)
		}
	}
}

func tell(ctx context.Context, w io.Writer, p *plane, now *progress) {
	elapsed := time.Since(now.Began)
	waiting, _ := p.bus.Usage(ctx)
	_, _ = fmt.Fprintf(w, "%6s  %9.0f events/s acknowledged  %11d stored  %7.1f MiB on the bus  %5.0f MiB resident\n",
		elapsed.Round(time.Second), float64(now.Acked)/elapsed.Seconds(), p.stats().Events, float64(waiting.Bytes)/(1<<20), float64(ownUse().Peak)/(1<<20))
}

// ask times the three questions on the stored events.
func ask(ctx context.Context, o Options, p *plane, r *Report) error {
	device := string(deviceID(o.Devices / 2))
	u, err := p.store.Usage(ctx)
	if err != nil {
		return err
	}
	r.Rows = u.Events
	step := max(u.Newest.Sub(u.Oldest)/60, time.Second)
	for _, q := range []struct {
		name string
		run  func() error
	}{
		{"count by severity over time, 60 steps", func() error {
			_, err := p.store.Histogram(ctx, query.Query{}, u.Oldest, u.Newest, step, query.FieldSeverity)
			return err
		}},
		{"top 20 devices of one rule", func() error {
			top, err := p.store.Top(ctx, query.MustParse("rule:"+searchedRule), query.FieldDevice, 20)
			if err == nil && len(top) == 0 {
				err = errors.New("bench: no device has the rule")
			}
			return err
		}},
		{"last 100 events of one device with a word", func() error {
			_, _, err := p.store.Search(ctx, query.MustParse("device:"+device+" "+searchedWord), 100, "")
			return err
		}},
		{"last 100 events of one device with a word that none has", func() error {
			found, _, err := p.store.Search(ctx, query.MustParse("device:"+device+" nosuchword"), 100, "")
			if err == nil && len(found) > 0 {
				err = errors.New("bench: a word is found that no event has")
			}
			return err
		}},
		{"newest 100 events", func() error {
			_, _, err := p.store.Search(ctx, query.Query{}, 100, "")
			return err
		}},
	} {
		t, err := timed(q.name, q.run)
		if err != nil {
			return err
		}
		r.Queries = append(r.Queries, t)
	}
	if !o.Full {
		return nil
	}
	t, err := timed("export of one device as Parquet", func() error {
		return p.store.Export(ctx, query.MustParse("device:"+device), io.Discard)
	})
	r.Queries = append(r.Queries, t)
	return err
}

// Timing is how long a question took, the first time and at best of five.
type Timing struct {
	Name        string
	First, Best time.Duration
}

func timed(name string, run func() error) (Timing, error) {
	t := Timing{Name: name, Best: time.Hour}
	for i := range 5 {
		began := time.Now()
		if err := run(); err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
		took := time.Since(began)
		if i == 0 {
			t.First = took
		}
		t.Best = min(t.Best, took)
	}
	return t, nil
}
