package topology

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where `ip netns` looks for named namespaces.
const netnsDir = "/run/netns"

// Net is one lab network. Its namespaces are named PREFIX-NODE, so that
// several labs can stand side by side.
type Net struct {
	Prefix string
	// Cable joins the gate's two ports with a bridge, for a lab without the
	// gate's program.
	Cable bool
}

// Name gives the name of a node's namespace, as `ip netns` shows it.
func (n *Net) Name(node Node) string { return n.Prefix + "-" + string(node) }

// Path gives the file that holds a node's namespace.
func (n *Net) Path(node Node) string { return filepath.Join(netnsDir, n.Name(node)) }

// Alias is the label that every port of this lab carries; attack tools send
// from no other.
func (n *Net) Alias() string { return "masugata-lab-" + n.Prefix }

// Build makes all namespaces, cables, addresses and routes. On an error,
// what was made is taken down again. It needs root.
func (n *Net) Build() (err error) {
	if os.Geteuid() != 0 {
		return errors.New("lab network: needs root to make network namespaces; run it with sudo")
	}
	if _, err := os.Stat(n.Path(Switch)); err == nil {
		return fmt.Errorf("lab network: %s is there already; run `masugata lab down` first", n.Path(Switch))
	}
	defer func() {
		if err != nil {
			_ = n.Remove()
		}
	}()
	b := builder{net: n, open: map[Node]*space{}}
	defer b.close()
	steps := []func() error{b.spaces, b.home, b.gatePath, b.outside, b.management, b.routes}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("lab network: %w", err)
		}
	}
	return nil
}

// Remove takes all namespaces of the lab down; those that are gone already
// are no error. Ports vanish with them.
func (n *Net) Remove() error {
	var errs []error
	for _, node := range Nodes() {
		p := n.Path(node)
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// space is one open namespace with a netlink socket in it.
type space struct {
	ns netns.NsHandle
	nl *netlink.Handle
}

type builder struct {
	net  *Net
	open map[Node]*space
}

func (b *builder) close() {
	for _, s := range b.open {
		s.nl.Close()
		s.ns.Close()
	}
}

func (b *builder) spaces() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	for _, node := range Nodes() {
		if err := makeNamespace(b.net.Path(node)); err != nil {
			return err
		}
		h, err := netns.GetFromPath(b.net.Path(node))
		if err != nil {
			return fmt.Errorf("open %s: %w", b.net.Path(node), err)
		}
		nl, err := netlink.NewHandleAt(h)
		if err != nil {
			return fmt.Errorf("netlink in %s: %w", node, err)
		}
		b.open[node] = &space{ns: h, nl: nl}
		lo, err := nl.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
		if err := nl.LinkSetUp(lo); err != nil {
			return fmt.Errorf("%s: lo up: %w", node, err)
		}
		if err := b.net.Do(node, func() error { return nodeSysctls(node) }); err != nil {
			return err
		}
	}
	return nil
}

// end is one end of a cable.
type end struct {
	node  Node
	port  string
	mac   []byte // nil: any
	addrs []netip.Prefix
}

// gateQueues is how many queues of 256 packets the gate's ports have. With one,
// packets are lost at the port whenever the machine is busy for a few
// milliseconds, which says nothing of the gate.
const gateQueues = 8

// cable makes a veth pair with both ends in their namespaces at once, so that
// the caller's namespace never holds it.
func (b *builder) cable(a, z end) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = a.port, net.HardwareAddr(a.mac)
	attrs.TxQLen = 1000
	if a.node == Gate || z.node == Gate {
		attrs.NumTxQueues, attrs.NumRxQueues = gateQueues, gateQueues
	}
	v := netlink.NewVeth(attrs)
	v.PeerName, v.PeerHardwareAddr = z.port, net.HardwareAddr(z.mac)
	v.PeerNamespace = netlink.NsFd(int(b.open[z.node].ns))
	if err := b.open[a.node].nl.LinkAdd(v); err != nil {
		return fmt.Errorf("cable %s:%s to %s:%s: %w", a.node, a.port, z.node, z.port, err)
	}
	for _, e := range []end{a, z} {
		if err := b.portUp(e); err != nil {
			return fmt.Errorf("%s:%s: %w", e.node, e.port, err)
		}
	}
	return nil
}

