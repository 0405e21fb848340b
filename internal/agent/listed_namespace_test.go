package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/agent/listed"
	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// setFile and modeFile stand for the link: the set and the mode that the agent
// of a test begins with.
const setFile, modeFile = "reputation.set", "reputation.mode"

// oldKernel stands for a kernel that cannot be asked about connections, in the
// file of the mode.
const oldKernel = "old kernel"

// withReputation gives an agent the set of its folder, if one is there.
func withReputation(ctx context.Context, cfg Config, dir string, log *slog.Logger, submit func(*model.Event)) (bool, error) {
	payload, err := os.ReadFile(filepath.Join(dir, setFile))
	if err != nil {
		return false, nil
	}
	unlock, err := lock(cfg.State)
	if err != nil {
		return true, err
	}
	defer unlock()
	a := build(cfg, "test", log)
	i, err := inventory.Default()
	if err != nil {
		return true, err
	}
	a.id, a.link = i.Device(), localOnly{submit}
	mode, _ := os.ReadFile(filepath.Join(dir, modeFile))
	mode, old := bytes.CutSuffix(mode, []byte(oldKernel))
	if old {
		c := a.listedConfig()
		c.Open = func(string) (*connect.Filter, error) { return nil, errors.New("no eBPF") }
		a.listed = listed.New(c)
		a.sending.met = a.listed.Met
	}
	a.listed.SetPolicy(model.ReputationPolicy{Mode: model.Mode(mode)})
	if err := a.listed.SetReputation(1, payload); err != nil {
		return true, err
	}
	return true, a.run(ctx)
}

