package routes

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace moves the test's thread, which ends with it, to a network
// namespace of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
	run(t, "link", "set", "lo", "up")
	run(t, "route", "add", "default", "dev", "lo", "src", "127.0.0.1")
	run(t, "-6", "addr", "add", "2001:db8::1/64", "dev", "lo", "nodad")
	run(t, "-6", "route", "add", "default", "dev", "lo", "src", "2001:db8::1")
}

// run is called from the locked thread, whose namespace the program gets.
func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
	return string(out)
}

// send sends a datagram as any program would.
func send(to string) error {
	a := netip.MustParseAddr(to)
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: 9, Addr: a.As16()}
	if a.Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: 9, Addr: a.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("x"), 0, sa)
}

func TestProhibited(t *testing.T) {
	inNamespace(t)
	t4, t6 := "198.51.100.7", "2001:db8:bad::7"
	table, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []string{t4, t6} {
		if err := send(s); err != nil {
			t.Fatalf("%s before: %v", s, err)
		}
		for range 2 {
			if err := table.Prohibit(netip.MustParseAddr(s), time.Unix(int64(i), 0)); err != nil {
				t.Fatal(err)
			}
		}
		if err := send(s); !errors.Is(err, unix.EACCES) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := send("198.51.100.8"); err != nil {
		t.Error(err)
	}
	run(t, "route", "add", "203.0.113.1/32", "dev", "lo")
	if table.Prohibit(netip.MustParseAddr("203.0.113.1"), time.Time{}) == nil {
		t.Error("another's route was replaced")
	}
	// A process that was killed leaves its routes; the next takes them away.
	unix.Close(table.fd)
	if text := run(t, "route", "show", "type", "prohibit"); !strings.Contains(text, t4) {
		t.Fatal(text)
	}
	if table, err = Open(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{t4, t6, "203.0.113.1"} {
		if err := send(s); err != nil {
			t.Errorf("%s after a restart: %v", s, err)
		}
	}
	for i := range 10 {
		if err := table.Prohibit(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), time.Unix(int64(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	table.Keep(5, func(a netip.Addr, _ time.Time) bool { return a.As4()[3] != 9 })
	for i, want := range []bool{false, false, false, false, true, true, true, true, true, false} {
		if got := send(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()); (got != nil) != want {
			t.Errorf("198.51.100.%d: %v", i, got)
		}
	}
	if err := table.Close(); err != nil || send("198.51.100.5") != nil {
		t.Error("something stays after Close", err)
	}
}

func FuzzParseRoutes(f *testing.F) {
	for _, s := range []string{"198.51.100.7", "2001:db8::7"} {
		b := request(unix.RTM_NEWROUTE, 0, netip.MustParseAddr(s))
		f.Add(b)
		f.Add(append(b, b...))
		f.Add(b[:len(b)-3])
		n := 0
		if done, err := ParseRoutes(b, func(a netip.Addr) {
			if a.String() == s {
				n++
			}
		}); done || err != nil || n != 1 {
			f.Fatal(done, err, n)
		}
	}
	e := make([]byte, 20)
	binary.NativeEndian.PutUint32(e, 20)
	binary.NativeEndian.PutUint16(e[4:], unix.NLMSG_ERROR)
	f.Add(e)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = ParseRoutes(b, func(a netip.Addr) {
			if n++; !a.IsValid() {
				t.Fatal("an address that is none")
			}
		})
		if n*(sizeHeader+sizeRoute) > len(b) {
			t.Fatal("more routes than fit")
		}
	})
}
