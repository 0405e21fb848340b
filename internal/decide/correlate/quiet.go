package correlate

import (
	"time"

	"github.com/masugata/masugata/internal/model"
)

// silence says when an incident about single devices ends by itself: so long
// after its last event, with these words.
type silence struct {
	after time.Duration
	text  string
}

// silenceOf gives it for the kinds that end so.
func silenceOf(k model.IncidentKind) (silence, bool) {
	switch k {
	case model.IncidentFileTamper:
		return silence{10 * time.Minute, "No watched file has changed for some time."}, true
	case model.IncidentBadContact:
		return silence{time.Hour, "Nothing of bad reputation was met for an hour."}, true
	}
	return silence{}, false
}

// of gives the incident of a kind that goes on and names the device; nil when
// there is none.
func (c *Correlator) of(k model.IncidentKind, d model.DeviceID) *incident {
	for _, i := range c.incidents {
		if i.Kind == k && i.sources[d] != nil && goesOn(i) {
			return i
		}
	}
	return nil
}

// about notes an event with the incident of a kind about its device; when none goes
// on, the one that fresh gives begins. It is nil when fresh gives none.
func (c *Correlator) about(k model.IncidentKind, e *model.Event, now time.Time, fresh func() *model.Incident) *incident {
	i := c.of(k, e.Device)
	if i == nil {
		begun := fresh()
		if begun == nil {
			return nil
		}
		c.makeRoom(now)
		i = &incident{Incident: *begun, sources: map[model.DeviceID]*source{e.Device: {}}}
		i.ID, i.Kind, i.State = model.NewID(now), k, model.IncidentOpen
		i.Severity, i.Devices, i.Opened = e.Severity, []model.DeviceID{e.Device}, now
		c.incidents[i.ID] = i
	}
	i.Severity = max(i.Severity, e.Severity)
	i.sources[e.Device].last = now
	c.note(i, e, now)
	return i
}

// tickQuiet ends an incident whose devices have been quiet for long enough.
func (c *Correlator) tickQuiet(i *incident, now time.Time) {
	s, ok := silenceOf(i.Kind)
	if !ok || !goesOn(i) {
		return
	}
	for _, src := range i.sources {
		if now.Sub(src.last) < s.after {
			return
		}
	}
	c.endIncident(i, now)
}
