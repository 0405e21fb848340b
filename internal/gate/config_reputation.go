package gate

import (
	"slices"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// ReputationConfig says what is done about things of bad reputation.
type ReputationConfig struct {
	// Mode is off, observe (tell only) or enforce (stop), and Score the least
	// score that counts: 50, 75 or 90. A signed policy that names them replaces
	// both.
	Mode  model.Mode `yaml:"mode"`
	Score int        `yaml:"score"`
	// Limit is the most that a mode does here, whoever names it.
	Limit model.Mode `yaml:"limit"`
}

func (c *Config) checkReputation(f *configfile.File) {
	r := &c.Reputation
	_, ok := strength[r.Mode]
	f.Check(ok, "reputation.mode", "%q: want off, observe or enforce", r.Mode)
	_, ok = strength[r.Limit]
	f.Check(ok, "reputation.limit", "%q: want off, observe or enforce", r.Limit)
	f.Check(slices.Contains([]int{50, 75, 90}, r.Score), "reputation.score", "%d: want 50, 75 or 90", r.Score)
}

// regards says what is done about things of bad reputation, for which device:
// as the policy says where it says something, else as the configuration does,
// and never more than its limit.
func (c *Config) regards(p *model.Policy) inline.Regards {
	own := model.ReputationPolicy{Mode: c.Reputation.Mode, Score: uint8(c.Reputation.Score)}
	regard := func(r model.ReputationPolicy) inline.Regard {
		r = r.Over(own)
		if strength[r.Mode] > strength[c.Reputation.Limit] {
			r.Mode = c.Reputation.Limit
		}
		return inline.Regard{Mode: r.Mode, Least: edge.LeastTier(r.Score)}
	}
	out := inline.Regards{All: regard(p.Reputation)}
	for id := range p.ReputationDevices {
		if mac, vlan, err := id.MAC(); err == nil {
			if out.Devices == nil {
				out.Devices = make(map[datapath.DeviceKey]inline.Regard, len(p.ReputationDevices))
			}
			out.Devices[datapath.DeviceKey{MAC: mac, VLAN: vlan}] = regard(p.ReputationOf(id))
		}
	}
	return out
}

// reputationRegards is what holds now. Call it with mu held.
func (g *Gate) reputationRegards() inline.Regards { return g.cfg.regards(&g.policy) }

// sparedBy are the devices whose traffic with listed addresses is not to be
// stopped.
func sparedBy(r inline.Regards) []datapath.DeviceKey {
	var out []datapath.DeviceKey
	for device, own := range r.Devices {
		if own.Mode != model.ModeEnforce {
			out = append(out, device)
		}
	}
	return out
}
