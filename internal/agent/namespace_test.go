package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// The test binary starts itself inside network namespaces: as agent, and as
// senders of traffic that refuse every address but that of the test.
const (
	roleEnv  = "MASUGATA_TEST_ROLE"
	argsEnv  = "MASUGATA_TEST_ARGS"
	victimIP = "192.0.2.2"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "agent":
		os.Exit(agentRole())
	case "dial":
		network, to, _ := strings.Cut(os.Getenv(argsEnv), " ")
		os.Exit(dial(network, to))
	case "rawudp":
		os.Exit(rawUDP(os.Getenv(argsEnv)))
	case "listen":
		os.Exit(listen(os.Getenv(argsEnv)))
	default:
		os.Exit(senderRole(os.Getenv(roleEnv), strings.Fields(os.Getenv(argsEnv))))
	}
}

func agentRole() int {
	Tune()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg := DefaultConfig()
	cfg.State, cfg.Watch = os.Getenv(argsEnv), []string{os.Getenv(argsEnv) + "/watched"}
	cfg.State += "/state"
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	out := make(chan string, 1024)
	go func() {
		for line := range out {
			fmt.Print(line)
		}
	}()
	submit := func(e *model.Event) {
		at := time.Now()
		sum, path := "", ""
		if e.Flood != nil && e.Flood.Process != nil {
			sum, path = e.Flood.Process.SHA256, e.Flood.Process.Path
		}
		out <- fmt.Sprintf("%d\t%d\t%s\t%s\t%s\t%s\t%s\n", at.UnixNano(), e.Time.UnixNano(), e.Kind, path, sum, e.Rule, strings.TrimSpace(EventLine(e)))
	}
	with, err := withReputation(ctx, cfg, os.Getenv(argsEnv), log, submit)
	if !with {
		err = RunLocal(ctx, cfg, "test", log, submit)
	}
	if err != nil {
		log.Error(err.Error())
		return 1
	}
	return 0
}

// home is a device and the outside, joined by a veth pair.
type home struct {
	t               *testing.T
	device, outside string
	dir             string
}

func newHome(t *testing.T) *home {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	id := strconv.Itoa(os.Getpid()) + strings.ToLower(t.Name()[len(t.Name())-3:])
	h := &home{t: t, device: "mgtd" + id, outside: "mgto" + id, dir: t.TempDir()}
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", h.device).Run()
		_ = exec.Command("ip", "netns", "del", h.outside).Run()
	})
	if err := os.MkdirAll(filepath.Join(h.dir, "watched"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"netns add " + h.device, "netns add " + h.outside,
		"-n " + h.device + " link add eth0 type veth peer name eth0 netns " + h.outside,
		"-n " + h.device + " addr add 192.0.2.1/24 dev eth0", "-n " + h.outside + " addr add 192.0.2.2/24 dev eth0",
		"-n " + h.device + " link set lo up", "-n " + h.outside + " link set lo up",
		"-n " + h.device + " link set eth0 up", "-n " + h.outside + " link set eth0 up",
		"-n " + h.device + " route add default via 192.0.2.2",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	return h
}

// start runs a role in a namespace; it ends with the test at the latest.
func (h *home) start(ns, role, args string) (*exec.Cmd, *bufio.Scanner) {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, self)
	cmd.Env = append(os.Environ(), roleEnv+"="+role, argsEnv+"="+args)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// told is one event that the agent printed.
type told struct {
	at, first        time.Time
	kind, path, hash string
	rule, line       string
}

// agent starts the agent and gives its events.
func (h *home) agent() (*exec.Cmd, chan told) {
	cmd, lines := h.start(h.device, "agent", h.dir)
	events := make(chan told, 1024)
	go func() {
		defer close(events)
		for lines.Scan() {
			f := strings.SplitN(lines.Text(), "\t", 7)
			if len(f) != 7 {
				continue
			}
			at, _ := strconv.ParseInt(f[0], 10, 64)
			first, _ := strconv.ParseInt(f[1], 10, 64)
			events <- told{time.Unix(0, at), time.Unix(0, first), f[2], f[3], f[4], f[5], f[6]}
		}
	}()
	h.await(events, model.KindPartStarted, 5*time.Second)
	time.Sleep(300 * time.Millisecond) // all senses are up
	return cmd, events
}

func (h *home) await(events chan told, kind model.Kind, within time.Duration) told {
	h.t.Helper()
	e, ok := h.maybe(events, kind, within)
	if !ok {
		h.t.Fatalf("no event %s within %v", kind, within)
	}
	return e
}

func (h *home) maybe(events chan told, kind model.Kind, within time.Duration) (told, bool) {
	limit := time.After(within)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				h.t.Fatal("the agent ended")
			}
			if e.kind == string(kind) {
				return e, true
			}
		case <-limit:
			return told{}, false
		}
	}
}

