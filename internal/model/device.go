package model

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// DeviceID names a device everywhere: "mac-" and the twelve lower-case hex
// digits of the MAC address it uses on its network, followed by ".vN" when it
// is seen in VLAN N. Agent and gate derive it alone and get the same.
type DeviceID string

// NewDeviceID builds the ID from a MAC address of 6 bytes; vlan is 0 for
// untagged frames.
func NewDeviceID(mac [6]byte, vlan uint16) DeviceID {
	const hexDigits = "0123456789abcdef"
	b := make([]byte, 0, 22)
	b = append(b, "mac-"...)
	for _, c := range mac {
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	if vlan != 0 {
		b = append(b, ".v"...)
		b = appendUint(b, vlan)
	}
	return DeviceID(b)
}

func appendUint(b []byte, v uint16) []byte {
	if v >= 10 {
		b = appendUint(b, v/10)
	}
	return append(b, byte('0'+v%10))
}

// MAC gives back the address in the ID.
func (d DeviceID) MAC() (mac [6]byte, vlan uint16, err error) {
	s, ok := strings.CutPrefix(string(d), "mac-")
	if !ok || len(s) < 12 {
		return mac, 0, errDeviceID
	}
	for i := range mac {
		hi, lo := unhex(s[2*i]), unhex(s[2*i+1])
		if hi > 15 || lo > 15 {
			return mac, 0, errDeviceID
		}
		mac[i] = hi<<4 | lo
	}
	rest := s[12:]
	if rest == "" {
		return mac, 0, nil
	}
	digits, ok := strings.CutPrefix(rest, ".v")
	if !ok || digits == "" || len(digits) > 4 || digits[0] == '0' {
		return mac, 0, errDeviceID
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return mac, 0, errDeviceID
		}
		vlan = vlan*10 + uint16(c-'0')
	}
	if vlan > 4094 {
		return mac, 0, errDeviceID
	}
	return mac, vlan, nil
}

var errDeviceID = errors.New("device id: want mac-020000000a01 or mac-020000000a01.v12")

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// Device is what is known of one device in a protected network.
type Device struct {
	ID        DeviceID     `json:"id"`
	Name      string       `json:"name"`
	Kind      string       `json:"kind"` // camera, recorder, tv, … ; empty when unknown
	MAC       string       `json:"mac"`
	VLAN      uint16       `json:"vlan"`
	Addrs     []netip.Addr `json:"addrs"`
	Vendor    string       `json:"vendor"`
	Hostname  string       `json:"hostname"`
	Agent     PartID       `json:"agent"` // the agent on it, empty without one
	Gate      PartID       `json:"gate"`  // the gate that sees its traffic
	State     DeviceState  `json:"state"`
	FirstSeen time.Time    `json:"first_seen"`
	LastSeen  time.Time    `json:"last_seen"`
	TxPackets uint64       `json:"tx_packets"` // towards the outside, as counted by the gate since it started
	TxBytes   uint64       `json:"tx_bytes"`
	RxPackets uint64       `json:"rx_packets"`
	RxBytes   uint64       `json:"rx_bytes"`
}

// DeviceState is how a device stands now.
type DeviceState string

// The device states.
const (
	DeviceOK        DeviceState = "ok"
	DeviceAttacking DeviceState = "attacking" // an open incident names it as a source
	DeviceContained DeviceState = "contained" // it attacked, and an action holds it
)

// PartID names an enrolled agent or gate: its role and a random word, such as
// "agent-3f9c2a71d0b4".
type PartID string

// Role says what a part is.
type Role string

// The roles that enrol.
const (
	RoleAgent Role = "agent"
	RoleGate  Role = "gate"
)

// Part is one enrolled agent or gate.
type Part struct {
	ID       PartID      `json:"id"`
	Role     Role        `json:"role"`
	Name     string      `json:"name"`
	Device   DeviceID    `json:"device,omitempty"` // agents: the device they run on
	Version  string      `json:"version"`
	Enrolled time.Time   `json:"enrolled"`
	NotAfter time.Time   `json:"not_after"` // end of the current certificate
	LastSeen time.Time   `json:"last_seen"`
	Revoked  bool        `json:"revoked"`
	Coverage []Coverage  `json:"coverage,omitempty"`
	Spooled  uint64      `json:"spooled"` // events waiting on its disk
	Dropped  uint64      `json:"dropped"` // events it dropped since it started
	SetsSeen SetVersions `json:"sets"`    // versions of the signed sets it runs on
}

// SetVersions are the versions of the signed sets, 0 for none.
type SetVersions struct {
	Policy     uint64 `json:"policy"`
	Actions    uint64 `json:"actions"`
	Rules      uint64 `json:"rules"`
	Reputation uint64 `json:"reputation"`
}

// Coverage says of one protection whether it works on a part.
type Coverage struct {
	Layer      Layer  `json:"layer"`
	Protection string `json:"protection"` // such as "flood.outbound", "file.integrity", "process.start"
	Active     bool   `json:"active"`
	Reason     string `json:"reason,omitempty"` // why it is not active, and what would mend it
}
