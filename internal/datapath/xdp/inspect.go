package xdp

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/masugata/masugata/internal/datapath"
)

// maxQueues is MAX_QUEUES of bpf/include/maps.h.
const maxQueues = 64

// SetSocket has what arrives on a receive queue of a side, and is to be
// inspected by a worker, go to the AF_XDP socket fd. The kernel forgets a
// socket when it is closed.
func (d *Datapath) SetSocket(side datapath.Side, queue, worker, fd int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if queue < 0 || queue >= maxQueues {
		return fmt.Errorf("xdp: set socket: queue %d, at most %d", queue, maxQueues-1)
	}
	if worker < 0 || worker >= datapath.MaxWorkers {
		return fmt.Errorf("xdp: set socket: worker %d, at most %d", worker, datapath.MaxWorkers-1)
	}
	place := (int(side)*maxQueues+queue)*datapath.MaxWorkers + worker
	if err := d.t.maps["sockets"].Put(uint32(place), uint32(fd)); err != nil {
		return fmt.Errorf("xdp: set socket of queue %d: %w", queue, err)
	}
	return nil
}

// SetWorkers says how many workers share what is to be inspected. What one
// inside address sends and gets goes to one of them.
func (d *Datapath) SetWorkers(n int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if n < 1 || n > datapath.MaxWorkers {
		return fmt.Errorf("xdp: set workers: %d, want 1 to %d", n, datapath.MaxWorkers)
	}
	atomic.StoreUint32(&d.t.config.InspectionWorkers, uint32(n))
	return nil
}

// SetInspection says whether what passes everything else is inspected. While
// it is on and no inspector is alive, the fail mode holds for such packets.
func (d *Datapath) SetInspection(on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	d.setFeature(featureInspect, on)
	return nil
}

// Verdicts is how the inspection tells the kernel what becomes of flows. Its
// methods need no lock, so that the inspection never waits for readers of the
// counters; they must not be called once the data path is closed.
type Verdicts struct {
	table  *ebpf.Map
	config *config
}

// Verdicts opens the table of verdicts.
func (d *Datapath) Verdicts() (*Verdicts, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return nil, errClosed
	}
	return &Verdicts{d.t.maps["verdicts"], d.t.config}, nil
}

// Alive says that the inspection is alive; call it at least once a second.
func (v *Verdicts) Alive() { atomic.StoreUint64(&v.config.Inspecting, ktime()) }

// Gone says that the inspection ends: from now on the fail mode holds for what
// it would look at.
func (v *Verdicts) Gone() { atomic.StoreUint64(&v.config.Inspecting, 0) }

// Set says what becomes of a flow from its next packet on.
func (v *Verdicts) Set(id *datapath.FlowID, fate datapath.Fate) error {
	key := verdictKey{
		Device: keyWord(id.Device), Inside: addrOf(id.Inside.As16()), Outside: addrOf(id.Outside.As16()),
		InsidePort: id.InsidePort, OutsidePort: id.OutsidePort, Proto: id.Proto, Family: 6,
	}
	if id.Inside.Is4() {
		key.Family = 4
	}
	if fate == datapath.FateInspect {
		if err := v.table.Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("xdp: forget verdict: %w", err)
		}
		return nil
	}
	value := verdict{Last: ktime(), Generation: atomic.LoadUint32(&v.config.VerdictGeneration), Fate: uint32(fate)}
	if err := v.table.Put(&key, &value); err != nil {
		return fmt.Errorf("xdp: set verdict: %w", err)
	}
	return nil
}

// Forget makes every flow be inspected again, as after a change of rules.
func (v *Verdicts) Forget() { atomic.AddUint32(&v.config.VerdictGeneration, 1) }
