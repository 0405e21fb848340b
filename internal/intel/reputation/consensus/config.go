package consensus

import "github.com/masugata/masugata/internal/intel/reputation"

// Config says how much must come together. The zero value of a field is its
// default.
type Config struct {
	Source reputation.SourceID // whose claims these are

	// MinOwners is how many owners must have seen an object before it is listed
	// or anything of it leaves; at least 2, default 5.
	MinOwners int
	// Share is the part of the fleet, in per mille of its owners and of its
	// weight, that must have seen an object: it must exceed the part that could
	// be hostile. Default 150.
	Share int
	// MinSpan is how many seconds an object must have been known; default 60.
	MinSpan uint32
	// HalfLife is after how many seconds a sighting weighs half; after four of
	// them it is forgotten. Default 12 hours.
	HalfLife uint32
	// MaxBytes bounds the memory of sightings; default 64 MiB.
	MaxBytes int
	// MaxSites bounds the number of enrolled sites; default 65,536.
	MaxSites int
	// Protected says of an object that it must not be listed; nil is none. It is
	// asked at each sighting and again before each claim.
	Protected func(reputation.Object) bool
}

func (c Config) withDefaults() Config {
	set := func(v *int, lowest, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
		*v = max(*v, lowest)
	}
	set(&c.MinOwners, 2, 5)
	set(&c.Share, 1, 150)
	set(&c.MaxBytes, 1<<16, 64<<20)
	set(&c.MaxSites, 1, 1<<16)
	if c.MinSpan == 0 {
		c.MinSpan = 60
	}
	if c.HalfLife == 0 {
		c.HalfLife = 12 * 3600
	}
	c.HalfLife = min(c.HalfLife, 1<<28)
	if c.Protected == nil {
		c.Protected = func(reputation.Object) bool { return false }
	}
	return c
}
