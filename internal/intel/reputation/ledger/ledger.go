package ledger

import (
	"hash/maphash"
	"strconv"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Config bounds a Ledger. Zero fields take their defaults.
type Config struct {
	MaxObjects int // objects kept; default 4,000,000, at most 1<<31
	MaxBytes   int // bytes of all tables; default 512 MiB
}

func (c Config) complete() Config {
	if c.MaxObjects <= 0 {
		c.MaxObjects = 4_000_000
	}
	c.MaxObjects = min(c.MaxObjects, 1<<31)
	if c.MaxBytes <= 0 {
		c.MaxBytes = 512 << 20
	}
	return c
}

// maxSources is how many sources may ever be named, those forgotten included.
const maxSources = 4096

// Ledger keeps claims and scores objects by them; see the package comment for
// who may call what when. Make it with New.
type Ledger struct {
	config   Config
	seed     maphash.Seed
	keys     arena
	objects  pool[object]
	slots    []uint64 // open addressing: hash<<32 | object number; 0 is free
	count    int      // objects
	claims   pool[claim]
	lost     int // claims of dead editions
	editions []edition
	sources  []source
	owners   map[string]uint16
	notes    notes
	wide     wide
	prefixes int // URLs that stand for all that begins with them
	guard    guard
	stale    bool // guard is older than the claims
	scratch  []byte
}

// source is a registered source with what scoring needs of it.
type source struct {
	reputation.Source
	owner    uint16
	live     uint16 // its edition in force; 0 is none
	imported uint32
}

// edition is one state of one source's list.
type edition struct {
	source  reputation.SourceID
	state   state
	entries int
	good    int // entries that speak for objects, or are of an allow list
}

type state uint8

const (
	free state = iota
	pending
	live
	dead
)

// New makes an empty Ledger.
func New(c Config) *Ledger {
	return &Ledger{
		config:   c.complete(),
		seed:     maphash.MakeSeed(),
		slots:    make([]uint64, 1<<10),
		editions: make([]edition, 1),
		sources:  make([]source, 1),
		owners:   map[string]uint16{},
		notes:    newNotes(),
		wide:     newWide(),
	}
}

// Source registers a source by its name, or changes what is known of it, and
// gives its number. A source without owner is its own owner. When there are too
// many sources the number is 0, which Import refuses.
func (l *Ledger) Source(s reputation.Source) reputation.SourceID {
	if s.Owner == "" {
		s.Owner = s.Name
	}
	s.Trust = min(s.Trust, 100)
	owner, ok := l.owners[s.Owner]
	if !ok {
		owner = uint16(len(l.owners) + 1)
	}
	for i := 1; i < len(l.sources); i++ {
		if have := &l.sources[i]; have.Name == s.Name {
			s.ID = have.ID
			l.stale = l.stale || have.Local != s.Local
			l.owners[s.Owner] = owner
			have.Source, have.owner = s, owner
			return s.ID
		}
	}
	if len(l.sources) >= maxSources || len(l.owners) >= 2*maxSources {
		return 0
	}
	l.owners[s.Owner] = owner
	s.ID = reputation.SourceID(len(l.sources))
	l.sources = append(l.sources, source{Source: s, owner: owner})
	return s.ID
}

// Sources are the registered sources in order of their numbers.
func (l *Ledger) Sources() []reputation.Source {
	out := make([]reputation.Source, 0, len(l.sources)-1)
	for i := 1; i < len(l.sources); i++ {
		out = append(out, l.sources[i].Source)
	}
	return out
}

// Forget drops all that a source says. Its number stays its own.
func (l *Ledger) Forget(id reputation.SourceID) {
	if id == 0 || int(id) >= len(l.sources) {
		return
	}
	s := &l.sources[id]
	l.bury(s.live)
	s.live = 0
	l.sweepIfWorth()
}

// Size is how many objects are kept, those of open imports included.
func (l *Ledger) Size() int { return l.count }

// Bytes is how much memory the tables hold.
func (l *Ledger) Bytes() int {
	return l.keys.bytes() + l.objects.bytes() + l.claims.bytes() + 8*len(l.slots) + l.wide.bytes() + l.notes.bytes() + l.guard.bytes()
}

// Full is the error for a claim that does not fit into the bounds any more. What
// was added before it stays.
type Full struct {
	What string // "objects" or "bytes"
	Max  int
}

// Error says which bound was met and what to do.
func (e *Full) Error() string {
	return "the ledger is full: no more than " + strconv.Itoa(e.Max) + " " + e.What + " may be kept; raise the bound or leave a feed out"
}

// Refusal is the error for a claim that cannot be kept; others may follow it.
type Refusal struct {
	Object  string
	Problem string
	Mend    string
}

// Error names the object, the problem and the way to mend it.
func (e *Refusal) Error() string { return e.Object + ": " + e.Problem + "; " + e.Mend }
