package control

import (
	"context"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/model"
)

// fleet are the enrolled parts as sensors of the reputation service.
type fleet struct {
	store interface {
		Parts(ctx context.Context) ([]model.Part, error)
		deviceFinder
	}
}

// maxDevicesRead bounds a page of devices.
const maxDevicesRead = 1000

// Sensors implements reputation.Fleet.
func (f fleet) Sensors(ctx context.Context) ([]reputation.Sensor, []netip.Addr, error) {
	parts, err := f.store.Parts(ctx)
	if err != nil {
		return nil, nil, err
	}
	var sensors []reputation.Sensor
	for i := range parts {
		if p := &parts[i]; !p.Revoked {
			sensors = append(sensors, reputation.Sensor{Part: p.ID, Owner: ownerOf(p), Since: p.Enrolled, Heard: p.LastSeen})
		}
	}
	var addrs []netip.Addr
	for page := (model.Page{Limit: maxDevicesRead}); ; {
		devices, next, err := f.store.Devices(ctx, "", page)
		if err != nil {
			return nil, nil, err
		}
		for i := range devices {
			addrs = append(addrs, devices[i].Addrs...)
		}
		if next == "" {
			return sensors, addrs, nil
		}
		page.Before = next
	}
}

// ownerOf says who answers for a part. OWNER/NAME comes from the token that the
// operator gave (a part that names itself cannot write a slash); a gate without
// it answers for itself. Agents without it are one owner together: a device
// chooses its own address, so nothing else says whose it is.
func ownerOf(p *model.Part) string {
	if owner, _, ok := strings.Cut(p.Name, "/"); ok && owner != "" {
		return "named " + owner
	}
	if p.Role == model.RoleGate {
		return string(p.ID)
	}
	return "agents"
}