func (b *builder) portUp(e end) error {
	nl := b.open[e.node].nl
	l, err := nl.LinkByName(e.port)
	if err != nil {
		return err
	}
	if err := nl.LinkSetAlias(l, b.net.Alias()); err != nil {
		return fmt.Errorf("alias: %w", err)
	}
	for _, p := range e.addrs {
		a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := nl.AddrAdd(l, a); err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	if err := nl.LinkSetUp(l); err != nil {
		return err
	}
	// Only a port that is up tells its peer that XDP may redirect to it.
	return b.net.Do(e.node, func() error { return tunePort(e.port, e.port == SwitchUplink || e.port == RouterLAN) })
}

func (b *builder) bridge(node Node, ports ...string) error {
	nl := b.open[node].nl
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	off := false
	br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}
	if err := nl.LinkAdd(br); err != nil {
		return fmt.Errorf("bridge in %s: %w", node, err)
	}
	for _, p := range ports {
		l, err := nl.LinkByName(p)
		if err != nil {
			return fmt.Errorf("%s:%s: %w", node, p, err)
		}
		if err := nl.LinkSetMaster(l, br); err != nil {
			return fmt.Errorf("%s:%s into the bridge: %w", node, p, err)
		}
	}
	return nl.LinkSetUp(br)
}

func hostEnd(h host, netID byte, p4, p6 netip.Prefix) end {
	e := end{node: h.node, port: HostPort, mac: mac(netID, h.last)}
	for _, last := range append([]byte{h.last}, h.extra...) {
		e.addrs = append(e.addrs, netip.PrefixFrom(v4(p4, last), p4.Bits()), netip.PrefixFrom(v6(p6, last), p6.Bits()))
	}
	return e
}

func (b *builder) home() error {
	ports := []string{SwitchUplink}
	for _, h := range homeHosts() {
		port := string(h.node)
		if err := b.cable(hostEnd(h, 0x77, HomeNet, HomeNet6), end{node: Switch, port: port}); err != nil {
			return err
		}
		ports = append(ports, port)
	}
	if err := b.cable(end{node: Switch, port: SwitchUplink}, end{node: Gate, port: GateInside}); err != nil {
		return err
	}
	return b.bridge(Switch, ports...)
}

func (b *builder) gatePath() error {
	lan := end{node: Router, port: RouterLAN, mac: mac(0x77, 1), addrs: []netip.Prefix{
		netip.PrefixFrom(AddrRouterLAN, HomeNet.Bits()), netip.PrefixFrom(v6(HomeNet6, 1), HomeNet6.Bits())}}
	if err := b.cable(end{node: Gate, port: GateOutside}, lan); err != nil {
		return err
	}
	if b.net.Cable {
		return b.bridge(Gate, GateInside, GateOutside)
	}
	return nil
}

func (b *builder) outside() error {
	wan := end{node: Router, port: RouterWAN, mac: mac(0x71, 1), addrs: []netip.Prefix{
		netip.PrefixFrom(AddrRouterWAN, OutsideNet.Bits()), netip.PrefixFrom(v6(OutsideNet6, 1), OutsideNet6.Bits())}}
	if err := b.cable(wan, end{node: ISP, port: "router"}); err != nil {
		return err
	}
	ports := []string{"router"}
	for _, h := range outsideHosts() {
		if err := b.cable(hostEnd(h, 0x71, OutsideNet, OutsideNet6), end{node: ISP, port: string(h.node)}); err != nil {
			return err
		}
		ports = append(ports, string(h.node))
	}
	return b.bridge(ISP, ports...)
}

func (b *builder) management() error {
	bits := ManageNet.Bits()
	return b.cable(
		end{node: Gate, port: GateManage, addrs: []netip.Prefix{netip.PrefixFrom(AddrGate, bits)}},
		end{node: Control, port: "mgmt0", addrs: []netip.Prefix{netip.PrefixFrom(AddrManage, bits)}})
}

func (b *builder) routes() error {
	add := func(hosts []host, gw4, gw6 netip.Addr) error {
		for _, h := range hosts {
			for _, gw := range []netip.Addr{gw4, gw6} {
				if err := b.defaultRoute(h.node, gw); err != nil {
					return fmt.Errorf("%s: default route by %s: %w", h.node, gw, err)
				}
			}
		}
		return nil
	}
	if err := add(homeHosts(), AddrRouterLAN, v6(HomeNet6, 1)); err != nil {
		return err
	}
	return add(outsideHosts(), AddrRouterWAN, v6(OutsideNet6, 1))
}

func (b *builder) defaultRoute(node Node, gw netip.Addr) error {
	nl := b.open[node].nl
	l, err := nl.LinkByName(HostPort)
	if err != nil {
		return err
	}
	bits := gw.BitLen()
	return nl.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: gw.AsSlice(),
		Dst: &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}})
}
