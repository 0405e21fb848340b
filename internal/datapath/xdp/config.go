package xdp

import "log/slog"

// Defaults of Config. All tables together take about 9 MB, and 9 MB more for
// each CPU.
const (
	DefaultPinDir     = "/sys/fs/bpf/masugata"
	DefaultMaxFlows   = 32768
	DefaultMaxDevices = 4096
	DefaultMaxRules   = 4096
	DefaultMaxBlocked = 262144
)

// Config says where the data path sits and how large its tables are. Zero
// fields take the default; Inside and Outside have none.
type Config struct {
	// Inside and Outside name the two interfaces, in the network namespace
	// of the calling thread. They should have no addresses; Open sets them up
	// and promiscuous, and turns off the taking out of VLAN tags and joining
	// of segments that their drivers may do. On veth pairs the far ends need
	// "ethtool -K … tx off txvlan off gro on": whole checksums and tags in the
	// frame, and NAPI, without which a veth takes no redirected frame.
	Inside, Outside string
	// PinDir is where maps and links are pinned. When it is not on a bpf
	// file system yet, Open makes it and mounts one there. Two data paths on
	// one machine need two directories.
	PinDir string
	// MaxFlows and MaxDevices are entries a table (flows: for each CPU),
	// rounded up to powers of two; devices at most 16,384. MaxRules (at most
	// 32,768) and MaxBlocked are the most rules, and prefixes of each family,
	// that SetRules and SetBlocklist take.
	MaxFlows, MaxDevices, MaxRules, MaxBlocked uint32
	// Generic asks for generic XDP even where the drivers have native XDP.
	Generic bool
	// Prepare, when set, is called before the ports are switched to tables
	// that hold nothing yet: at the first start, and when the tables of a
	// former process have another layout. What it installs holds from the
	// first packet; the former tables hold until then.
	Prepare func(*Datapath) error
	// Log gets what happens while opening; nil is silent.
	Log *slog.Logger
}

// Mode says how the programs are attached.
type Mode string

// The modes.
const (
	ModeNative  Mode = "native"  // in the driver
	ModeGeneric Mode = "generic" // after the driver, several times slower
)

// Info says how an open data path is set up.
type Info struct {
	Mode Mode
	// Adopted is set when the tables of a former process were taken over
	// with all that they held.
	Adopted bool
	// Degraded lists in plain words what is missing and what would mend it;
	// empty when nothing is.
	Degraded []string
}
