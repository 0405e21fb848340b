package inline

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// Listing is what the inspection knows of bad reputation, and what it does about
// it. Nothing in it may be changed once it is given.
type Listing struct {
	Set     *edge.Set      // nil: nothing is known
	Kept    []netip.Prefix // addresses that are never listed
	Regards Regards
}

func (l *Listing) equal(o *Listing) bool {
	return l.Set == o.Set && l.Regards.All == o.Regards.All && maps.Equal(l.Regards.Devices, o.Regards.Devices) && slices.Equal(l.Kept, o.Kept)
}

// SetListing says what is known of bad reputation from the next frame on. When
// it is not what it was, sessions that go on are looked at again, those too
// that the kernel deals with.
func (i *Inspection) SetListing(l Listing) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if old := i.listing.Load(); old != nil && old.equal(&l) {
		return
	}
	i.listing.Store(&l)
	i.status.Listing = ListingStatus{}
	if l.Set != nil {
		i.status.Listing = ListingStatus{Entries: l.Set.Len(), Version: l.Set.Header().Version}
	}
}

// ListingStatus is what of bad reputation the inspection knows.
type ListingStatus struct {
	Entries int    `json:"entries"`
	Version uint64 `json:"version"` // of the set, 0 for none
}

// renew takes a new listing between two frames.
func (w *worker) renew() {
	l := w.in.listing.Load()
	if l == w.listing || l == nil {
		return
	}
	w.listing = l
	w.known.Use(l.Set, l.Kept)
	w.engine.Renewed()
	w.in.verdicts.Forget()
}
