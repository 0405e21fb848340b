package correlate

import (
	"fmt"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// badContactShare bounds the incidents of bad contacts that go on to this part of all, so
// that they leave room for attacks.
const badContactShare = 4

// badContact joins what a device met of surely bad reputation (severity high and up,
// which what outsiders ask a device for never has) into one incident a device:
// it is probably infected, or about to be. What met it has stopped it already,
// where policy says so; a person decides what becomes of the device.
func (c *Correlator) badContact(e *model.Event, now time.Time) {
	if e.Severity < model.SeverityHigh || e.Device == "" || len(e.Observables) == 0 {
		return
	}
	i := c.about(model.IncidentBadContact, e, now, func() *model.Incident {
		if c.going(model.IncidentBadContact) >= max(c.cfg.MaxOpen/badContactShare, 1) {
			return nil
		}
		return &model.Incident{Title: fmt.Sprintf("%s has contact with things of bad reputation", e.Device),
			Target: e.Observables[0].Value, Technique: e.Technique}
	})
	if i != nil {
		c.tellContact(i, e)
	}
}

// tellContact tells each thing once, and once more when it passed after it was stopped.
func (c *Correlator) tellContact(i *incident, e *model.Event) {
	code, did := "reputation.seen", "spoke with"
	if e.Kind == model.KindListedBlocked {
		code, did = "reputation.blocked", "was kept from"
	}
	object := e.Observables[0].Value
	if slices.ContainsFunc(i.Story, func(l model.StoryLine) bool { return l.Code == code && l.Params["object"] == object }) {
		return
	}
	c.tell(i, model.StoryLine{Time: e.Time, Code: code, Event: e.ID,
		Params: map[string]string{"device": string(e.Device), "object": object, "part": string(e.Reporter)},
		Text:   fmt.Sprintf("%s %s %s.", e.Device, did, object)})
}

// going counts the incidents of a kind that go on.
func (c *Correlator) going(k model.IncidentKind) (n int) {
	for _, i := range c.incidents {
		if i.Kind == k && goesOn(i) {
			n++
		}
	}
	return n
}
