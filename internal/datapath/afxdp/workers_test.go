package afxdp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/datapath/xdp"
)

// shares notes which worker saw which inside address.
type shares struct {
	mu   sync.Mutex
	seen map[netip.Addr]map[int]int // address, worker: frames
}

// share is the judge of one worker.
type share struct {
	*shares
	number int
}

func (s share) Judge(side datapath.Side, frame []byte) []byte {
	if len(frame) < 34 || frame[12] != 8 || frame[13] != 0 {
		return frame
	}
	inside := addr(frame[26:30])
	if side == datapath.Outside {
		inside = addr(frame[30:34])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[inside] == nil {
		s.seen[inside] = make(map[int]int)
	}
	s.seen[inside][s.number]++
	return frame
}

// TestWorkersShareByInsideAddress: on ports of several queues, all frames cross,
// and both directions of an inside address go to one worker.
func TestWorkersShareByInsideAddress(t *testing.T) {
	const workers, addresses = 3, 24
	for _, generic := range []bool{false, true} {
		t.Run(fmt.Sprintf("generic=%v", generic), func(t *testing.T) {
			rig := contract.NewRigOf(t, 2)
			dir := t.TempDir()
			d, err := xdp.Open(xdp.Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, PinDir: dir, Generic: generic})
			if err != nil {
				t.Skipf("needs XDP: %v", err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			defer d.Detach()
			s := &shares{seen: make(map[netip.Addr]map[int]int)}
			stop := sync.OnceFunc(s.run(t, d, workers))
			defer stop()
			for i := range 20 * addresses {
				f := contract.Frame{Src: netip.AddrFrom4([4]byte{192, 168, 7, byte(10 + i%addresses)}), SrcPort: uint16(1000 + i),
					DstPort: uint16(2000 + i), Inward: i/addresses%2 == 1, Payload: []byte{byte(i)}}
				send := rig.Outward
				if f.Inward {
					send = rig.Inward
				}
				b := f.Build()
				got := send(t, b)
				for tries := 0; len(got) == 0 && tries < 200; tries++ {
					time.Sleep(5 * time.Millisecond)
					got = send(t) // it may be overtaken by what marks the end, which goes by another worker
				}
				if len(got) != 1 || !bytes.Equal(got[0], b) {
					t.Fatalf("frame %d: sent %x, arrived %x", i, b, got)
				}
			}
			stop()
			s.check(t, workers, addresses)
		})
	}
}

// run turns every worker on a goroutine of its own.
func (s *shares) run(t *testing.T, d *xdp.Datapath, workers int) (stop func()) {
	v, err := d.Verdicts()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, Bind: d.SetSocket, Workers: workers, Rings: 256})
	if err == nil {
		err = errors.Join(d.SetWorkers(workers), d.SetInspection(true))
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Alive()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				v.Alive()
				if _, err := c.Worker(n).Turn(share{s, n}, 20); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (s *shares) check(t *testing.T, workers, addresses int) {
	busy := make(map[int]int)
	found := 0
	for inside, by := range s.seen {
		if len(by) != 1 {
			t.Errorf("%v was seen by workers %v", inside, by)
		}
		for n := range by {
			busy[n]++
		}
		found++
	}
	if len(busy) != workers || found < addresses {
		t.Errorf("%d addresses, shared as %v", found, busy)
	}
}
