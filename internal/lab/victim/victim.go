package victim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/internet"
)

// Arrivals are the attack packets of one device that reached one target.
type Arrivals struct {
	Packets uint64    `json:"packets"`
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	// Steps counts the packets in each attack.Step after First, while there
	// are fewer than maxSteps.
	Steps []uint32 `json:"steps"`
}

// maxSteps covers the longest attack.
const maxSteps = int(attack.MaxDuration/attack.Step) + 400

// After gives how many packets came at or after a moment.
func (a *Arrivals) After(t time.Time) uint64 {
	var n uint64
	for i := max(0, int(t.Sub(a.First)/attack.Step)); i < len(a.Steps); i++ {
		n += uint64(a.Steps[i])
	}
	return n
}

// Count is what came to one target since it was watched.
type Count struct {
	Target  netip.Addr          `json:"target"`
	Devices map[uint8]*Arrivals `json:"devices"` // by mark
	Missed  uint64              `json:"missed"`  // packets the counter itself could not read; 0 for an exact count
}

// Victim counts. It is safe for concurrent use.
type Victim struct {
	Port string                // the port that is counted on
	Home func(last byte) uint8 // gives a device's mark by the last byte of its address, 0 for none
	Log  *slog.Logger

	mu    sync.Mutex
	ring  *ring
	count Count
}

// Watch begins a new count of attack packets to a target.
func (v *Victim) Watch(target netip.Addr) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count = Count{Target: target, Devices: map[uint8]*Arrivals{}}
}

// Read gives a copy of the present count, of all that came before the call.
func (v *Victim) Read() (Count, error) {
	v.mu.Lock()
	r := v.ring
	v.mu.Unlock()
	if r == nil {
		return Count{}, errors.New("victim: not counting")
	}
	if err := r.settle(); err != nil {
		return Count{}, err
	}
	n, err := r.drops()
	if err != nil {
		return Count{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count.Missed += n
	c := v.count
	c.Devices = map[uint8]*Arrivals{}
	for mark, a := range v.count.Devices {
		b := *a
		b.Steps = append([]uint32(nil), a.Steps...)
		c.Devices[mark] = &b
	}
	return c, nil
}

// Run counts and answers until ctx ends. ready is called when the count is on.
func (v *Victim) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := openRing(v.Port)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.ring = r
	v.mu.Unlock()
	errs := make(chan error, 3)
	go func() {
		errs <- internet.ServeDNS(ctx, netip.MustParseAddrPort("0.0.0.0:53"), netip.MustParseAddr("203.0.113.100"))
	}()
	go func() {
		errs <- internet.ServeHTTP(ctx, netip.MustParseAddrPort("[::]:80"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "the victim's page")
		}))
	}()
	go func() { errs <- r.read(ctx, v.packet) }()
	ready()
	var first error
	for range 3 {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ring = nil
	if err := r.close(); err != nil && first == nil {
		first = err
	}
	return first
}

func (v *Victim) packet(ip []byte, at time.Time) {
	mark := attack.Mark(ip, v.Home)
	if mark == 0 {
		return
	}
	dst, ok := destination(ip)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !ok || dst != v.count.Target {
		return
	}
	a := v.count.Devices[mark]
	if a == nil {
		a = &Arrivals{First: at}
		v.count.Devices[mark] = a
	}
	a.Packets++
	a.Last = at
	i := max(0, int(at.Sub(a.First)/attack.Step))
	if i >= maxSteps {
		return
	}
	for len(a.Steps) <= i {
		a.Steps = append(a.Steps, 0)
	}
	a.Steps[i]++
}

func destination(ip []byte) (netip.Addr, bool) {
	if len(ip) >= 20 && ip[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(ip[16:20])), true
	}
	if len(ip) >= 40 && ip[0]>>4 == 6 {
		return netip.AddrFrom16([16]byte(ip[24:40])), true
	}
	return netip.Addr{}, false
}
