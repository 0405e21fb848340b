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
	named    map[string]reputation.SourceID
	spare    []reputation.SourceID // numbers of forgotten sources
	owners   map[string]uint16
	notes    notes
	wide     wide
	prefixes int // URLs that stand for all that begins with them
	paths    int // paths without a host that are kept
	guard    guard
	stale    bool   // guard is older than the claims
	revision uint64 // the last one given to a source
	scratch  []byte
}

// source is a registered source with what scoring needs of it.
type source struct {
	reputation.Source
	owner    uint16
	live     uint16 // its edition in force; 0 is none
	imported uint32
	revision uint64
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
		named:    map[string]reputation.SourceID{},
		owners:   map[string]uint16{},
		notes:    newNotes(),
		wide:     newWide(),
	}
}

// Source registers a source by its name, or changes what is known of it, and
// gives its number. A source without owner is its own owner. The number is 0,
// which Import refuses, for a source without name and when there are too many.
func (l *Ledger) Source(s reputation.Source) reputation.SourceID {
	if s.Name == "" {
		return 0
	}
	if s.Owner == "" {
		s.Owner = s.Name
	}
	s.Trust = min(s.Trust, 100)
	at, ok := l.named[s.Name]
	if !ok {
		if at = l.place(); at == 0 {
			return 0
		}
		l.named[s.Name] = at
	}
	have := &l.sources[at]
	l.stale = l.stale || have.Local != s.Local
	s.ID = at
	have.Source = s
	have.owner = l.ownerOf(s.Owner)
	return s.ID
}

// place is a number for a new source; 0 is none.
func (l *Ledger) place() reputation.SourceID {
	if len(l.sources) < maxSources {
		l.sources = append(l.sources, source{})
		return reputation.SourceID(len(l.sources) - 1)
	}
	if len(l.spare) == 0 {
		l.sweep(sweeping{})
		used := make([]bool, len(l.sources))
		for i := range l.editions {
			used[l.editions[i].source] = true
		}
		for i := 1; i < len(l.sources); i++ {
			if l.sources[i].Name == "" && !used[i] {
				l.spare = append(l.spare, reputation.SourceID(i))
			}
		}
	}
	k := len(l.spare)
	if k == 0 {
		return 0
	}
	id := l.spare[k-1]
	l.spare = l.spare[:k-1]
	return id
}

// ownerOf numbers owners; those whom no source names any more are forgotten
// from time to time.
func (l *Ledger) ownerOf(name string) uint16 {
	if n, ok := l.owners[name]; ok {
		return n
	}
	if len(l.owners) >= 2*maxSources {
		l.owners = map[string]uint16{}
		for i := 1; i < len(l.sources); i++ {
			if s := &l.sources[i]; s.Name != "" && s.Owner != name {
				s.owner = l.ownerOf(s.Owner)
			}
		}
	}
	n := uint16(len(l.owners) + 1)
	l.owners[name] = n
	return n
}

// Sources are the registered sources in order of their numbers.
func (l *Ledger) Sources() []reputation.Source {
	out := make([]reputation.Source, 0, len(l.sources)-1)
	for i := 1; i < len(l.sources); i++ {
		if s := &l.sources[i]; s.Name != "" {
			out = append(out, s.Source)
		}
	}
	return out
}

// Forget drops all that a source says, and the source. Its number may be given
// to another one later; an import of it that is open comes to nothing.
func (l *Ledger) Forget(id reputation.SourceID) {
	if id == 0 || int(id) >= len(l.sources) {
		return
	}
	l.bury(l.sources[id].live)
	delete(l.named, l.sources[id].Name)
	l.sources[id] = source{}
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
