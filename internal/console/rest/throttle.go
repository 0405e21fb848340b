package rest

import (
	"net/netip"
	"sync"
	"time"
)

// throttle slows the guessing of secrets down. It counts each attempt before
// it is checked, so that attempts made at once do not slip through, and takes
// the count back when the secret was right. Two counts are kept: of a name
// from an address, and of an address with all names. The names known to the
// store and all others are treated alike.
type throttle struct {
	mu    sync.Mutex
	tries map[throttleKey]*tries
}

type throttleKey struct{ user, address string }

type tries struct {
	count int
	until time.Time // no attempt is checked before
	last  time.Time
}

const (
	freePerUser    = 5  // attempts without waiting, of a name from an address
	freePerAddress = 20 // and of an address with all names
	longestWait    = 15 * time.Minute
	maxThrottled   = 20_000
)

// strangersPerMinute is how many lines of the audit trail those write together
// who are not signed in.
const strangersPerMinute = 60

// allowance lets so many things happen a minute and counts those it held back.
type allowance struct {
	most int

	mu     sync.Mutex
	minute time.Time
	used   int
	missed int
}

// allow says whether one more may happen, and how many were held back since
// the last one that might.
func (a *allowance) allow(now time.Time) (ok bool, missed int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := now.Truncate(time.Minute); !m.Equal(a.minute) {
		a.minute, a.used = m, 0
	}
	if a.used >= a.most {
		a.missed++
		return false, 0
	}
	missed, a.missed = a.missed, 0
	a.used++
	return true, missed
}

// neighbourhood is what counts as one address: of IPv6, where whoever has one
// has 2^64 of them, the /64.
func neighbourhood(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func newThrottle() *throttle { return &throttle{tries: map[throttleKey]*tries{}} }

// take counts an attempt, or says how long the caller has to wait first.
func (t *throttle) take(user, address string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	address = neighbourhood(address)
	own, all := t.at(throttleKey{user, address}, now), t.at(throttleKey{"", address}, now)
	if wait := max(own.until.Sub(now), all.until.Sub(now)); wait > 0 {
		return wait
	}
	own.add(freePerUser, now)
	all.add(freePerAddress, now)
	return 0
}

// succeeded forgets the attempts of a name from an address.
func (t *throttle) succeeded(user, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	address = neighbourhood(address)
	delete(t.tries, throttleKey{user, address})
	if all := t.tries[throttleKey{"", address}]; all != nil && all.count > 0 {
		all.count--
		all.until = time.Time{}
	}
}

func (t *throttle) at(k throttleKey, now time.Time) *tries {
	e := t.tries[k]
	if e == nil {
		t.makeRoom(now)
		e = &tries{}
		t.tries[k] = e
	}
	if now.Sub(e.last) > longestWait {
		*e = tries{}
	}
	return e
}

// makeRoom keeps the table within its bound: old entries go, and if most are
// fresh, any tenth of them, so that a full table is not looked through with
// each attempt.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.tries) < maxThrottled {
		return
	}
	for k, e := range t.tries {
		if now.Sub(e.last) > longestWait {
			delete(t.tries, k)
		}
	}
	for k := range t.tries {
		if len(t.tries) < maxThrottled*9/10 {
			return
		}
		delete(t.tries, k)
	}
}

func (e *tries) add(free int, now time.Time) {
	e.count++
	e.last = now
	over := e.count - free
	if over < 0 {
		return
	}
	e.until = now.Add(min(time.Second<<min(over, 20), longestWait))
}

// crowd counts who is inside at once. Its zero value is ready, and safe for
// concurrent use.
type crowd struct {
	mu     sync.Mutex
	inside map[string]int
}

// enter lets somebody in unless partnerAtOnce of the name are inside; leave is
// to be called once, also by those who were not let in.
func (c *crowd) enter(name string) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside[name] >= partnerAtOnce {
		return func() {}, false
	}
	if c.inside == nil {
		c.inside = map[string]int{}
	}
	c.inside[name]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.inside[name]--; c.inside[name] <= 0 {
			delete(c.inside, name)
		}
	}, true
}
