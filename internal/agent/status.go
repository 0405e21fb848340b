package agent

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const socketName = "status.sock"

// serveStatus answers every connection to the socket in the state folder with
// the status text. The lock on the folder is held, so that a socket that is
// there was left behind.
func (a *Agent) serveStatus() (func(), error) {
	path := filepath.Join(a.cfg.State, socketName)
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.New("status socket: " + err.Error())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, errors.New("status socket: " + err.Error())
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c, a.statusText())
			c.Close()
		}
	}()
	return func() { l.Close() }, nil
}

// ReadStatus asks the agent that runs with the state folder.
func ReadStatus(state string) (string, error) {
	c, err := net.DialTimeout("unix", filepath.Join(state, socketName), time.Second)
	if err != nil {
		return "", errors.New("no agent runs with the state folder " + state)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	b, err := io.ReadAll(io.LimitReader(c, 64<<10))
	return string(b), err
}

// statusText is "key: value" lines, which are YAML too.
func (a *Agent) statusText() string {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + ": " + value + "\n") }
	link, sent := a.link.Status(), a.sending.snapshot()
	line("version", a.version)
	line("part", string(a.part))
	line("device", string(a.id))
	line("up", time.Since(a.started).Round(time.Second).String())
	line("endpoint", link.Endpoint)
	line("link", map[bool]string{true: "up", false: "down"}[link.Up])
	if link.LastErr != "" {
		line("link_error", strconv.Quote(link.LastErr))
	}
	line("spooled", strconv.FormatUint(link.Spooled, 10))
	line("dropped", strconv.FormatUint(link.Dropped, 10))
	if !link.NotAfter.IsZero() {
		line("certificate_until", link.NotAfter.UTC().Format(time.RFC3339))
	}
	a.mu.Lock()
	for _, c := range a.coverage {
		word := "active"
		if !c.Active {
			word = "missing"
		}
		if c.Reason != "" {
			word += ", " + c.Reason
		}
		line(c.Protection, strconv.Quote(word))
	}
	if a.policy != nil {
		line("policy", strconv.FormatUint(a.policy.Version, 10))
		line("kill_mode", string(a.policy.KillMode))
	}
	a.mu.Unlock()
	line("sent_pps", strconv.FormatFloat(sent.pps, 'f', 1, 64))
	line("sampling", strconv.FormatFloat(max(sent.weight, 1), 'f', 1, 64))
	line("floods", strconv.Itoa(sent.floods))
	in := a.inspect.Status()
	line("inspection_mode", string(in.Mode))
	line("inspection_rules", strconv.Itoa(in.Rules))
	if in.Refused > 0 {
		line("inspection_rules_refused", strconv.Itoa(in.Refused))
	}
	line("inspected_packets", strconv.FormatUint(in.Packets, 10))
	line("inspection_alerts", strconv.FormatUint(in.Alerts, 10))
	line("inspection_stopped_packets", strconv.FormatUint(in.Stopped, 10))
	line("inspection_lost_packets", strconv.FormatUint(in.Lost, 10))
	a.listedStatus(line)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	line("heap_kib", strconv.FormatUint(m.HeapInuse>>10, 10))
	return b.String()
}

// listedStatus tells what becomes of connections to things of bad reputation.
func (a *Agent) listedStatus(line func(key, value string)) {
	met := a.listed.Status()
	line("reputation_mode", string(met.Mode))
	if met.Version != 0 {
		line("reputation_version", strconv.FormatUint(met.Version, 10))
	}
	line("reputation_listed", strconv.Itoa(met.Listed))
	line("reputation_seen", strconv.FormatUint(met.Seen, 10))
	line("reputation_refused", strconv.FormatUint(met.Refused, 10))
	line("reputation_halted", strconv.Itoa(met.Halted))
}
