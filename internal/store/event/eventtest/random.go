package eventtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func plainEvent(at time.Time) *model.Event {
	return &model.Event{ID: model.NewID(at), Time: at, Last: at, Layer: model.LayerNetwork, Kind: model.KindDeviceSeen, Count: 1}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// The words are few, so that random queries hit random events; some have
// letters, signs and lengths that an implementation may get wrong.
func word(rng *rand.Rand) string {
	return pick(rng, "telnet", "Login", "50%", "a_b", `C:\Temp`, "カメラ", "Ünïcode", "x", "/tmp/.sh", "blocked", "x=y", "[ab]+.*", "'quote'", "")
}

// RandomEvent makes an event with all kinds of fields; time is at.
func RandomEvent(rng *rand.Rand, at time.Time) *model.Event {
	e := &model.Event{
		ID: model.NewID(at), Time: at, Last: at.Add(time.Duration(rng.IntN(1000)) * time.Millisecond),
		Device:      model.DeviceID(fmt.Sprintf("mac-0200000000%02x", rng.IntN(12))),
		Reporter:    model.PartID(fmt.Sprintf("gate-%012x", rng.IntN(3))),
		Layer:       model.Layer(1 + rng.IntN(4)),
		Severity:    model.Severity(rng.IntN(5)),
		Kind:        pick(rng, model.KindFloodOutbound, model.KindFileChanged, model.KindProcessStart, "made.up"),
		Rule:        pick(rng, "", "2034001", "2034002", "Flood.UDP", "ab"),
		Technique:   pick(rng, "", "T1498", "T0814"),
		Count:       uint32(1 + rng.IntN(200)),
		Subject:     strings.TrimSpace(word(rng) + " " + word(rng)),
		Explanation: strings.TrimSpace(word(rng) + " " + word(rng) + " " + word(rng)),
		Advice:      word(rng),
	}
	for range rng.IntN(4) {
		e.Observables = append(e.Observables, model.Observable{
			Type:  pick(rng, model.ObservableIP, model.ObservablePath, model.ObservablePort),
			Value: pick(rng, "10.0.0.1", "10.0.0.23", "2001:db8::1", "/tmp/.sh", "23", "a=b", word(rng)+"!"),
		})
	}
	switch rng.IntN(5) {
	case 0:
		e.Flood = &model.FloodEvidence{
			Vector: model.VectorUDP, PPS: rng.Float64() * 1e5, Packets: rng.Uint64() >> 12, Sources: 1,
			Shape: model.Shape{Proto: 17, Dst: netip.MustParsePrefix("198.51.100.7/32"), DstPort: 53},
		}
	case 1:
		e.Process = &model.ProcessEvidence{PID: rng.Uint32(), Path: "/bin/" + word(rng), Args: []string{"a", word(rng)}}
	case 2:
		e.File = &model.FileEvidence{Path: "/etc/passwd", Change: "written", Size: rng.Int64()}
	}
	return e
}

// RandomQuery makes a valid query that has a chance to match random events.
func RandomQuery(rng *rand.Rand) string { return randomQuery(rng, 3) }

func randomQuery(rng *rand.Rand, depth int) string {
	if depth == 0 {
		return randomTerm(rng)
	}
	switch rng.IntN(7) {
	case 0:
		return randomQuery(rng, depth-1) + " " + randomQuery(rng, depth-1)
	case 1:
		return "(" + randomQuery(rng, depth-1) + " or " + randomQuery(rng, depth-1) + ")"
	case 2:
		return "not (" + randomQuery(rng, depth-1) + ")"
	case 3:
		return "-" + randomTerm(rng)
	}
	return randomTerm(rng)
}

func randomTerm(rng *rand.Rand) string {
	return pick(rng,
		"severity:>="+pick(rng, "low", "medium", "high"),
		"severity:"+pick(rng, "info", "low,critical", "low..high", "<medium"),
		"layer:"+pick(rng, "network", "device,data", "control"),
		fmt.Sprintf("count:>%d", rng.IntN(200)),
		fmt.Sprintf("device:mac-0200000000%02x", rng.IntN(12)),
		"device:"+pick(rng, "*0a", "MAC-*1,*2", "front*", "*"),
		"reporter:gate-*0",
		"kind:"+pick(rng, "flood.*", "file.changed,made.up", "*s*t*"),
		"rule:"+pick(rng, "2034*", "flood.udp", "*1", `""`, "a*b*"),
		"technique:"+pick(rng, "t1498", "T*"),
		"subject:"+quoted(rng), "explanation:"+quoted(rng), "explanation:="+quoted(rng), "advice:"+quoted(rng),
		"subject:"+pick(rng, "tel*log", "x*y", "*%", "*_*"),
		"ip:"+pick(rng, "10.0.0.1", "10.0.*", "2001:db8::1", "*"),
		"path:"+pick(rng, "/tmp/*", "*!", "a=*", "*ip=*"), "port:23,"+quoted(rng),
		quoted(rng), quoted(rng), "カメラ", "tel*in", "ip=10*23", "a_b", "50%", "temp",
		"since:"+pick(rng, "24h", "2026-11-22", "1d12h"),
		"until:"+pick(rng, "6h", "2026-11-23T06:00"),
		"time:"+pick(rng, "2026-11-22", "2026-11-21..12h", "..1d"),
	)
}

func quoted(rng *rand.Rand) string {
	w := word(rng)
	if w == "" {
		w = "x"
	}
	return `"` + strings.ReplaceAll(w, `\`, `\\`) + `"`
}
