package gate

import (
	"errors"
	"testing"
	"time"
)

// TestBlocklistIsTriedAgain: a list that the data path did not take is written
// again after a while, without anything new.
func TestBlocklistIsTriedAgain(t *testing.T) {
	n := &narrow{room: 9, refuses: errors.New("no memory")}
	g := narrowGate(t, n)
	if err := g.setReputation(1, edgeSet(t, 1, time.Now().Add(time.Hour), map[string]uint8{"203.0.113.9/32": 80})); err == nil {
		t.Fatal("a refusal is no error")
	}
	n.refuses = nil
	try := func(now time.Time) int {
		g.mu.Lock()
		g.retryBlocklist(now)
		g.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		g.blocklist.writing.Lock()
		defer g.blocklist.writing.Unlock()
		return len(n.blocked)
	}
	if k := try(time.Now()); k != 0 {
		t.Errorf("tried again at once: %d", k)
	}
	if k := try(time.Now().Add(retryEvery)); k != 1 {
		t.Errorf("not tried again: %d", k)
	}
	if g.mu.Lock(); g.reputationMissing(time.Now()) != "" || !g.blocklist.failed.IsZero() {
		t.Error("it is said to be missing still")
	}
	g.mu.Unlock()
}
