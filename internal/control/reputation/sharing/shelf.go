package sharing

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

const (
	// MaxObjects bounds the objects of a collection.
	MaxObjects = 100_000
	// keepRevoked is how long others can learn that something is no longer said,
	// and keepExpired how long what has ended by its time is still shown, in
	// seconds.
	keepRevoked = 30 * 24 * 3600
	keepExpired = 7 * 24 * 3600
	// moreConfidence is from which change of confidence on a new version is worth
	// its way.
	moreConfidence = 20
)

// sharedThing is the newest version of one thing that a collection holds. Times are
// seconds since 1970, but for Added. It is kept as JSON.
type sharedThing struct {
	Number     uint64     `json:"n"`     // rises with each version
	Added      int64      `json:"added"` // microseconds since 1970; rises with Number
	Created    uint32     `json:"created"`
	Modified   uint32     `json:"modified"`
	Revoked    bool       `json:"revoked,omitempty"`
	Identity   string     `json:"identity,omitempty"` // name of who shares, of the one that is no indicator
	Type       intel.Type `json:"type,omitempty"`
	Text       string     `json:"object,omitempty"`
	Below      bool       `json:"below,omitempty"`
	Kind       intel.Kind `json:"kind,omitempty"`
	Confidence uint8      `json:"confidence,omitempty"`
	First      uint32     `json:"first,omitempty"`
	Until      uint32     `json:"until,omitempty"`
	Note       string     `json:"note,omitempty"`

	id string
}

// shelf is one collection: what is said now and, for a while, what no longer is.
type shelf struct {
	Records []sharedThing `json:"records"` // by rising Number
	Last    uint64        `json:"last"`    // highest number ever given
	by      feed.Author
	left    int  // claims that did not fit at the last change
	lost    bool // the newest change is not on disk; only Shelves.Set looks at it
}

// object is what a record is of.
func (r *sharedThing) object() (o intel.Object) {
	o = intel.Object{Type: r.Type, Below: r.Below, Text: r.Text}
	switch r.Type {
	case intel.TypePrefix:
		o.Text = ""
		if o.Prefix, _ = netip.ParsePrefix(r.Text); !o.Prefix.IsValid() {
			o.Type = intel.TypeNone
		}
	case intel.TypeASN:
		n, _ := strconv.ParseUint(r.Text, 10, 32)
		o.Text, o.Number = "", uint32(n)
	}
	return o
}

// hold sets what a record is of.
func (r *sharedThing) hold(o intel.Object) {
	r.Type, r.Below, r.Text = o.Type, o.Below, strings.Clone(o.Text)
	switch o.Type {
	case intel.TypePrefix:
		r.Text = o.Prefix.String()
	case intel.TypeASN:
		r.Text = strconv.FormatUint(uint64(o.Number), 10)
	}
}

// open makes a shelf ready that was read from disk, or is new.
func (s *shelf) open(by feed.Author) {
	s.by = by
	s.Records = slices.DeleteFunc(s.Records, func(r sharedThing) bool { return r.Identity == "" && r.object().Type == intel.TypeNone })
	slices.SortFunc(s.Records, func(a, b sharedThing) int { return cmp.Compare(a.Number, b.Number) })
	for i := range s.Records {
		s.Records[i].id = s.idOf(&s.Records[i])
		s.Last = max(s.Last, s.Records[i].Number)
	}
}

// idOf is the identifier in STIX: another one when a thing is shared again
// after it was revoked, for what is revoked stays so (STIX 2.1, section 3.6.2).
func (s *shelf) idOf(r *sharedThing) string {
	if r.Identity != "" {
		return s.by.ID
	}
	return feed.IndicatorID(s.by.ID+" "+strconv.FormatUint(uint64(r.Created), 10), r.object())
}

// put adds a version. What it follows, if anything, the caller takes away.
func (s *shelf) put(r sharedThing, now time.Time) {
	s.Last++
	r.Number, r.Added = s.Last, now.UnixMicro()
	if n := len(s.Records); n > 0 {
		r.Added = max(r.Added, s.Records[n-1].Added+1)
	}
	r.id = s.idOf(&r)
	s.Records = append(s.Records, r)
}

