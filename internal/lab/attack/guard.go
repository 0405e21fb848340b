// Package attack holds the lab's attack tools: a bot that floods the lab's
// victim. It exists to prove that Masugata stops it. A bot runs only inside a
// device of a lab, sends only to the addresses kept for documentation that the
// lab uses as its outside, and ends by itself at a bound of time and packets.
// Only the lab's roles call it.
package attack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// The bounds of one attack.
const (
	MaxPPS      = 100_000
	MaxDuration = 60 * time.Second
	MaxPackets  = 4_000_000
)

// Permit says where bots of one lab may run. The lab writes it when it is
// built; a bot without one does nothing.
type Permit struct {
	Alias      string   `json:"alias"`      // label of every port of the lab
	Namespaces []uint64 `json:"namespaces"` // inodes of its devices' network namespaces
	Host       uint64   `json:"host"`       // inode of the machine's own: never there
}

// Order is one attack.
type Order struct {
	Vector   model.Vector  `json:"vector"`
	Target   netip.Addr    `json:"target"`
	Device   uint8         `json:"device"` // mark in every packet, 1 to 15
	PPS      int           `json:"pps"`
	Duration time.Duration `json:"duration"`
	Permit   string        `json:"permit"` // path of the permit
	Log      string        `json:"log"`    // path of the log, made anew
}

// Vectors are all vectors in the order they are shown.
func Vectors() []model.Vector {
	return []model.Vector{model.VectorUDP, model.VectorSYN, model.VectorACK, model.VectorICMP, model.VectorDNS, model.VectorHTTP, model.VectorSpoofed}
}

// Check refuses an order that is out of bounds, and any place that is not a
// device of the permit's lab.
func (o *Order) Check() error {
	switch {
	case !slices.Contains(Vectors(), o.Vector):
		return fmt.Errorf("attack: vector %q: want one of %v", o.Vector, Vectors())
	case o.PPS < 1 || o.PPS > MaxPPS:
		return fmt.Errorf("attack: %d packets per second: want 1 to %d", o.PPS, MaxPPS)
	case o.Duration <= 0 || o.Duration > MaxDuration:
		return fmt.Errorf("attack: duration %s: want more than 0 and at most %s", o.Duration, MaxDuration)
	case o.Device < 1 || o.Device > 15:
		return fmt.Errorf("attack: device mark %d: want 1 to 15", o.Device)
	case o.Target.Is6() && (o.Vector != model.VectorUDP && o.Vector != model.VectorDNS && o.Vector != model.VectorHTTP):
		return fmt.Errorf("attack: vector %s is made for IPv4 only", o.Vector)
	}
	if err := checkTarget(o.Target); err != nil {
		return err
	}
	return checkPlace(o.Permit)
}

func checkTarget(target netip.Addr) error {
	for n := range topology.VictimAddrs {
		if target == topology.VictimAddr(n) || target == topology.VictimAddr6(n) {
			return nil
		}
	}
	return fmt.Errorf("attack: target %s is not an address of the lab's victim; nothing else is ever attacked", target)
}

func checkPlace(permit string) error {
	data, err := os.ReadFile(permit)
	if err != nil {
		return fmt.Errorf("attack: no permit, so this is not a lab device: %w", err)
	}
	var p Permit
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("attack: permit %s: %w", permit, err)
	}
	here, err := topology.Inode("/proc/self/ns/net")
	if err != nil {
		return fmt.Errorf("attack: %w", err)
	}
	if here == p.Host || !slices.Contains(p.Namespaces, here) {
		return errors.New("attack: refused: this network namespace is not a device of the lab")
	}
	return checkPorts(p.Alias)
}

// checkPorts refuses a namespace with a port that the lab did not make.
func checkPorts(alias string) error {
	ports, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("attack: %w", err)
	}
	for _, i := range ports {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		got, err := topology.PortAlias(i.Index)
		if err != nil {
			return fmt.Errorf("attack: %w", err)
		}
		if alias == "" || got != alias {
			return fmt.Errorf("attack: refused: port %s is labelled %q and not of the lab", i.Name, got)
		}
	}
	return nil
}
