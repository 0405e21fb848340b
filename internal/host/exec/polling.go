package exec

import (
	"context"
	"time"

	"github.com/masugata/masugata/internal/host/process"
)

// pollEvery is how often /proc is looked through.
const pollEvery = time.Second

// polling compares the processes of now with those before.
type polling struct {
	before, now map[uint32]uint64 // number to start time
}

func newPolling() *polling {
	p := &polling{before: map[uint32]uint64{}, now: map[uint32]uint64{}}
	p.scan(nil)
	return p
}

func (p *polling) close() {}

func (p *polling) run(ctx context.Context, found func(notice)) error {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			p.scan(found)
		}
	}
}

func (p *polling) scan(found func(notice)) {
	clear(p.now)
	_ = process.Each(func(pid uint32) bool {
		st, err := process.ReadStat(pid)
		if err != nil || st.Kernel {
			return true
		}
		p.now[pid] = st.Start
		if found != nil && p.before[pid] != st.Start {
			found(notice{pid: pid})
		}
		return true
	})
	p.before, p.now = p.now, p.before
}
