package corpus_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// agreement is the least share of flows of which the engine and nDPI's own
// results name the same protocol.
const agreement = 0.95

// peerNames are nDPI's names of the protocols that the engine parses, and what
// may stand for each.
var peerNames = map[string][]protocol.ID{
	"HTTP": {protocol.HTTP1, protocol.HTTP2}, "HTTP_Connect": {protocol.HTTP1}, "HTTP_Proxy": {protocol.HTTP1}, "HTTP2": {protocol.HTTP2},
	"WebSocket": {protocol.WebSocket, protocol.HTTP1}, "DNS": {protocol.DNS}, "MDNS": {protocol.MDNS},
	"TLS": {protocol.TLS}, "SMTPS": {protocol.TLS, protocol.SMTP}, "IMAPS": {protocol.TLS, protocol.IMAP}, "POPS": {protocol.TLS, protocol.POP3}, "FTPS": {protocol.TLS, protocol.FTP},
	"SSH": {protocol.SSH}, "SMTP": {protocol.SMTP}, "FTP_CONTROL": {protocol.FTP}, "FTP_DATA": {protocol.FTPData},
	"SMBv1": {protocol.SMB}, "SMBv23": {protocol.SMB}, "DCERPC": {protocol.DCERPC, protocol.SMB}, "RPC": {protocol.DCERPC}, "SIP": {protocol.SIP}, "SNMP": {protocol.SNMP},
	"TFTP": {protocol.TFTP}, "DHCP": {protocol.DHCP}, "NTP": {protocol.NTP}, "Telnet": {protocol.Telnet}, "Kerberos": {protocol.KRB5},
	"RDP": {protocol.RDP}, "QUIC": {protocol.QUIC}, "MQTT": {protocol.MQTT},
}

// outside are names of peerNames that are not among the protocols of the floor.
var outside = []string{"HTTP_Proxy", "HTTP_Connect", "SMTPS", "IMAPS", "POPS", "FTPS"}

// peerFlow is a line of nDPI's results.
type peerFlow struct {
	ends
	name    string
	guessed bool // by port or address alone, not by what was sent
}

var peerLine = regexp.MustCompile(`^\s*\d+\s+(TCP|UDP) (\S+):(\d+) (?:<->|->) (\S+):(\d+) .*?\[proto: (?:[A-Z0-9]+:)?[0-9.]+/([^\].]+)[^\]]*\]`)

func peerFlows(t *testing.T, path string) []peerFlow {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []peerFlow
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		m := peerLine.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		a, err1 := netip.ParseAddrPort(bracketed(m[2]) + ":" + m[3])
		b, err2 := netip.ParseAddrPort(bracketed(m[4]) + ":" + m[5])
		if err1 != nil || err2 != nil {
			t.Logf("%s: %q", path, m[0])
			continue
		}
		proto := uint8(6)
		if m[1] == "UDP" {
			proto = 17
		}
		line := s.Text()
		out = append(out, peerFlow{ends: newEnds(proto, a, b), name: m[6],
			guessed: !strings.Contains(line, "[Confidence: DPI")})
	}
	return out
}

func bracketed(s string) string {
	if strings.Contains(s, ":") && !strings.HasPrefix(s, "[") {
		return "[" + s + "]"
	}
	return s
}

// seen collects what the engine says of each flow.
type seen map[ends][]protocol.ID

func (s seen) FlowEnd(f *flow.Flow, _ flow.Reason, _ int64) {
	k := newEnds(f.Proto, netip.AddrPortFrom(address(f.Client, f.IPVersion), f.ClientPort), netip.AddrPortFrom(address(f.Server, f.IPVersion), f.ServerPort))
	for _, id := range []protocol.ID{f.App, f.AppOriginal} {
		if !slices.Contains(s[k], id) {
			s[k] = append(s[k], id)
		}
	}
}

func (s seen) Alerts(*rule.Context, *rule.Verdict) {}
func (s seen) Transaction(*flow.Flow, *protocol.Spec, protocol.Tx, packet.Direction, *packet.Packet) {
}
func (s seen) File(*flow.Flow, *protocol.Spec, protocol.Tx, *protocol.File, packet.Direction, *packet.Packet) {
}
func (s seen) Anomaly(*flow.Flow, *protocol.Spec, protocol.Tx, string, packet.Direction, *packet.Packet) {
}

// score counts the flows of one of nDPI's names.
type score struct{ flows, agreed, guessed int }

// TestAgreesWithNDPI compares the protocols of flows with the results that
// nDPI keeps beside its captures. Flows that nDPI guesses by port or address
// only do not count.
func TestAgreesWithNDPI(t *testing.T) {
	dir := folder(t, "pcap/ndpi")
	set, _, err := rule.Compile(nil, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]*score{}
	var differ, claims []string
	for _, path := range captures(t, dir) {
		got := seen{}
		cfg := setUp(t, set, engine.Settings{"stream.midstream": "true"})
		cfg.Sink = got
		run(t, cfg, path)
		for _, p := range peerFlows(t, path+".out") {
			ids, known := got[p.ends], peerNames[p.name]
			text := fmt.Sprintf("%-40s %3d %v %v: nDPI %s, here %v", short(path), p.proto, p.a, p.b, p.name, ids)
			if known == nil {
				if slices.ContainsFunc(ids, inScope) {
					claims = append(claims, text)
				}
				continue
			}
			c := table[p.name]
			if c == nil {
				c = &score{}
				table[p.name] = c
			}
			if p.guessed {
				c.guessed++
				continue
			}
			c.flows++
			if slices.ContainsFunc(ids, func(id protocol.ID) bool { return slices.Contains(known, id) }) {
				c.agreed++
			} else {
				differ = append(differ, text)
			}
		}
	}
	report(t, table, differ, claims)
}

func inScope(id protocol.ID) bool {
	for name, ids := range peerNames {
		if slices.Contains(ids, id) && !slices.Contains(outside, name) {
			return true
		}
	}
	return false
}

func report(t *testing.T, table map[string]*score, differ, claims []string) {
	t.Helper()
	var names []string
	var all score
	for n, c := range table {
		names = append(names, n)
		if !slices.Contains(outside, n) {
			all.flows, all.agreed, all.guessed = all.flows+c.flows, all.agreed+c.agreed, all.guessed+c.guessed
		}
	}
	slices.Sort(names)
	for _, n := range names {
		t.Logf("%-14s %4d of %4d flows, %d guessed by nDPI", n, table[n].agreed, table[n].flows, table[n].guessed)
	}
	share := float64(all.agreed) / float64(max(1, all.flows))
	t.Logf("%d of %d flows agree (%.1f %%); %d flows of other protocols are taken for one of these", all.agreed, all.flows, 100*share, len(claims))
	for _, d := range differ {
		t.Log("differs: " + d)
	}
	for _, c := range claims {
		t.Log("claimed: " + c)
	}
	if share < agreement {
		t.Errorf("%.1f %% of flows agree, fewer than %.0f %%", 100*share, 100*agreement)
	}
}
