// Package topology knows the lab's network: a home behind a gate and a router,
// and an outside with servers and a victim. It builds it in network
// namespaces, takes it down, and runs code in one of them. It knows nothing of
// what runs there; internal/lab/instance and the demonstrations call it.
//
// No interface is ever made in the namespace of the caller.
package topology

import (
	"net/netip"
	"slices"
)

// Node is one host (or bridge) with a namespace of its own.
type Node string

// The nodes. Camera A is meant to carry an agent, camera B none.
const (
	CameraA  Node = "camera-a"
	CameraB  Node = "camera-b"
	Recorder Node = "recorder"
	TV       Node = "tv"
	Laptop   Node = "laptop"
	Switch   Node = "switch"
	Gate     Node = "gate"
	Router   Node = "router"
	ISP      Node = "isp"
	Internet Node = "internet"
	Victim   Node = "victim"
	Attacker Node = "attacker"
	Control  Node = "control"
)

// Nodes are all nodes, in the order they are built.
func Nodes() []Node {
	return []Node{Switch, Gate, Router, ISP, CameraA, CameraB, Recorder, TV, Laptop, Internet, Victim, Attacker, Control}
}

// Interface names inside the nodes.
const (
	HostPort    = "eth0" // of every host
	GateInside  = "in0"
	GateOutside = "out0"
	GateManage  = "mgmt0"
	RouterLAN   = "lan0"
	RouterWAN   = "wan0"
	bridgeName  = "br0"

	SwitchUplink = "uplink"
)

// The address plan. The outside uses ranges kept for documentation (RFC 5737,
// RFC 3849), which no real network routes: attack tools aim nowhere else.
var (
	HomeNet     = netip.MustParsePrefix("192.168.77.0/24")
	HomeNet6    = netip.MustParsePrefix("2001:db8:77::/64")
	OutsideNet  = netip.MustParsePrefix("203.0.113.0/24")
	OutsideNet6 = netip.MustParsePrefix("2001:db8:113::/64")
	ManageNet   = netip.MustParsePrefix("10.77.255.0/30")
)

// Addresses of servers on the outside, all in the node Internet unless said.
var (
	AddrRouterLAN = netip.MustParseAddr("192.168.77.1")
	AddrRouterWAN = netip.MustParseAddr("203.0.113.1")
	AddrControl   = netip.MustParseAddr("203.0.113.40") // node Control
	AddrManage    = netip.MustParseAddr("10.77.255.1")  // node Control, seen from the gate
	AddrGate      = netip.MustParseAddr("10.77.255.2")  // node Gate
	AddrDNS       = netip.MustParseAddr("203.0.113.53")
	AddrNTP       = netip.MustParseAddr("203.0.113.54")
	AddrHTTP      = netip.MustParseAddr("203.0.113.55")
	AddrSpeed     = netip.MustParseAddr("203.0.113.56")
	AddrMQTT      = netip.MustParseAddr("203.0.113.57")
	AddrCloud     = netip.MustParseAddr("203.0.113.58")
	AddrAttacker  = netip.MustParseAddr("203.0.113.66") // node Attacker
)

// VictimAddrs is how many addresses the victim has; each attack takes a fresh
// one, so that the block of the one before cannot help.
const VictimAddrs = 120

// VictimAddr gives the victim's n-th IPv4 address, n from 0 (taken modulo
// VictimAddrs).
func VictimAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + n%VictimAddrs)})
}

// VictimAddr6 gives the victim's n-th IPv6 address.
func VictimAddr6(n int) netip.Addr { return v6(OutsideNet6, byte(100+n%VictimAddrs)) }

// host is one node with one port and its addresses.
type host struct {
	node  Node
	last  byte // last byte of its addresses and MAC
	extra []byte
}

func homeHosts() []host {
	return []host{{node: CameraA, last: 11}, {node: CameraB, last: 12}, {node: Recorder, last: 20}, {node: TV, last: 30}, {node: Laptop, last: 40}}
}

func outsideHosts() []host {
	var more []byte
	for i := 1; i < VictimAddrs; i++ {
		more = append(more, byte(100+i))
	}
	return []host{
		{node: Internet, last: 50, extra: []byte{53, 54, 55, 56, 57, 58}},
		{node: Victim, last: 100, extra: more},
		{node: Attacker, last: 66},
		{node: Control, last: 40},
	}
}

// Addr gives the IPv4 address of a host of the home or the outside; the zero
// Addr for nodes that are none.
func Addr(n Node) netip.Addr {
	if i := slices.IndexFunc(homeHosts(), func(h host) bool { return h.node == n }); i >= 0 {
		return v4(HomeNet, homeHosts()[i].last)
	}
	if i := slices.IndexFunc(outsideHosts(), func(h host) bool { return h.node == n }); i >= 0 {
		return v4(OutsideNet, outsideHosts()[i].last)
	}
	return netip.Addr{}
}

// MAC gives the hardware address of a home host's port.
func MAC(n Node) [6]byte {
	for _, h := range homeHosts() {
		if h.node == n {
			return [6]byte(mac(0x77, h.last))
		}
	}
	return [6]byte{}
}

func v4(p netip.Prefix, last byte) netip.Addr {
	b := p.Addr().As4()
	b[3] = last
	return netip.AddrFrom4(b)
}

func v6(p netip.Prefix, last byte) netip.Addr {
	b := p.Addr().As16()
	b[15] = last
	return netip.AddrFrom16(b)
}

func mac(net, last byte) []byte { return []byte{0x02, 0x4d, 0x47, 0x00, net, last} }
