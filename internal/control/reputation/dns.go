package reputation

import (
	"context"
	"net/netip"

	"github.com/masugata/masugata/internal/control/reputation/dnsbl"
)

// ServeDNS answers DNS where the configuration says, until ctx ends; without
// an address it returns at once.
func (s *Service) ServeDNS(ctx context.Context) error {
	c := &s.cfg.DNS
	if c.Listen == "" {
		return nil
	}
	clients := make([]netip.Prefix, 0, len(c.Clients))
	for _, text := range c.Clients {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		clients = append(clients, p.Masked())
	}
	zones, err := dnsbl.New(dnsbl.Config{Zone: c.Zone, RPZ: c.RPZ, Least: uint8(c.Least), Clients: clients, Source: lists{s}})
	if err != nil {
		return err
	}
	return zones.Serve(ctx, c.Listen)
}
