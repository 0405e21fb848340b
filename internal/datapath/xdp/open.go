package xdp

import "github.com/masugata/masugata/internal/datapath"

// Datapath is the pair of programs on two ports; it implements
// datapath.Datapath. Make it with Open.
type Datapath struct {
	datapath.Datapath
	info Info
}

// Open puts the data path on both ports, or adopts the one that a former
// process left in PinDir: forwarding, rules and counters go on without a gap.
// A new data path forwards everything (FailOpen, no rules) until told
// otherwise. It needs root, or CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and, to
// mount a bpf file system, CAP_SYS_ADMIN. Errors name the step that failed.
func Open(cfg Config) (*Datapath, error) { return open(cfg) }

// Info says how the data path was attached and what is missing. It does not
// change while open.
func (d *Datapath) Info() Info { return d.info }
