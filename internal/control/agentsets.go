package control

import (
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// agentSets cuts the set of all that agents carry out into one set for each
// device, so that no agent learns what happens on another's. All have the
// version of the whole, and are signed when they are first asked for. It is
// not safe for concurrent use.
type agentSets struct {
	signer *identity.Signer
	info   identity.SetInfo
	by     map[model.DeviceID][]model.Action
	signed map[string]*wire.SignedSet // by device; "": without actions, for every other device
}

// cutForAgents reads the payload of the whole set, which info describes. With
// an error the sets are of the actions that could be read.
func cutForAgents(signer *identity.Signer, info identity.SetInfo, payload []byte) (*agentSets, error) {
	actions, err := wire.ReadableActions(payload)
	s := &agentSets{signer: signer, info: info, by: map[model.DeviceID][]model.Action{}, signed: map[string]*wire.SignedSet{}}
	for _, a := range actions {
		if a.Scope.Device != "" {
			s.by[a.Scope.Device] = append(s.by[a.Scope.Device], a)
		}
	}
	return s, err
}

// of gives the set of a device.
func (s *agentSets) of(device model.DeviceID) *wire.SignedSet {
	actions := s.by[device]
	if len(actions) == 0 {
		device = ""
	}
	set := s.signed[string(device)]
	if set == nil {
		set = s.signer.SignSet(s.info, wire.EncodeActions(actions, nil))
		s.signed[string(device)] = set
	}
	return set
}
