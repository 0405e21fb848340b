package reputation

import "sync"

// turns is a lock whose writers are short, and whose readers are short or long,
// such as those who look at all that is known. With a sync.RWMutex a writer that
// waits for a long reader has all later readers wait for both; here it waits
// before it is in anybody's way, and short readers never wait for long ones.
type turns struct {
	long  sync.RWMutex // taken first
	short sync.RWMutex
}

// Lock is for writers.
func (t *turns) Lock() {
	t.long.Lock()
	t.short.Lock()
}

// Unlock ends what Lock began.
func (t *turns) Unlock() {
	t.short.Unlock()
	t.long.Unlock()
}

// RLock is for short readers.
func (t *turns) RLock() { t.short.RLock() }

// RUnlock ends what RLock began.
func (t *turns) RUnlock() { t.short.RUnlock() }

// LongRLock is for long readers: writers wait, short readers do not.
func (t *turns) LongRLock() { t.long.RLock() }

// LongRUnlock ends what LongRLock began.
func (t *turns) LongRUnlock() { t.long.RUnlock() }
