package inline

import (
	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Regard says what is done about things of bad reputation: ModeOff does not
// look, ModeObserve tells, ModeEnforce stops.
type Regard struct {
	Mode  model.Mode
	Least edge.Tier // from which tier on
}

// Regards say so of every device.
type Regards struct {
	All     Regard                        // of devices without one of their own
	Devices map[datapath.DeviceKey]Regard // never changed once given
}

// Of gives what holds for a device.
func (r *Regards) Of(device datapath.DeviceKey) Regard {
	if len(r.Devices) > 0 {
		if own, ok := r.Devices[device]; ok {
			return own
		}
	}
	return r.All
}
