package correlate

import (
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// fileChanged joins changes of watched files that agents hold for grave
// (severity high and up) into one incident a device. There is nothing to
// block yet: a person decides.
func (c *Correlator) fileChanged(e *model.Event, now time.Time) {
	if e.Severity < model.SeverityHigh || e.Device == "" {
		return
	}
	i := c.of(model.IncidentFileTamper, e.Device)
	if i == nil {
		c.makeRoom(now)
		i = &incident{
			Incident: model.Incident{
				ID: model.NewID(now), Kind: model.IncidentFileTamper, State: model.IncidentOpen,
				Title: fmt.Sprintf("Watched files changed on %s", e.Device), Severity: e.Severity,
				Devices: []model.DeviceID{e.Device}, Target: e.Subject, Opened: now, Technique: "T1565.001",
			},
			sources: map[model.DeviceID]*source{e.Device: {}},
		}
		c.incidents[i.ID] = i
	}
	i.Severity = max(i.Severity, e.Severity)
	i.sources[e.Device].last = now
	c.note(i, e, now)
	c.tell(i, model.StoryLine{Time: e.Time, Code: "file.changed", Event: e.ID,
		Params: map[string]string{"device": string(e.Device), "path": e.Subject},
		Text:   fmt.Sprintf("%s changed on %s.", e.Subject, e.Device)})
}
