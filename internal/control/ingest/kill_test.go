package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/duckdb"
)

// TestKill kills a process with bus, pipeline and store with SIGKILL again and
// again while parts report to it, and then counts: every batch that was
// acknowledged is in the store, whole and once. MASUGATA_KILLS says how often;
// default 6, and 1,000 with MASUGATA_LONG (make test-long).
func TestKill(t *testing.T) {
	if dir := os.Getenv("MASUGATA_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	kills := 6
	if os.Getenv("MASUGATA_LONG") != "" {
		kills = 1000
	}
	if n, err := strconv.Atoi(os.Getenv("MASUGATA_KILLS")); err == nil {
		kills = n
	}
	perDay := max(kills/10, 4) // the store's clock goes on to a new day then
	dir := t.TempDir()
	fleet := newFleet(8)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for i := range kills {
		c := startChild(t, dir, i/perDay)
		fleet.report(c, time.Duration(100+rng.IntN(900))*time.Millisecond)
		c.kill(t)
	}
	c := startChild(t, dir, kills/perDay)
	fleet.report(c, 500*time.Millisecond)
	fleet.drain(t, c)
	c.kill(t)
	fleet.check(t, dir, kills/perDay)
}

func clockAhead(days int) func() time.Time {
	return func() time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour) }
}

func openAll(dir string, days int) (*bus.Bus, *duckdb.Store, error) {
	s, err := openStore(dir, days)
	if err != nil {
		return nil, nil, err
	}
	b, err := bus.Open(context.Background(), bus.Config{Dir: filepath.Join(dir, "bus"), Shards: 2, Log: stderrLog()})
	return b, s, err
}

func openStore(dir string, days int) (*duckdb.Store, error) {
	return duckdb.Open(context.Background(), duckdb.Config{Dir: filepath.Join(dir, "events"), Now: clockAhead(days), MemoryLimit: 128 << 20, Log: stderrLog()})
}

// child answers each line "PART SEQ EVENTS" with "PART SEQ" once the batch is
// durable, until it is killed.
func child(dir string) {
	days, _ := strconv.Atoi(os.Getenv("MASUGATA_TEST_DAYS"))
	b, s, err := openAll(dir, days)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for shard := range b.Shards() {
		p, err := New(Config{Source: b.Consumer(shard), Sink: s, MaxEvents: 3000, MinAge: 10 * time.Millisecond, MaxAge: 100 * time.Millisecond, Log: stderrLog()})
		if err != nil {
			panic(err)
		}
		go func() { _ = p.Run(context.Background()) }()
	}
	var mu sync.Mutex
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var part string
		var seq uint64
		var events int
		if _, err := fmt.Sscan(in.Text(), &part, &seq, &events); err != nil {
			panic(err)
		}
		go func() {
			batch := bus.Batch{Part: model.PartID(part), Epoch: 5, Seq: seq, Received: time.Now()}
			for i := range events {
				batch.Events = wire.AppendBatchEvent(batch.Events, numbered(part, seq, i))
			}
			if err := b.Aggregator().Publish(context.Background(), batch); err != nil {
				fmt.Fprintln(os.Stderr, "publish:", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Printf("ack %s %d\n", part, seq)
		}()
	}
}

type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	acks chan string // closed when the process is gone
}

func startChild(t *testing.T, dir string, days int) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "MASUGATA_TEST_CHILD="+dir, "MASUGATA_TEST_DAYS="+strconv.Itoa(days))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, in: in, acks: make(chan string, 1000)}
	go func() {
		defer close(p.acks)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if ack, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
				p.acks <- ack
			}
		}
	}()
	return p
}

// kill ends the process and takes in the answers it still gave.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range p.acks {
		// An acknowledgement that nobody took in: the batch is sent again.
	}
	_ = p.cmd.Wait()
}

// fleet plays the parts: each has one batch under way and sends it again, the
// same, until it is acknowledged.
type fleet struct {
	rng   *rand.Rand
	parts map[string]*part
	acked uint64 // events
}

type part struct {
	seq    uint64
	events []int // of each batch, by seq-1
}

func newFleet(n int) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(1, 2)), parts: map[string]*part{}}
	for i := range n {
		f.parts[fmt.Sprintf("agent-%d", i)] = &part{}
	}
	return f
}

func (f *fleet) send(c *process, name string) {
	p := f.parts[name]
	if int(p.seq) == len(p.events) { // the last one is acknowledged: a new one
		p.events = append(p.events, 1+f.rng.IntN(300))
	}
	// A write to a dead process fails; then there is no answer either.
	_, _ = fmt.Fprintf(c.in, "%s %d %d\n", name, p.seq+1, p.events[p.seq])
}

// report lets all parts report for a while.
func (f *fleet) report(c *process, d time.Duration) {
	for name := range f.parts {
		f.send(c, name)
	}
	end := time.After(d)
	for {
		select {
		case <-end:
			return
		case ack, ok := <-c.acks:
			if !ok {
				return
			}
			if name, isNew := f.take(ack); isNew {
				f.send(c, name)
			}
		}
	}
}

func (f *fleet) take(ack string) (name string, isNew bool) {
	name, text, _ := strings.Cut(ack, " ")
	seq, _ := strconv.ParseUint(text, 10, 64)
	p := f.parts[name]
	if seq != p.seq+1 {
		return name, false
	}
	p.seq = seq
	f.acked += uint64(p.events[seq-1])
	return name, true
}

// drain waits until every batch that was sent is acknowledged.
func (f *fleet) drain(t *testing.T, c *process) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		open := 0
		for _, p := range f.parts {
			open += len(p.events) - int(p.seq)
		}
		if open == 0 {
			return
		}
		select {
		case ack, ok := <-c.acks:
			if !ok {
				t.Fatal("the process ended by itself")
			}
			f.take(ack)
		case <-deadline:
			t.Fatalf("%d batches are never acknowledged", open)
		}
	}
}

// check lets a last pipeline take in what waits on the bus, and counts.
func (f *fleet) check(t *testing.T, dir string, days int) {
	t.Helper()
	b, s, err := openAll(dir, days)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for shard := range b.Shards() {
		p, err := New(Config{Source: b.Consumer(shard), Sink: s, Log: logTo(t)})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = p.Run(ctx) }()
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		u, err := b.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if u.Messages == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still on the bus: %+v", u)
		}
	}
	f.compare(t, s)
}

func (f *fleet) compare(t *testing.T, s *duckdb.Store) {
	t.Helper()
	times := map[string]int{}
	var before event.Cursor
	for {
		page, next, err := s.Search(t.Context(), query.Query{}, event.MaxSearch, before)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			times[e.Subject]++
		}
		if before = next; next == "" {
			break
		}
	}
	lost, twice := 0, 0
	for name, p := range f.parts {
		for i, events := range p.events {
			for k := range events {
				switch n := times[fmt.Sprintf("%s/%d/%d", name, i+1, k)]; {
				case n == 0:
					lost++
				case n > 1:
					twice++
				}
			}
		}
	}
	if lost > 0 || twice > 0 || uint64(len(times)) != f.acked {
		t.Errorf("%d events acknowledged, %d stored, %d lost, %d stored twice", f.acked, len(times), lost, twice)
	}
	t.Logf("%d events acknowledged and stored once", f.acked)
}
