package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/control"
	"github.com/masugata/masugata/internal/model"
)

// What makes this binary one of the processes instead of the test.
const (
	serveEnv      = "MASUGATA_CHAOS_SERVE"
	reporterEnv   = "MASUGATA_CHAOS_REPORTER"   // the reporter's folder
	generationEnv = "MASUGATA_CHAOS_GENERATION" // rises with each start
)

func TestMain(m *testing.M) {
	var err error
	switch dir := os.Getenv(reporterEnv); {
	case dir != "":
		err = runReporter(dir, os.Getenv(generationEnv))
	case os.Getenv(serveEnv) != "":
		err = serve(os.Args[1:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	fewKills  = 12
	manyKills = 1000
	agents    = 3
	// recovery is what may pass between a kill and the next acknowledgement
	// that a part notes. The longest pause of a part's client is 45 seconds.
	recovery = time.Minute
	longest  = 400 * time.Millisecond // pause before a kill
)

// TestKills is the promise of the event path, under SIGKILL.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute")
	}
	kills, seed := plan(t)
	t.Logf("%d kills, seed %d", kills, seed)
	c := &chaos{site: newSite(t), rng: rand.New(rand.NewPCG(seed, 0)), kills: kills, began: time.Now()}
	c.firstStarts(max(kills/50, 2))
	c.enroll(model.RoleGate)
	for range agents {
		c.enroll(model.RoleAgent)
	}
	for c.made < kills {
		c.round()
	}
	t.Logf("%d kills in %v, of them %d of the control plane; draining", c.made, time.Since(c.began).Round(time.Second), c.control.kills)
	c.allAlive()
	c.drain()
	c.check()
}

func plan(t *testing.T) (kills int, seed uint64) {
	kills, seed = fewKills, uint64(time.Now().UnixNano())
	if os.Getenv("MASUGATA_LONG") != "" {
		kills = manyKills
	}
	for _, v := range []struct {
		name string
		set  func(n uint64)
	}{{"MASUGATA_KILLS", func(n uint64) { kills = int(n) }}, {"MASUGATA_SEED", func(n uint64) { seed = n }}} {
		text := os.Getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		v.set(n)
	}
	return kills, seed
}

// chaos is a site that processes are killed in.
type chaos struct {
	*site
	rng         *rand.Rand
	kills, made int
	began       time.Time
}

// firstStarts kills the control plane n times while it makes its keys and
// stores, and then leaves it running.
func (c *chaos) firstStarts(n int) {
	for range n {
		c.control.run()
		c.pause(2 * longest)
		c.control.kill()
		c.made++
	}
	c.control.run()
	c.healthy()
}

// round kills one process at a random moment and starts it again at once. In
// one round of four the moment may lie before the system has recovered from
// the kill before.
func (c *chaos) round() {
	if c.rng.IntN(4) > 0 {
		c.progress()
	}
	c.pause(longest)
	victim := c.control
	if c.rng.IntN(5) > 1 {
		victim = c.parts[c.rng.IntN(len(c.parts))]
	}
	victim.kill()
	c.made++
	victim.run()
	c.allAlive()
	if c.made%100 == 0 {
		c.t.Logf("%d kills, %v, %d events acknowledged", c.made, time.Since(c.began).Round(time.Second), c.allAcked())
	}
}

// progress waits until every part sees events acknowledged.
func (c *chaos) progress() {
	for _, p := range c.parts {
		before := c.acked(p)
		c.eventually(p.name+" hears events acknowledged again after a kill", recovery, func() bool { return c.acked(p) > before })
	}
}

func (c *chaos) pause(most time.Duration) { time.Sleep(time.Duration(c.rng.Int64N(int64(most)))) }

// serve is `masugata serve` with this test's arguments.
func serve(args []string) error {
	root := &cobra.Command{Use: "masugata", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(control.Commands("chaos")...)
	root.SetArgs(args)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return root.ExecuteContext(ctx)
}
