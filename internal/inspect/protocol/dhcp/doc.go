// Package dhcp parses DHCP for IPv4 (RFC 2131, options of RFC 2132): every
// message by itself. It keeps no leases. protocol/all lists it for the
// inspection engine.
package dhcp