// dial is a program of the device: it says what became of a connection, speaks
// for two seconds and says how that went.
func dial(network, to string) int {
	c, err := net.DialTimeout(network, to, 3*time.Second)
	if err != nil {
		fmt.Println(err)
		time.Sleep(time.Second) // for as long as its process is looked at
		return 0
	}
	fmt.Println("connected")
	for range 20 {
		if _, err = c.Write([]byte("x")); err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // nobody listens there
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Println(err)
	c.Close()
	return 0
}

// listen takes TCP connections on all addresses.
func listen(port string) int {
	l, err := net.Listen("tcp", ":"+port)
	fmt.Println(err)
	if err != nil {
		return 1
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		go func() { _, _ = io.Copy(io.Discard, c); c.Close() }()
	}
}

// listedSet is a set of the class small with the listed addresses and as many
// more as it takes.
func listedSet(t *testing.T, listed []string, more int) []byte {
	t.Helper()
	now := uint32(time.Now().Unix())
	snap, err := edge.Build(func(yield func(reputation.Object, reputation.Brief) bool) {
		for _, s := range listed {
			if !yield(edge.ObjectOf(netip.MustParseAddr(s)), reputation.Brief{Score: 95}) {
				return
			}
		}
		var b [4]byte
		for i := range more {
			binary.BigEndian.PutUint32(b[:], 0x0b000000+uint32(i)*2048+uint32(i%7)) // 11.0.0.0 and on
			if !yield(edge.ObjectOf(netip.AddrFrom4(b)), reputation.Brief{Score: 80}) {
				return
			}
		}
	}, edge.Config{Header: edge.Header{Class: edge.ClassSmall, Version: 1, Issued: now, Expires: now + 3600, Key: edge.Key{1}}})
	if err != nil {
		t.Fatal(err)
	}
	if more == 0 && snap.Kept != len(listed) {
		t.Fatalf("%d of %d are in the set", snap.Kept, len(listed))
	}
	return snap.Payload
}

const badIP, goodIP, badIP6 = "198.51.100.7", "198.51.100.8", "2001:db8:bad::7"

// badHome is a home whose outside has the listed addresses, and an agent with
// the set.
func badHome(t *testing.T, mode model.Mode, more int) (*home, *exec.Cmd, chan told) {
	h := newHome(t)
	for _, line := range []string{
		"-n " + h.outside + " addr add " + badIP + "/32 dev lo", "-n " + h.outside + " addr add " + goodIP + "/32 dev lo",
		"-n " + h.outside + " addr add " + badIP6 + "/128 dev lo nodad",
		"-n " + h.outside + " addr add 2001:db8::2/64 dev eth0 nodad", "-n " + h.device + " addr add 2001:db8::1/64 dev eth0 nodad",
		"-n " + h.device + " -6 route add default via 2001:db8::2",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	for name, data := range map[string][]byte{setFile: listedSet(t, []string{badIP, badIP6}, more), modeFile: []byte(mode)} {
		if err := os.WriteFile(filepath.Join(h.dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, lines := h.start(h.outside, "listen", "80")
	if !lines.Scan() {
		t.Fatal("nobody listens")
	}
	cmd, events := h.agent()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := ReadStatus(h.dir + "/state")
		if err == nil && !strings.Contains(text, "reputation_listed: 0") {
			return h, cmd, events
		}
		if time.Now().After(deadline) {
			t.Fatalf("the set is not in force: %v: %s", err, text)
		}
	}
}

// tries has a program of the device connect and gives what it said.
func (h *home) tries(network, to string) string {
	h.t.Helper()
	_, lines := h.start(h.device, "dial", network+" "+to)
	return next(lines)
}

func next(lines *bufio.Scanner) string {
	if !lines.Scan() {
		return "nothing"
	}
	return lines.Text()
}

func TestConnectionsToListedAddressesAreRefused(t *testing.T) {
	h, agent, events := badHome(t, "", 40000)
	self, _ := os.Executable()
	for _, c := range []struct{ network, to, listed string }{
		{"tcp", badIP + ":80", badIP}, {"tcp", goodIP + ":80", ""}, {"udp", "[" + badIP6 + "]:53", badIP6}, {"tcp", "[2001:db8::2]:80", ""},
	} {
		said := h.tries(c.network, c.to)
		if c.listed == "" {
			if said != "connected" {
				t.Errorf("%s: %s", c.to, said)
			}
			continue
		}
		if !strings.Contains(said, "operation not permitted") {
			t.Errorf("%s: %s", c.to, said)
		}
		e := h.await(events, model.KindListedBlocked, 3*time.Second)
		if !strings.Contains(e.line, c.to) || !strings.Contains(e.line, self) || e.rule != "reputation" || !strings.Contains(e.line, "score of 90 or more") {
			t.Errorf("%s: told %s", c.to, e.line)
		}
	}
	text, err := ReadStatus(h.dir + "/state")
	if err != nil || !strings.Contains(text, "reputation_mode: enforce") || !strings.Contains(text, "reputation_refused: 2") || !strings.Contains(text, `reputation.connect: "active"`) {
		t.Errorf("%v: %s", err, text)
	}
	t.Logf("the agent's memory with a full set: %s\n%s", resident(t, agent), text)
}

func TestConnectionsToListedAddressesAreTold(t *testing.T) {
	h, agent, events := badHome(t, model.ModeObserve, 0)
	t.Logf("the agent's memory with two addresses: %s", resident(t, agent))
	if said := h.tries("tcp", badIP+":80"); said != "connected" {
		t.Error(said)
	}
	if e := h.await(events, model.KindListedSeen, 3*time.Second); !strings.Contains(e.line, badIP+":80 (tcp)") || !strings.Contains(e.line, "only observes") {
		t.Error(e.line)
	}
}

// A connection that was there before its address was listed is stopped.
func TestConnectionsThatAreThereAreHalted(t *testing.T) {
	for name, kernel := range map[string]string{"raw": "", "old": oldKernel} {
		t.Run(name, func(t *testing.T) {
			h, _, events := badHome(t, model.Mode("enforce"+kernel), 0)
			if kernel != "" {
				for _, to := range []string{badIP + ":53", goodIP + ":53"} { // a program that speaks on and on
					if said := h.tries("udp", to); said != "connected" {
						t.Errorf("%s: %s", to, said)
					}
				}
			} else {
				h.raw(badIP)
			}
			e := h.await(events, model.KindListedBlocked, 3*time.Second)
			if self, _ := os.Executable(); !strings.Contains(e.line, badIP+":53 (udp)") || !strings.Contains(e.line, self) || !strings.Contains(e.line, "saw it by its packets") {
				t.Error(e.line)
			}
			out, err := exec.Command("ip", "-n", h.device, "route", "show", "type", "prohibit").CombinedOutput()
			if err != nil || !strings.Contains(string(out), badIP) || strings.Contains(string(out), goodIP) {
				t.Errorf("%v: %s", err, out)
			}
			if kernel != "" {
				if said := h.tries("tcp", badIP+":80"); !strings.Contains(said, "permission denied") {
					t.Error(said)
				}
				if said := h.tries("tcp", goodIP+":80"); said != "connected" {
					t.Error(said)
				}
			}
			text, err := ReadStatus(h.dir + "/state")
			if err != nil || !strings.Contains(text, "reputation_halted: 1") ||
				(kernel != "") != strings.Contains(text, "stopped only when their first packets are seen (0.1 s): no eBPF") {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}

// raw sends a datagram past the sockets that the kernel is asked about.
func (h *home) raw(to string) {
	h.t.Helper()
	_, lines := h.start(h.device, "rawudp", to)
	if said := next(lines); said != "sent" {
		h.t.Error(said)
	}
}

// rawUDP is the program of raw.
func rawUDP(to string) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_UDP)
	if err == nil {
		err = syscall.Sendto(fd, []byte{0x20, 0, 0, 53, 0, 9, 0, 0, 'x'}, 0, &syscall.SockaddrInet4{Addr: netip.MustParseAddr(to).As4()})
	}
	fmt.Println(map[bool]any{true: "sent", false: err}[err == nil])
	time.Sleep(2 * time.Second)
	return 0
}

// resident is the memory of the agent that ip netns exec became.
func resident(t *testing.T, cmd *exec.Cmd) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, name := range []string{"VmHWM", "VmRSS", "RssAnon"} {
		_, after, _ := strings.Cut(string(text), name+":")
		line, _, _ := strings.Cut(after, "kB")
		out += name + " " + strings.TrimSpace(line) + " KiB, "
	}
	return out
}
