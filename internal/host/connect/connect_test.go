package connect

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test runs itself again in a network namespace of its own: there the
// filter holds for nobody else on the machine.
const inside = "MASUGATA_TEST_INSIDE"

func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ns := "mgtc" + strconv.Itoa(os.Getpid()) + strconv.Itoa(len(t.Name()))
	run := func(args ...string) {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	run("netns", "add", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	run("-n", ns, "link", "set", "lo", "up")
	run("-n", ns, "route", "add", "default", "dev", "lo", "src", "127.0.0.1")
	run("-n", ns, "-6", "addr", "add", "2001:db8::1/64", "dev", "lo", "nodad")
	run("-n", ns, "-6", "addr", "add", "2001:db8::2/64", "dev", "lo", "nodad")
	run("-n", ns, "-6", "route", "add", "default", "dev", "lo", "src", "2001:db8::1")
	// The first hides the machine's mounts below /sys, the second shows them.
	for _, enter := range [][]string{{"ip", "netns", "exec", ns}, {"nsenter", "--net=/run/netns/" + ns}} {
		args := append(enter[1:], self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
		cmd := exec.Command(enter[0], args...)
		cmd.Env = append(os.Environ(), inside+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s: %s", enter[0], out)
		if err != nil {
			t.Error(err)
		}
	}
	return false
}

func open(t *testing.T) *Filter {
	t.Helper()
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if f.cookie == 0 {
		t.Fatal("the filter would hold for the whole machine")
	}
	f.self = 0 // the test is the one that is refused
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func set(t *testing.T, f *Filter, refuse bool, list ...string) {
	t.Helper()
	var prefixes []netip.Prefix
	for _, s := range list {
		prefixes = append(prefixes, netip.MustParsePrefix(s))
	}
	if err := f.Set(slices.Values(prefixes), refuse); err != nil {
		t.Fatal(err)
	}
	if l := f.Limits(); l != "" {
		t.Fatal(l)
	}
}

// reach begins to speak in one of the ways programs do.
func reach(how, to string) error {
	addr := netip.MustParseAddrPort(to)
	kind := unix.SOCK_DGRAM
	if how == "tcp" {
		kind = unix.SOCK_STREAM
	}
	family, port := unix.AF_INET6, int(addr.Port())
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: addr.Addr().As16()}
	if addr.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: addr.Addr().As4()}
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if how == "sendto" {
		return unix.Sendto(fd, []byte("x"), 0, sa)
	}
	return unix.Connect(fd, sa)
}

func attempts(t *testing.T, f *Filter) (out []Attempt) {
	t.Helper()
	if err := f.Attempts(func(a Attempt) { out = append(out, a) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestListedAddressesAreRefused(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l, err := net.Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := open(t)
	listed := []string{"127.0.0.2/32", "2001:db8::2/128"}
	ways := []struct {
		how, to string
		bad     bool
	}{
		{"tcp", "127.0.0.2:7", true}, {"tcp", "127.0.0.3:7", false}, {"tcp", "127.0.0.1:7", false},
		{"connect", "127.0.0.2:9", true}, {"sendto", "127.0.0.2:9", true}, {"sendto", "127.0.0.3:9", false},
		{"tcp", "[2001:db8::2]:7", true}, {"tcp", "[2001:db8::1]:7", false}, {"sendto", "[2001:db8::2]:9", true},
		{"tcp", "[::ffff:127.0.0.2]:7", true}, {"tcp", "[::ffff:127.0.0.3]:7", false}, {"sendto", "[::ffff:127.0.0.2]:9", true},
	}
	for _, refuse := range []bool{true, false} {
		set(t, f, refuse, listed...)
		for _, w := range ways {
			err := reach(w.how, w.to)
			if refuse && w.bad && !errors.Is(err, unix.EPERM) || !(refuse && w.bad) && err != nil {
				t.Errorf("refuse %v: %s %s: %v", refuse, w.how, w.to, err)
			}
			got := attempts(t, f)
			if !w.bad {
				if len(got) != 0 {
					t.Errorf("%s %s: told %+v", w.how, w.to, got)
				}
				continue
			}
			want := netip.MustParseAddrPort(w.to)
			want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
			if len(got) != 1 || got[0].Remote != want || got[0].PID != uint32(os.Getpid()) || got[0].Count != 1 ||
				got[0].Name == "" || got[0].Proto != map[bool]uint8{true: 6, false: 17}[w.how == "tcp"] {
				t.Errorf("%s %s: told %+v", w.how, w.to, got)
			}
		}
	}
	for range 3 {
		_ = reach("sendto", "127.0.0.2:9")
	}
	if got := attempts(t, f); len(got) != 1 || got[0].Count != 3 {
		t.Errorf("three of one kind: %+v", got)
	}
	f.self = uint32(os.Getpid())
	set(t, f, true, listed...)
	if err := reach("tcp", "127.0.0.2:7"); err != nil || len(attempts(t, f)) != 0 {
		t.Errorf("the process itself: %v", err)
	}
	f.self, f.anyone = 0, true // as before kernel 5.7
	if err := f.Set(slices.Values([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}), true); err != nil || !strings.Contains(f.Limits(), "5.7") {
		t.Error(err, f.Limits())
	}
	if err := reach("tcp", "127.0.0.2:7"); !errors.Is(err, unix.EPERM) {
		t.Error(err)
	}
	if got := attempts(t, f); len(got) != 1 || got[0].PID != 0 || got[0].Name != "" || got[0].Remote.String() != "127.0.0.2:7" {
		t.Errorf("without a process: %+v", got)
	}
	f.anyone = false
	set(t, f, true)
	if err := reach("tcp", "127.0.0.2:7"); err != nil {
		t.Errorf("after an empty list: %v", err)
	}
	set(t, f, true, listed...)
	if err := f.Set(slices.Values([]netip.Prefix{{}}), true); err != nil { // nothing valid in it
		t.Error(err)
	}
}

// Without links, as before kernel 5.7, programs stay when a process is killed;
// the next one takes them away.
func TestProgramsOfAKilledProcessAreSwept(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	f := open(t)
	four, err := fill4([]span4{0x7f000002_7f000002})
	if err != nil {
		t.Fatal(err)
	}
	six, err := fill6([]span6{none6()})
	if err != nil {
		t.Fatal(err)
	}
	p := &source{refuse: true, cookie: f.cookie, four: four, six: six, count4: 1, count6: 1, attempts: f.attempts}
	program, err := load(p.program(false), hooks[2].attach)
	if err != nil {
		t.Fatal(err)
	}
	if err := attachProgram(f.group, program, hooks[2].attach); err != nil {
		t.Fatal(err)
	}
	unix.Close(program)
	if err := reach("sendto", "127.0.0.2:9"); !errors.Is(err, unix.EPERM) {
		t.Fatalf("not attached: %v", err)
	}
	next := open(t)
	if err := reach("sendto", "127.0.0.2:9"); err != nil {
		t.Fatalf("still there: %v", err)
	}
	set(t, next, true, "127.0.0.2/32")
	if _ = open(t); !errors.Is(reach("sendto", "127.0.0.2:9"), unix.EPERM) {
		t.Fatal("a second one swept what belongs to a process that lives")
	}
}

// The search in the kernel finds what a loop over the prefixes finds.
func TestSearchAgreesWithPrefixes(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	f := open(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 4, 5, 8, 31, 100, 3000} {
		list := make([]netip.Prefix, 0, 2*n)
		for range n {
			list = append(list, random4(r), random6(r))
		}
		if err := f.Set(slices.Values(list), true); err != nil {
			t.Fatal(err)
		}
		wrong, bad := 0, 0
		check := func(a netip.Addr) {
			if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
				return
			}
			want := slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
			err := reach("connect", netip.AddrPortFrom(a, 9).String())
			if err != nil && !errors.Is(err, unix.EPERM) {
				return // the kernel itself has no way there
			}
			if want {
				bad++
			}
			if want != (err != nil) {
				if wrong++; wrong < 5 {
					t.Errorf("%d prefixes: %v: %v, want listed %v", n, a, err, want)
				}
			}
		}
		for _, p := range list[:min(len(list), 400)] {
			first, last := p.Addr(), lastOf(p)
			for _, a := range []netip.Addr{first, first.Prev(), last, last.Next(), random4(r).Addr(), random6(r).Addr()} {
				check(a)
			}
		}
		_ = attempts(t, f)
		if bad < min(n, 400)/2 {
			t.Errorf("%d prefixes: only %d listed addresses tried", n, bad)
		}
	}
}

func random4(r *rand.Rand) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], r.Uint32())
	b[0] = 1 + b[0]%120
	bits := []int{32, 32, 32, 24, 31, 29, 17}[r.IntN(7)]
	return netip.PrefixFrom(netip.AddrFrom4(b), bits).Masked()
}

func random6(r *rand.Rand) netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[0] = 0x20 // many share their high half
	if r.IntN(2) == 0 {
		copy(b[:8], []byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0})
	}
	bits := []int{128, 128, 127, 64, 65, 96, 33}[r.IntN(7)]
	return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// A device's whole set goes in within a moment and costs a connection little.
func TestCost(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	f := open(t)
	r := rand.New(rand.NewPCG(3, 4))
	list := make([]netip.Prefix, 0, 60000)
	for range 58000 {
		list = append(list, netip.PrefixFrom(random4(r).Addr(), 32))
	}
	for range 2000 {
		list = append(list, random6(r))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	sa := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
	measure := func() time.Duration { // of a connect(2) that sends nothing; the best of ten
		best := time.Hour
		for range 10 {
			begin := time.Now()
			for range 5000 {
				_ = unix.Connect(fd, sa)
			}
			best = min(best, time.Since(begin)/5000)
		}
		return best
	}
	bare := measure()
	begin := time.Now()
	if err := f.Set(slices.Values(list), true); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	with := measure()
	set(t, f, true)
	bare = min(bare, measure())
	t.Logf("60,000 entries written and attached in %v; connect(2) of a datagram socket takes %v, without %v", took, with, bare)
	if took > 5*time.Second {
		t.Errorf("%v for 60,000 entries", took)
	}
}
