package wire

import (
	"fmt"
	"net/netip"
	"time"

	linkv1 "github.com/masugata/masugata/api/link/v1"
	"github.com/masugata/masugata/internal/model"
)

// Bounds on one PartState.
const (
	MaxStateList  = 20_000 // devices, actions
	MaxStateShort = 256    // coverage, sets, counters
)

// CoverageTo gives the message form of a coverage list.
func CoverageTo(list []model.Coverage) []*linkv1.Coverage {
	out := make([]*linkv1.Coverage, len(list))
	for i, c := range list {
		out[i] = &linkv1.Coverage{
			Layer: uint32(c.Layer), Protection: clip(c.Protection, MaxShort),
			Active: c.Active, Reason: clip(c.Reason, MaxText),
		}
	}
	return out
}

// CoverageFrom reads a coverage list; entries of unknown layers are dropped.
func CoverageFrom(list []*linkv1.Coverage) []model.Coverage {
	out := make([]model.Coverage, 0, min(len(list), MaxStateShort))
	for _, c := range list[:min(len(list), MaxStateShort)] {
		if c.GetLayer() < 1 || c.GetLayer() > 4 {
			continue
		}
		out = append(out, model.Coverage{
			Layer: model.Layer(c.Layer), Protection: clip(c.Protection, MaxShort),
			Active: c.Active, Reason: clip(c.Reason, MaxText),
		})
	}
	return out
}

// ActionStatusTo gives the message form of what a part says of one action.
func ActionStatusTo(id model.ID, s model.PartStatus) *linkv1.ActionStatus {
	return &linkv1.ActionStatus{
		Id: append([]byte(nil), id[:]...), Applied: s.Applied, Error: clip(s.Error, MaxText), AtUnixNs: unixNano(s.At),
		Packets: s.Packets, Bytes: s.Bytes, LastHitUnixNs: unixNano(s.LastHit),
	}
}

// ActionStatusFrom reads what part says of one action.
func ActionStatusFrom(p *linkv1.ActionStatus, part model.PartID) (model.ID, model.PartStatus, error) {
	var id model.ID
	if len(p.GetId()) != len(id) {
		return id, model.PartStatus{}, fmt.Errorf("action status: %w", errEventID)
	}
	copy(id[:], p.Id)
	return id, model.PartStatus{
		Part: part, Applied: p.Applied, Error: clip(p.Error, MaxText), At: fromUnixNano(p.AtUnixNs),
		Packets: p.Packets, Bytes: p.Bytes, LastHit: fromUnixNano(p.LastHitUnixNs),
	}, nil
}

// DeviceTo gives the message form of what a gate knows of a device.
func DeviceTo(d *model.Device) *linkv1.Device {
	p := &linkv1.Device{
		Id: string(d.ID), Hostname: clip(d.Hostname, MaxShort),
		FirstSeenUnixNs: unixNano(d.FirstSeen), LastSeenUnixNs: unixNano(d.LastSeen),
		TxPackets: d.TxPackets, TxBytes: d.TxBytes, RxPackets: d.RxPackets, RxBytes: d.RxBytes,
	}
	for _, a := range d.Addrs[:min(len(d.Addrs), MaxList)] {
		p.Addrs = append(p.Addrs, a.AsSlice())
	}
	return p
}

// DeviceFrom reads what a gate knows of a device. MAC and VLAN come from the
// id, which must be well formed.
func DeviceFrom(p *linkv1.Device) (model.Device, error) {
	mac, vlan, err := model.DeviceID(p.GetId()).MAC()
	if err != nil {
		return model.Device{}, err
	}
	d := model.Device{
		ID: model.DeviceID(p.Id), Hostname: clip(p.Hostname, MaxShort), VLAN: vlan,
		MAC:       fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]),
		FirstSeen: fromUnixNano(p.FirstSeenUnixNs), LastSeen: fromUnixNano(p.LastSeenUnixNs),
		TxPackets: p.TxPackets, TxBytes: p.TxBytes, RxPackets: p.RxPackets, RxBytes: p.RxBytes,
	}
	for _, b := range p.Addrs[:min(len(p.Addrs), MaxList)] {
		if a, ok := netip.AddrFromSlice(b); ok {
			d.Addrs = append(d.Addrs, a)
		}
	}
	return d, nil
}

// PartState is what a part says of itself, read and checked.
type PartState struct {
	Software string
	Started  time.Time
	Coverage []model.Coverage
	Actions  map[model.ID]model.PartStatus
	Devices  []model.Device
	Sets     model.SetVersions
	Spooled  uint64
	Dropped  uint64
	Counters map[string]uint64
}

// StateFrom reads a part's state.
func StateFrom(p *linkv1.PartState, part model.PartID) (*PartState, error) {
	if len(p.GetActions()) > MaxStateList || len(p.GetDevices()) > MaxStateList || len(p.GetCounters()) > MaxStateShort {
		return nil, fmt.Errorf("part state: more than %d devices or actions or %d counters", MaxStateList, MaxStateShort)
	}
	s := &PartState{
		Software: clip(p.GetSoftware(), MaxShort), Started: fromUnixNano(p.GetStartedUnixNs()),
		Coverage: CoverageFrom(p.GetCoverage()), Spooled: p.GetSpooled(), Dropped: p.GetDropped(),
		Sets: model.SetVersions{
			Policy: p.GetSets()[SetPolicy], Actions: p.GetSets()[SetActions],
			Rules: p.GetSets()[SetRules], Reputation: p.GetSets()[SetReputation],
		},
		Counters: make(map[string]uint64, len(p.GetCounters())),
		Actions:  make(map[model.ID]model.PartStatus, len(p.GetActions())),
	}
	for name, v := range p.GetCounters() {
		s.Counters[clip(name, MaxShort)] = v
	}
	for _, a := range p.GetActions() {
		id, st, err := ActionStatusFrom(a, part)
		if err != nil {
			return nil, fmt.Errorf("part state: %w", err)
		}
		s.Actions[id] = st
	}
	for _, d := range p.GetDevices() {
		dev, err := DeviceFrom(d)
		if err != nil {
			return nil, fmt.Errorf("part state: %w", err)
		}
		dev.Gate = part
		s.Devices = append(s.Devices, dev)
	}
	return s, nil
}
