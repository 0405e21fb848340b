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
	i := c.about(model.IncidentFileTamper, e, now, func() *model.Incident {
		return &model.Incident{Title: fmt.Sprintf("Watched files changed on %s", e.Device), Target: e.Subject, Technique: "T1565.001"}
	})
	c.tell(i, model.StoryLine{Time: e.Time, Code: "file.changed", Event: e.ID,
		Params: map[string]string{"device": string(e.Device), "path": e.Subject},
		Text:   fmt.Sprintf("%s changed on %s.", e.Subject, e.Device)})
}
