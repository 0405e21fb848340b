package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func TestFloodsAreFoundWithTheirProcess(t *testing.T) {
	h := newHome(t)
	h.start(h.outside, "sink", "0 60")
	_, events := h.agent()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	for _, c := range []struct {
		role string
		pps  int
		rule string
	}{
		{"udp", 6000, "udp"}, {"udpports", 6000, "udp"}, {"dns", 1000, "dns"}, {"icmp", 1000, "icmp"},
		{"syn", 1000, "syn"}, {"ack", 4000, "ack"}, {"spoofed", 500, "spoofed"}, {"http", 800, "http"},
	} {
		cmd, lines := h.start(h.device, c.role, strconv.Itoa(c.pps)+" 1")
		lines.Scan()
		lines.Scan()
		ns, _ := strconv.ParseInt(lines.Text(), 10, 64)
		first := time.Unix(0, ns)
		e := h.await(events, model.KindFloodOutbound, 3*time.Second)
		_ = cmd.Wait()
		took := e.at.Sub(first)
		t.Logf("%-8s found after %v: %s", c.role, took.Round(time.Millisecond), e.line)
		if took > 600*time.Millisecond { // 300 ms is the aim; the machine may be busy
			t.Errorf("%s: found after %v", c.role, took)
		}
		if e.rule != "agent.flood."+c.rule {
			t.Errorf("%s: rule %s", c.role, e.rule)
		}
		if e.path != self || e.hash != "" && e.hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: process %q %q", c.role, e.path, e.hash)
		}
		if off := e.first.Sub(first).Abs(); off > 150*time.Millisecond {
			t.Errorf("%s: first packet told %v off", c.role, off)
		}
		if c.role == "udp" { // the next one has the same vector and target
			h.await(events, model.KindFloodEnded, 5*time.Second)
		}
	}
}

func TestOrdinaryTrafficIsNoFlood(t *testing.T) {
	h := newHome(t)
	h.start(h.outside, "sink", "0 60")
	_, events := h.agent()
	for _, role := range []struct {
		name string
		rate int
	}{{"upload", 3000}, {"stream", 3000}, {"dns", 20}, {"udp", 400}} {
		cmd, lines := h.start(h.device, role.name, strconv.Itoa(role.rate)+" 2")
		if !lines.Scan() {
			t.Fatalf("%s did not start", role.name)
		}
		if e, ok := h.maybe(events, model.KindFloodOutbound, 2500*time.Millisecond); ok {
			t.Errorf("%s is called a flood: %s", role.name, e.line)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
