package xdp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of ETHTOOL_GFLAGS (linux/ethtool.h).
const (
	flagLRO    = 1 << 15
	flagRxVLAN = 1 << 8
)

// plainFrames turns off what a driver does to received frames that a
// redirect would lose: VLAN tags taken out of the frame, segments joined to
// ones longer than the link carries. The error says what is still on.
func plainFrames(iface string) error {
	flags, err := ethtool(iface, unix.ETHTOOL_GFLAGS, 0)
	if err != nil || flags&(flagLRO|flagRxVLAN) == 0 {
		return nil // a driver without these flags does neither
	}
	if _, err := ethtool(iface, unix.ETHTOOL_SFLAGS, flags&^(flagLRO|flagRxVLAN)); err != nil {
		return fmt.Errorf("%s: turn off receive offloads: %w; VLAN tags or long segments may be lost: ethtool -K %s rxvlan off lro off", iface, err, iface)
	}
	return nil
}

// ethtool sends one of the commands with one word and gives the word back.
func ethtool(iface string, command, value uint32) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	arg := struct{ command, value uint32 }{command, value}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], iface)
	req.data = unsafe.Pointer(&arg)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return 0, errno
	}
	return arg.value, nil
}
