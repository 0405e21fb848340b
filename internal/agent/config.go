package agent

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/agent/settings"
	"github.com/masugata/masugata/internal/model"
)

// Config is everything that is set on the agent's own device. Policy from the
// control plane may narrow or widen what is watched, never what may be killed.
type Config struct {
	// State is the folder of identity, spool, baseline and status socket.
	State string
	// Endpoint is host:port of the control plane's link; empty takes the one
	// given at enrolment.
	Endpoint string
	// Interfaces are watched for floods; empty means the one of the default route.
	Interfaces []string
	// LogLevel is debug, info, warn or error.
	LogLevel string
	// Watch are folders whose file changes are reported, with all below them.
	Watch []string
	// Ignore are paths below watched folders that are not reported.
	Ignore []string
	// ProcessStarts says whether starts of programs are reported.
	ProcessStarts bool
	// AllowKill must be set for kill actions to be honoured, whatever policy says.
	AllowKill bool
	// KillProtected are executables that are never killed.
	KillProtected []string
	// Limits are ceilings of this device's own sending; for those that are 0,
	// policy's hold.
	Limits model.FloodLimits
	// Inspection is the most that the control plane may have this device do with
	// its traffic: off, observe (alerts), enforce (drop rules stop packets).
	Inspection model.Mode
	// InspectionRulesKiB bounds the texts of inspection rules.
	InspectionRulesKiB int
	// Reputation is the most that the control plane may have done about
	// connections of this device to addresses of bad reputation: off, observe
	// (they are told), enforce (they are refused).
	Reputation model.Mode
	// SpoolMiB bounds the events kept on disk while the control plane is away.
	SpoolMiB int
}

