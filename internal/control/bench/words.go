package bench

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func deviceID(i int) model.DeviceID {
	return model.NewDeviceID([6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, 0)
}

// searched is what the bench looks for afterwards: a rule of one event in a
// hundred and a word of one in five hundred.
const (
	searchedRule = "2034567"
	searchedWord = "telnet"
)

// generator makes the events of one device. Most are everyday things, with
// the text that a real agent writes: program starts, files, name look-ups,
// connections; a few are findings of rules.
type generator struct {
	rng    *rand.Rand
	device model.DeviceID
	buf    []byte
	hash   [32]byte
}

func newGenerator(i int) *generator {
	return &generator{rng: rand.New(rand.NewPCG(uint64(i), 2026)), device: deviceID(i)}
}

// next makes one event of now.
func (g *generator) next() *model.Event {
	now := time.Now()
	e := &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: g.device, Count: 1}
	switch n := g.rng.IntN(1000); {
	case n < 260:
		g.process(e)
	case n < 470:
		g.file(e)
	case n < 650:
		g.dns(e)
	case n < 950:
		g.connection(e)
	case n < 998:
		g.alert(e)
	default:
		g.login(e)
	}
	return e
}

func pick[T any](g *generator, list ...T) T { return list[g.rng.IntN(len(list))] }

// sha256 gives the hash of a program: a few thousand are in use on a fleet.
func (g *generator) sha256() string {
	v := uint64(g.rng.IntN(4000))
	for i := 0; i < len(g.hash); i += 8 {
		v = (v + 1) * 0x9e3779b97f4a7c15
		v ^= v >> 29
		binary.LittleEndian.PutUint64(g.hash[i:], v)
	}
	return hex.EncodeToString(g.hash[:])
}

func (g *generator) address() string {
	b := append(g.buf[:0], "203.0."...)
	b = strconv.AppendInt(b, int64(g.rng.IntN(120)), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(1+g.rng.IntN(250)), 10)
	g.buf = b
	return string(b)
}

func (g *generator) domain() string {
	return pick(g, "ntp", "api", "fw", "cdn", "stream", "telemetry", "push", "time") + strconv.Itoa(g.rng.IntN(900)) + "." +
		pick(g, "camera-vendor.example", "tv-maker.example", "cloud.example.net", "home-hub.example.org", "updates.example.com")
}

func (g *generator) process(e *model.Event) {
	path := pick(g, "/bin/sh", "/usr/bin/ffmpeg", "/usr/sbin/ntpd", "/bin/busybox", "/usr/bin/curl", "/opt/cam/streamer", "/opt/cam/watchdog", "/usr/bin/logger")
	parent := pick(g, "/sbin/init", "/opt/cam/watchdog", "/usr/sbin/crond", "/bin/sh")
	pid := uint32(300 + g.rng.IntN(30000))
	e.Layer, e.Kind, e.Subject, e.Rule = model.LayerDevice, model.KindProcessStart, path, "process.start"
	e.Explanation = parent + " started " + path + "."
	e.Process = &model.ProcessEvidence{PID: pid, Start: uint64(e.Time.UnixNano()), Path: path, SHA256: g.sha256(),
		Args: []string{path, "-c", "/etc/cam/" + strconv.Itoa(g.rng.IntN(40)) + ".conf"}, ParentPID: 1, ParentPath: parent}
}

func (g *generator) file(e *model.Event) {
	path := pick(g, "/var/log/messages", "/etc/cam/settings.json", "/var/run/streamer.pid", "/tmp/segment-", "/var/lib/cam/clip-") + strconv.Itoa(g.rng.IntN(100000))
	e.Layer, e.Kind, e.Subject, e.Rule = model.LayerDevice, model.KindFileChanged, path, "file.integrity"
	e.Explanation = path + " was written."
	e.Observables = []model.Observable{{Type: model.ObservablePath, Value: path}}
	e.File = &model.FileEvidence{Path: path, Change: "written", Size: int64(g.rng.IntN(1 << 20)), PID: uint32(300 + g.rng.IntN(3000)), By: "/opt/cam/streamer"}
}

func (g *generator) dns(e *model.Event) {
	name := g.domain()
	e.Layer, e.Kind, e.Subject, e.Rule = model.LayerNetwork, "dns.query", name, "dns.observed"
	e.Explanation = "The device looked up " + name + "."
	e.Observables = []model.Observable{{Type: model.ObservableDomain, Value: name}, {Type: model.ObservableIP, Value: g.address()}}
}

func (g *generator) connection(e *model.Event) {
	to := g.address()
	port := pick(g, "443", "123", "8883", "554", "80", "53")
	e.Layer, e.Kind, e.Subject, e.Rule = model.LayerNetwork, "flow.opened", to+":"+port, "flow.observed"
	e.Count = uint32(1 + g.rng.IntN(20))
	e.Last = e.Time.Add(time.Duration(g.rng.IntN(900)) * time.Millisecond)
	e.Explanation = "The device opened a connection to " + to + " port " + port + "."
	e.Observables = []model.Observable{{Type: model.ObservableIP, Value: to}, {Type: model.ObservablePort, Value: port}}
}

func (g *generator) alert(e *model.Event) {
	rule := 2034500 + g.rng.IntN(60)
	if g.rng.IntN(5) == 0 {
		rule = 2034567
	}
	from := g.address()
	e.Layer, e.Kind, e.Rule = model.LayerNetwork, "rule.matched", strconv.Itoa(rule)
	e.Severity = pick(g, model.SeverityLow, model.SeverityLow, model.SeverityMedium)
	e.Subject = from
	e.Technique = pick(g, "T1190", "T1046", "T0866")
	e.Explanation = fmt.Sprintf("A request from %s to the web interface carried what rule %d looks for: a command in a parameter.", from, rule)
	e.Advice = "Update the device's firmware; until then keep its web interface reachable from the home only."
	e.Observables = []model.Observable{{Type: model.ObservableIP, Value: from}, {Type: model.ObservableURL, Value: "/cgi-bin/set.cgi?id=" + strconv.Itoa(g.rng.IntN(5000))}}
}

func (g *generator) login(e *model.Event) {
	from := g.address()
	e.Layer, e.Kind, e.Rule, e.Severity = model.LayerDevice, model.KindLoginFailed, "login.guess", model.SeverityMedium
	e.Subject = "telnet"
	e.Count = uint32(5 + g.rng.IntN(200))
	e.Explanation = "Someone at " + from + " tried names and passwords on the device's telnet service."
	e.Advice = "Turn the telnet service off."
	e.Technique = "T1110"
	e.Observables = []model.Observable{{Type: model.ObservableIP, Value: from}, {Type: model.ObservablePort, Value: "23"}}
}
