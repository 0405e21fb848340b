package model

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Policy is what an operator allows Masugata to do. The control plane reads
// it from YAML (internal/decide/policy), signs it and sends it to every part.
type Policy struct {
	Version      uint64                   `json:"version"`
	FloodMode    Mode                     `json:"flood_mode"`              // blocks against floods
	KillMode     Mode                     `json:"kill_mode"`               // ending a flooding process on its device
	BlockTTL     time.Duration            `json:"block_ttl"`               // longest life of a block that is not renewed
	Protected    []netip.Prefix           `json:"protected"`               // never blocked as a destination
	AntiSpoof    bool                     `json:"anti_spoof"`              // gates drop sources that are not of the inside
	Limits       FloodLimits              `json:"limits"`                  // hard ceilings of every device
	DeviceLimits map[DeviceID]FloodLimits `json:"device_limits,omitempty"` // of named devices; a zero field falls back to Limits
	InspectMode  Mode                     `json:"inspect_mode,omitempty"`  // inspection rules: off, observe, enforce; empty: as each gate's configuration says
	// InspectDevices are the modes of devices that have one of their own.
	InspectDevices map[DeviceID]Mode `json:"inspect_devices,omitempty"`
	// Reputation says what is done about things of bad reputation, and
	// ReputationDevices what is for devices that have a word of their own.
	Reputation        ReputationPolicy              `json:"reputation,omitzero"`
	ReputationDevices map[DeviceID]ReputationPolicy `json:"reputation_devices,omitempty"`
	// Contacts says whether gates tell whom devices speak with: off or observe;
	// empty is observe. A gate's configuration may forbid it, too.
	Contacts        Mode              `json:"contacts,omitempty"`
	ContactsDevices map[DeviceID]Mode `json:"contacts_devices,omitempty"` // of devices that have a word of their own
	WatchPaths      []string          `json:"watch_paths,omitempty"`      // trees that agents watch, beside their own configuration
}

// ReputationPolicy says what is done about things of bad reputation. What is
// empty holds as it does for all devices, and of all as each part's own
// configuration says.
type ReputationPolicy struct {
	Mode  Mode  `json:"mode,omitempty" yaml:"mode"`   // off, observe (tell only), enforce (stop)
	Score uint8 `json:"score,omitempty" yaml:"score"` // least score that counts: 50, 75 or 90
}

// Over gives p, completed by wide where it says nothing.
func (p ReputationPolicy) Over(wide ReputationPolicy) ReputationPolicy {
	return ReputationPolicy{Mode: cmp.Or(p.Mode, wide.Mode), Score: cmp.Or(p.Score, wide.Score)}
}

// Valid says whether the mode is off, observe, enforce or empty, and the score
// 50, 75, 90 or 0.
func (p ReputationPolicy) Valid() bool {
	return slices.Contains([]Mode{"", ModeOff, ModeObserve, ModeEnforce}, p.Mode) && slices.Contains([]uint8{0, 50, 75, 90}, p.Score)
}

// ReputationOf gives what the policy says for one device.
func (p *Policy) ReputationOf(d DeviceID) ReputationPolicy {
	return p.ReputationDevices[d].Over(p.Reputation)
}

// AtMost gives the mode that does less of m and limit, of off, observe and all
// others.
func (m Mode) AtMost(limit Mode) Mode {
	for _, less := range [...]Mode{ModeOff, ModeObserve} {
		if m == less || limit == less {
			return less
		}
	}
	return m
}

// TellsContacts says whether gates may tell whom a device speaks with.
func (p *Policy) TellsContacts(d DeviceID) bool {
	return cmp.Or(p.ContactsDevices[d], p.Contacts) != ModeOff
}

// FloodLimits are hard ceilings, per second and device, towards the outside.
// 0 leaves the part's own default.
type FloodLimits struct {
	UDP     uint32 `json:"udp_pps" yaml:"udp_pps"`         // UDP packets to one destination without answers in proportion
	SYN     uint32 `json:"syn_pps" yaml:"syn_pps"`         // connection attempts
	ACK     uint32 `json:"ack_pps" yaml:"ack_pps"`         // TCP segments outside any connection
	ICMP    uint32 `json:"icmp_pps" yaml:"icmp_pps"`       // ICMP and ICMPv6
	DNS     uint32 `json:"dns_qps" yaml:"dns_qps"`         // DNS queries
	HTTP    uint32 `json:"http_rps" yaml:"http_rps"`       // HTTP requests to one destination
	Spoofed uint32 `json:"spoofed_pps" yaml:"spoofed_pps"` // packets with a source that is not the device's
}