// sync makes the shelf say what claims say and nothing else, and says whether
// anything changed. Claims are of different objects.
func (s *shelf) sync(claims []intel.Claim, now time.Time) bool {
	at := uint32(now.Unix())
	before := s.Last
	had := make(map[intel.Object]int, len(s.Records)) // place + 1
	for i := range s.Records {
		if s.Records[i].Identity == "" {
			had[s.Records[i].object()] = i + 1
		}
	}
	gone := make([]bool, len(s.Records))
	named := s.sayWho(gone, at)
	if named != nil {
		s.put(*named, now)
	}
	room := MaxObjects - len(s.Records)
	s.left = 0
	said := make(map[intel.Object]bool, len(claims))
	for i := range claims {
		c := &claims[i]
		said[c.Object] = true
		next := sharedThing{Created: at, Modified: at}
		if place := had[c.Object]; place > 0 {
			old := &s.Records[place-1]
			if !old.Revoked && !old.differs(c) {
				continue
			}
			gone[place-1] = true
			if next.Modified = max(at, old.Modified+1); old.Revoked {
				next.Created = next.Modified
			} else {
				next.Created, next.First = old.Created, old.First
			}
		} else if room--; room < 0 {
			s.left++
			continue
		}
		next.say(c)
		s.put(next, now)
	}
	s.revoke(gone, said, now)
	dropped := s.drop(gone, at)
	return s.Last != before || dropped
}

// sayWho gives the identity of who shares when it is not there as it should be.
func (s *shelf) sayWho(gone []bool, at uint32) *sharedThing {
	next := &sharedThing{Created: at, Modified: at, Identity: s.by.Name}
	for i := range s.Records {
		if r := &s.Records[i]; r.Identity != "" {
			if r.Identity == s.by.Name {
				return nil
			}
			gone[i] = true
			next.Created, next.Modified = r.Created, max(at, r.Modified+1)
		}
	}
	return next
}

// say puts a claim into a record.
func (r *sharedThing) say(c *intel.Claim) {
	r.hold(c.Object)
	r.Kind, r.Confidence, r.Until, r.Note = c.Kind, c.Confidence, c.Until, strings.Clone(c.Note)
	if r.First == 0 {
		r.First = c.First
	}
}

// differs says whether a claim says something new enough to be worth a version.
func (r *sharedThing) differs(c *intel.Claim) bool {
	d := int(r.Confidence) - int(c.Confidence)
	return r.Kind != c.Kind || d >= moreConfidence || d <= -moreConfidence || (r.Until == 0) != (c.Until == 0) ||
		c.Until > r.Until && c.Until-r.Until > (c.Until-min(c.Last, c.Until))/4
}

// revoke says of what is no longer said that it is not, unless its time ends it.
func (s *shelf) revoke(gone []bool, said map[intel.Object]bool, now time.Time) {
	at := uint32(now.Unix())
	for i := range gone {
		r := s.Records[i]
		if gone[i] || r.Revoked || r.Identity != "" || said[r.object()] || r.Until != 0 && r.Until <= at {
			continue
		}
		gone[i] = true
		r.Revoked, r.Modified = true, max(at, r.Modified+1)
		s.put(r, now)
	}
}

// drop takes away what newer versions follow and what is old.
func (s *shelf) drop(gone []bool, at uint32) bool {
	i, n := -1, len(s.Records)
	s.Records = slices.DeleteFunc(s.Records, func(r sharedThing) bool {
		i++
		return i < len(gone) && gone[i] || r.Revoked && at > r.Modified+keepRevoked || r.Until != 0 && at > r.Until+keepExpired
	})
	return len(s.Records) != n
}

// records gives what a filter asks for as TAXII has it, oldest first.
func (s *shelf) records(f *taxii.Filter) iter.Seq[taxii.Record] {
	return func(yield func(taxii.Record) bool) {
		from, _ := f.From() // a wrong one is told by whoever makes the page
		at, _ := slices.BinarySearchFunc(s.Records, from, func(r sharedThing, n uint64) int { return cmp.Compare(r.Number, n) })
		for i := range s.Records[at:] {
			r := &s.Records[at+i]
			out := taxii.Record{Number: r.Number, ID: r.id, Type: "indicator", Added: time.UnixMicro(r.Added),
				Version: time.Unix(int64(r.Modified), 0), First: true, Last: true}
			if r.Identity != "" {
				out.Type = "identity"
			}
			if !f.Wants(&out) {
				continue
			}
			if out.Object = s.json(r); !yield(out) {
				return
			}
		}
	}
}

func (s *shelf) json(r *sharedThing) []byte {
	e := feed.Edition{ID: r.id, Created: r.Created, Modified: r.Modified, Revoked: r.Revoked}
	if r.Identity != "" {
		return feed.AppendIdentity(nil, s.by, e)
	}
	c := intel.Claim{Object: r.object(), Kind: r.Kind, Confidence: r.Confidence, First: r.First, Until: r.Until, Note: r.Note}
	b, _ := feed.AppendEdition(nil, &c, s.by, e) // only what can be written is on the shelf
	return b
}

// has says whether an object is on the shelf.
func (s *shelf) has(id string) bool {
	return slices.ContainsFunc(s.Records, func(r sharedThing) bool { return r.id == id })
}

// canShare says whether STIX can name an object.
func canShare(o intel.Object) bool {
	_, ok := feed.AppendEdition(nil, &intel.Claim{Object: o, Kind: intel.KindSuspicious}, feed.Author{}, feed.Edition{})
	return ok
}