// DefaultConfig is complete: an enrolled agent runs with it.
func DefaultConfig() Config {
	return Config{
		State:         "/var/lib/masugata-agent",
		LogLevel:      "info",
		Watch:         []string{"/etc", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"},
		Ignore:        []string{"/etc/mtab", "/etc/resolv.conf", "/etc/adjtime"},
		ProcessStarts: true,
		AllowKill:     true,
		KillProtected: []string{"/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/sbin/procd"},
		Inspection:    model.ModeEnforce, InspectionRulesKiB: 512, Reputation: model.ModeEnforce,
		SpoolMiB: 4,
	}
}

// DefaultConfigText is the commented file that `check-config --print` shows;
// a test holds it equal to DefaultConfig.
const DefaultConfigText = `# Configuration of masugata-agent. Every key may be left out; the value shown
# is what it then is.

# Folder of identity, spool, file baseline and status socket.
state: /var/lib/masugata-agent

# host:port of the control plane's link; empty: the one given at enrolment.
endpoint: ""

# Network interfaces watched for floods; empty: the one of the default route.
interfaces: []

# debug, info, warn or error
log_level: info

# Folders whose file changes are reported, with everything below them, and
# paths below them that are left out.
watch: [/etc, /bin, /sbin, /usr/bin, /usr/sbin, /usr/local/bin]
ignore: [/etc/mtab, /etc/resolv.conf, /etc/adjtime]

# Report the start of programs.
process_starts: true

# May the control plane's policy have a flooding process killed here? Process 1,
# kernel threads, the agent itself and these executables are never killed.
allow_kill: true
kill_protected: [/sbin/init, /lib/systemd/systemd, /usr/lib/systemd/systemd, /sbin/procd]

# Ceilings of what this device itself may send per second to one destination;
# 0: policy, or the built-in value.
udp_pps: 0
syn_pps: 0
ack_pps: 0
icmp_pps: 0
dns_qps: 0
http_rps: 0
spoofed_pps: 0

# The most that the control plane may have done with this device's traffic: off,
# observe (its rules alert) or enforce (its drop rules stop packets). Larger
# texts of rules than this many KiB are not loaded; 100 KiB cost about 2 MiB of
# memory. Without rules nothing is captured.
inspection: enforce
inspection_rules_kib: 512

# The most that the control plane may have done about connections of this device
# to addresses of bad reputation: off, observe (they are told) or enforce (the
# kernel refuses them). Until policy says which, that is enforce, from score 75 on.
reputation: enforce

# Events kept on disk while the control plane is away, in MiB.
spool_mib: 4
`

// LoadConfig reads a file over the defaults; sets are "key=value" texts that
// replace single keys. An empty name reads no file. The error of a bad file is
// a settings.Problems with all of them.
func LoadConfig(name string, sets []string) (Config, error) {
	var text []byte
	if name != "" {
		var err error
		if text, err = readLimited(name, settings.MaxSize+1); err != nil {
			return Config{}, err
		}
	}
	return ParseConfig(name, string(text), sets)
}

// ParseConfig is LoadConfig on a text; name is used in problems.
func ParseConfig(name, text string, sets []string) (Config, error) {
	cfg := DefaultConfig()
	entries, problems := settings.Parse(name, text)
	for _, set := range sets {
		e, err := settings.ParseSet(set)
		if err != nil {
			problems = append(problems, settings.Problem{File: "command line", Text: err.Error()})
			continue
		}
		entries = append(entries, e)
	}
	for _, e := range entries {
		if msg := cfg.apply(e); msg != "" {
			problems = append(problems, settings.Problem{File: name, Line: e.Line, Key: e.Key, Text: msg})
		}
	}
	problems = append(problems, cfg.check(name)...)
	if len(problems) > 0 {
		return Config{}, problems
	}
	return cfg, nil
}

// apply sets one key and gives back what is wrong with it, or "".
func (c *Config) apply(e settings.Entry) string {
	switch e.Key {
	case "state":
		return text(e, &c.State)
	case "endpoint":
		return text(e, &c.Endpoint)
	case "interfaces":
		return list(e, &c.Interfaces)
	case "log_level":
		return text(e, &c.LogLevel)
	case "watch":
		return list(e, &c.Watch)
	case "ignore":
		return list(e, &c.Ignore)
	case "process_starts":
		return flagValue(e, &c.ProcessStarts)
	case "allow_kill":
		return flagValue(e, &c.AllowKill)
	case "kill_protected":
		return list(e, &c.KillProtected)
	case "inspection":
		return text(e, (*string)(&c.Inspection))
	case "inspection_rules_kib":
		return number(e, &c.InspectionRulesKiB)
	case "reputation":
		return text(e, (*string)(&c.Reputation))
	case "spool_mib":
		return number(e, &c.SpoolMiB)
	}
	if limit := c.limit(e.Key); limit != nil {
		var n int
		msg := number(e, &n)
		*limit = uint32(n)
		return msg
	}
	return "unknown key" + suggest(e.Key)
}

func (c *Config) limit(key string) *uint32 {
	switch key {
	case "udp_pps":
		return &c.Limits.UDP
	case "syn_pps":
		return &c.Limits.SYN
	case "ack_pps":
		return &c.Limits.ACK
	case "icmp_pps":
		return &c.Limits.ICMP
	case "dns_qps":
		return &c.Limits.DNS
	case "http_rps":
		return &c.Limits.HTTP
	case "spoofed_pps":
		return &c.Limits.Spoofed
	}
	return nil
}

// check finds what is wrong across keys and with paths.
func (c *Config) check(name string) settings.Problems {
	var out settings.Problems
	bad := func(key, text string) { out = append(out, settings.Problem{File: name, Key: key, Text: text}) }
	if !filepath.IsAbs(c.State) {
		bad("state", "want an absolute path, not "+strconv.Quote(c.State))
	}
	if c.Endpoint != "" {
		if host, port, err := net.SplitHostPort(c.Endpoint); err != nil || host == "" || port == "" {
			bad("endpoint", "want host:port, not "+strconv.Quote(c.Endpoint))
		}
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		bad("log_level", "want debug, info, warn or error, not "+strconv.Quote(c.LogLevel))
	}
	for _, m := range [...]struct {
		key  string
		mode model.Mode
	}{{"inspection", c.Inspection}, {"reputation", c.Reputation}} {
		switch m.mode {
		case model.ModeOff, model.ModeObserve, model.ModeEnforce:
		default:
			bad(m.key, "want off, observe or enforce, not "+strconv.Quote(string(m.mode)))
		}
	}
	if c.InspectionRulesKiB < 1 || c.InspectionRulesKiB > 4096 {
		bad("inspection_rules_kib", "want 1 to 4096")
	}
	for key, paths := range map[string][]string{"watch": c.Watch, "ignore": c.Ignore, "kill_protected": c.KillProtected} {
		for _, p := range paths {
			if !filepath.IsAbs(p) {
				bad(key, "want absolute paths, not "+strconv.Quote(p))
			}
		}
	}
	if c.SpoolMiB < 1 || c.SpoolMiB > 1024 {
		bad("spool_mib", "want 1 to 1024, not "+strconv.Itoa(c.SpoolMiB))
	}
	return out
}

func text(e settings.Entry, to *string) string {
	if e.List || len(e.Values) > 1 {
		return "want one value, not a list"
	}
	*to = ""
	if len(e.Values) == 1 {
		*to = e.Values[0]
	}
	return ""
}

func list(e settings.Entry, to *[]string) string {
	if !e.List && len(e.Values) > 0 {
		return "want a list, such as [a, b]"
	}
	*to = append([]string(nil), e.Values...)
	return ""
}

func flagValue(e settings.Entry, to *bool) string {
	var s string
	if msg := text(e, &s); msg != "" {
		return msg
	}
	if s != "true" && s != "false" {
		return "want true or false, not " + strconv.Quote(s)
	}
	*to = s == "true"
	return ""
}

func number(e settings.Entry, to *int) string {
	var s string
	if msg := text(e, &s); msg != "" {
		return msg
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return "want a whole number from 0 to 2147483647, not " + strconv.Quote(s)
	}
	*to = int(n)
	return ""
}

const configKeys = "state endpoint interfaces log_level watch ignore process_starts allow_kill kill_protected " +
	"udp_pps syn_pps ack_pps icmp_pps dns_qps http_rps spoofed_pps inspection inspection_rules_kib reputation spool_mib"

// suggest names the known key nearest to a wrong one.
func suggest(key string) string {
	best, bestDistance := "", 4
	for _, k := range strings.Fields(configKeys) {
		if d := distance(key, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return "; known are " + strings.ReplaceAll(configKeys, " ", ", ")
	}
	return ", did you mean " + best + "?"
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost = 1 + min(previous, row[j], row[j+1])
			}
			previous, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// readLimited reads at most limit bytes of a regular file.
func readLimited(name string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, limit)
	n := 0
	for n < limit {
		m, err := f.Read(buf[n:])
		n += m
		if err != nil || m == 0 {
			break
		}
	}
	return buf[:n], nil
}
