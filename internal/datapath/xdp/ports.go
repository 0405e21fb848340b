package xdp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// port is one side of the data path.
type port struct {
	name  string // "inside" or "outside": also the name of its pin
	iface string
	index int
	prog  *ebpf.Program
	link  link.Link
}

// bringUp finds the interface, sets it up and promiscuous, so that frames
// for others arrive.
func (p *port) bringUp() error {
	l, err := netlink.LinkByName(p.iface)
	if err != nil {
		return fmt.Errorf("%s port %s: %w", p.name, p.iface, err)
	}
	p.index = l.Attrs().Index
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s port %s up: %w", p.name, p.iface, err)
	}
	if err := netlink.SetPromiscOn(l); err != nil {
		return fmt.Errorf("set %s port %s promiscuous: %w", p.name, p.iface, err)
	}
	return nil
}

// adopt puts the program in the place of the one that a former process left
// on the port; false when there is none that still holds this interface.
func (p *port) adopt(dir string) (bool, error) {
	path := filepath.Join(dir, p.name)
	l, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open pinned link of the %s port: %w", p.name, err)
	}
	if p.holds(l) && l.Update(p.prog) == nil {
		p.link = l
		return true, nil
	}
	l.Close()
	// The interface is gone or was made anew: the pin holds nothing.
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("remove stale link of the %s port: %w", p.name, err)
	}
	return false, nil
}

// holds says whether the link's program runs on this very interface: its
// number alone may be that of one in another namespace.
func (p *port) holds(l link.Link) bool {
	info, err := l.Info()
	if err != nil || info.XDP() == nil || int(info.XDP().Ifindex) != p.index {
		return false
	}
	iface, err := netlink.LinkByIndex(p.index)
	return err == nil && iface.Attrs().Xdp != nil && iface.Attrs().Xdp.ProgId == uint32(info.Program)
}

func (p *port) attach(dir string, flags link.XDPAttachFlags) error {
	l, err := link.AttachXDP(link.XDPOptions{Program: p.prog, Interface: p.index, Flags: flags})
	if err != nil {
		return fmt.Errorf("attach to %s port %s: %w", p.name, p.iface, err)
	}
	if err := l.Pin(filepath.Join(dir, p.name)); err != nil {
		l.Close()
		return fmt.Errorf("pin link of the %s port: %w", p.name, err)
	}
	p.link = l
	return nil
}

// release takes the program off the port.
func (p *port) release(dir string) error {
	if p.link == nil {
		return nil
	}
	err := errors.Join(os.Remove(filepath.Join(dir, p.name)), p.link.Detach(), p.link.Close())
	p.link = nil
	return err
}

// attachMode asks the kernel how the port's program is attached.
func (p *port) attachMode() Mode {
	l, err := netlink.LinkByIndex(p.index)
	const attachedGeneric = 2 // XDP_ATTACHED_SKB of linux/if_link.h
	if err == nil && l.Attrs().Xdp != nil && l.Attrs().Xdp.AttachMode == attachedGeneric {
		return ModeGeneric
	}
	return ModeNative
}

// attachPorts adopts or attaches both. A native program can only redirect to
// a native port, so both get the same mode.
func attachPorts(ports []*port, dir string, generic bool) (degraded []string, err error) {
	var fresh []*port
	mode := link.XDPDriverMode
	if generic {
		mode = link.XDPGenericMode
	}
	for _, p := range ports {
		ok, err := p.adopt(dir)
		if err != nil {
			return nil, err
		}
		if !ok {
			fresh = append(fresh, p)
		} else if p.attachMode() == ModeGeneric {
			mode = link.XDPGenericMode
		}
	}
	nativeErr := attachAll(fresh, dir, mode)
	if nativeErr == nil || mode == link.XDPGenericMode {
		return nil, nativeErr
	}
	for _, p := range ports {
		if err := p.release(dir); err != nil {
			return nil, err
		}
	}
	if err := attachAll(ports, dir, link.XDPGenericMode); err != nil {
		return nil, errors.Join(nativeErr, err)
	}
	return []string{fmt.Sprintf("native XDP is not available (%v): the slower generic XDP is used; "+
		"a network card whose driver has XDP would mend it", nativeErr)}, nil
}

func attachAll(ports []*port, dir string, flags link.XDPAttachFlags) error {
	for i, p := range ports {
		if err := p.attach(dir, flags); err != nil {
			for _, done := range ports[:i] {
				err = errors.Join(err, done.release(dir))
			}
			return err
		}
	}
	return nil
}