// senderRole sends traffic to the test's own address: args are packets per
// second and seconds.
func senderRole(role string, args []string) int {
	pps, _ := strconv.Atoi(args[0])
	seconds, _ := strconv.Atoi(args[1])
	send, err := sender(role)
	if err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	fmt.Println("ready")
	begin := time.Now()
	fmt.Println(begin.UnixNano())
	sent := 0
	for since := time.Duration(0); since < time.Duration(min(seconds, 60))*time.Second; since = time.Since(begin) {
		for due := int(float64(pps) * since.Seconds()); sent <= due; sent++ {
			send(sent)
		}
		time.Sleep(time.Millisecond)
	}
	return 0
}

func sender(role string) (func(int), error) {
	victim := net.ParseIP(victimIP)
	payload := make([]byte, 512)
	switch role {
	case "udp":
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: victim, Port: 9})
		return func(int) { _, _ = c.Write(payload) }, err
	case "udpports":
		c, err := net.ListenUDP("udp4", nil)
		return func(n int) { _, _ = c.WriteToUDP(payload, &net.UDPAddr{IP: victim, Port: 1024 + n%60000}) }, err
	case "dns":
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: victim, Port: 53})
		query := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x04test\x00\x00\x01\x00\x01")
		return func(int) { _, _ = c.Write(query) }, err
	case "icmp":
		c, err := net.ListenIP("ip4:icmp", nil)
		echo := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
		return func(int) { _, _ = c.WriteTo(echo, &net.IPAddr{IP: victim}) }, err
	case "syn", "spoofed", "ack":
		return rawTCP(role)
	case "http":
		return httpGet(victim)
	case "upload":
		c, err := net.Dial("tcp4", victimIP+":80")
		block := make([]byte, 1<<20)
		return func(int) { _, _ = c.Write(block) }, err
	case "stream":
		session, err := net.Dial("tcp4", victimIP+":80") // stands for RTSP
		if err != nil {
			return nil, err
		}
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: victim, Port: 5004})
		return func(n int) {
			if n%10000 == 0 {
				_, _ = session.Write([]byte("k"))
			}
			_, _ = c.Write(payload)
		}, err
	case "sink":
		return sink()
	}
	return nil, fmt.Errorf("unknown role %s", role)
}

// rawTCP makes headers itself, as bots do.
func rawTCP(role string) (func(int), error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	to := &syscall.SockaddrInet4{Addr: [4]byte(net.ParseIP(victimIP).To4())}
	flags := byte(2)
	if role == "ack" {
		flags = 16
	}
	return func(n int) {
		p := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
			byte(n >> 8), byte(n), 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0}
		if role == "spoofed" {
			p[12], p[13], p[14], p[15] = 198, 51, 100, byte(n)
		}
		_ = syscall.Sendto(fd, p, 0, to)
	}, err
}

func httpGet(victim net.IP) (func(int), error) {
	c, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: victim, Port: 80})
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	return func(int) { _, _ = c.Write([]byte("GET /?a HTTP/1.1\r\nHost: victim\r\n\r\n")) }, nil
}

// sink takes TCP connections on port 80 and reads them.
func sink() (func(int), error) {
	l, err := net.Listen("tcp4", victimIP+":80")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	return func(int) {}, nil
}
