package reputation

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestTurns: a writer waits for a long reader, and meanwhile short readers go on.
func TestTurns(t *testing.T) {
	var lock turns
	lock.LongRLock()
	var written atomic.Bool
	done := make(chan struct{})
	go func() {
		lock.Lock()
		written.Store(true)
		lock.Unlock()
		close(done)
	}()
	time.Sleep(20 * time.Millisecond) // the writer waits
	read := make(chan struct{})
	go func() {
		lock.RLock()
		defer lock.RUnlock()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Fatal("a reader waits behind a writer that waits for a long reader")
	}
	if written.Load() {
		t.Error("it is written while somebody reads")
	}
	lock.LongRUnlock()
	<-done
	lock.RLock()
	go lock.Lock()
	time.Sleep(20 * time.Millisecond)
	if lock.short.TryLock() {
		t.Error("it is written while somebody reads for a short time")
	}
	lock.RUnlock()
}
