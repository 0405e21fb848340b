package xdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/masugata/masugata/internal/datapath"
)

const (
	maxRefusals = 4096 // kept by the kernel until they are taken
	refusalsAt  = 512  // taken at once
)

// TakeRefusals implements datapath.Datapath.
func (d *Datapath) TakeRefusals(f func(*datapath.Refusal)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if d.refused.keys == nil {
		d.refused.keys, d.refused.values = make([]refusalKey, refusalsAt), make([]refusal, refusalsAt)
	}
	d.clock.sync()
	var cursor ebpf.MapBatchCursor
	for range maxRefusals { // more calls than it can take, should others come meanwhile
		n, err := d.t.maps["refusals"].BatchLookupAndDelete(&cursor, d.refused.keys, d.refused.values, nil)
		for i := range n {
			k, v := &d.refused.keys[i], &d.refused.values[i]
			f(&datapath.Refusal{Device: wordKey(k.Device), Outside: netipAddr(k.Outside, k.Family), Inward: k.Inward != 0, Proto: k.Proto,
				Port: v.Port, Packets: v.Packets, Last: d.clock.wall(v.Last)})
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("xdp: take refusals: %w", err)
		}
	}
	return nil
}

// refusedScratch is what TakeRefusals reads into.
type refusedScratch struct {
	keys   []refusalKey
	values []refusal
}
