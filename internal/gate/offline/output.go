package offline

import (
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
)

// recordOptions reads which records the settings ask for. Without a
// configuration every record is written; anomalies only of protocols, as in
// Suricata's stock configuration.
func recordOptions(s engine.Settings, ips bool, capture string) engine.RecordOptions {
	o := engine.RecordOptions{IPS: ips, Guess: s.Bool("detect.guess-applayer-tx", false)}
	for _, spec := range all.Specs() {
		o.Names[spec.ID] = spec.Record
	}
	for _, i := range s.Children("outputs") {
		base := "outputs." + i + ".eve-log"
		o.Tagged = true
		outputTypes(s, base, func(name, at string) { outputType(s, name, at, &o) })
		if !s.Bool(base+".enabled", false) {
			continue
		}
		o.Community = s.Bool(base+".community-id", false)
		o.Seed = uint16(s.Size(base+".community-id-seed", 0))
		o.Ethernet = s.Bool(base+".ethernet", false)
		if s.Bool(base+".pcap-file", false) {
			o.Capture = capture
		}
		o.Types = map[string]bool{}
		outputTypes(s, base, func(name, at string) {
			if s.Bool(at+".enabled", true) {
				o.Types[kind(name)] = true
			}
		})
		if o.Types["alert"] && o.Tagged {
			o.Types["packet"] = true
		}
	}
	return o
}

// outputTypes goes over the types of an eve-log output; at is where the
// type's own settings are.
func outputTypes(s engine.Settings, base string, yield func(name, at string)) {
	for _, n := range s.Children(base + ".types") {
		item := base + ".types." + n
		if name, ok := s[item]; ok {
			yield(strings.TrimSpace(name), item+"."+name)
		}
		for _, name := range s.Children(item) {
			if _, err := strconv.Atoi(name); err != nil {
				yield(strings.TrimSpace(name), item+"."+name)
			}
		}
	}
}

// outputType reads the settings of one type of record.
func outputType(s engine.Settings, name, at string, o *engine.RecordOptions) {
	switch name {
	case "alert":
		o.Length = s.Bool(at+".payload-length", o.Length)
		o.Body = s.Bool(at+".http-body", o.Body)
		o.BodyText = s.Bool(at+".http-body-printable", o.BodyText)
		o.Verdict = s.Bool(at+".verdict", o.Verdict)
		o.Tagged = s.Bool(at+".tagged-packets", o.Tagged)
		o.Payload = s.Bool(at+".payload", o.Payload)
		o.Printable = s.Bool(at+".payload-printable", o.Printable)
		o.Packet = s.Bool(at+".packet", o.Packet)
		if n := s.Size(at+".payload-buffer-size", 0); n > 0 {
			o.PayloadSize = int(min(n, 1<<20))
		}
	case "anomaly":
		o.Decode = s.Bool(at+".types.decode", o.Decode)
		o.Stream = s.Bool(at+".types.stream", o.Stream)
		o.NoApp = !s.Bool(at+".types.applayer", !o.NoApp)
		o.Header = s.Bool(at+".packethdr", o.Header)
	case "drop":
		o.Verdict = s.Bool(at+".verdict", o.Verdict)
	case "files":
		o.Magic = s.Bool(at+".force-magic", o.Magic)
	}
}

// recordHashes are the digests that records of files are to carry.
func recordHashes(s engine.Settings) (h protocol.Hashes) {
	for _, i := range s.Children("outputs") {
		outputTypes(s, "outputs."+i+".eve-log", func(name, at string) {
			list, _ := s.Lookup(at + ".force-hash")
			if name != "files" {
				return
			}
			for n := range strings.SplitSeq(strings.Trim(list, "[]"), ",") {
				switch strings.TrimSpace(n) {
				case "md5":
					h |= protocol.WantMD5
				case "sha1":
					h |= protocol.WantSHA1
				case "sha256":
					h |= protocol.WantSHA256
				}
			}
		})
	}
	return h
}

// keepsText says whether alerts are to carry the rules' text.
func keepsText(s engine.Settings) (keep bool) {
	for _, i := range s.Children("outputs") {
		outputTypes(s, "outputs."+i+".eve-log", func(name, at string) {
			keep = keep || name == "alert" && s.Bool(at+".metadata.rule.raw", false)
		})
	}
	return keep
}

// kind is the event type that an output's type writes.
func kind(name string) string {
	if name == "files" {
		return "fileinfo"
	}
	return name
}

// parserSettings hands settings of outputs to the parsers that write those
// records, unless they are set there.
func parserSettings(s engine.Settings) {
	for _, i := range s.Children("outputs") {
		outputTypes(s, "outputs."+i+".eve-log", func(name, at string) {
			for _, w := range [...]struct{ name, key string }{{"dns", "version"}, {"dhcp", "extended"}, {"mqtt", "passwords"}, {"pgsql", "passwords"}} {
				to := "app-layer.protocols." + w.name + ".eve." + w.key
				v, ok := s[at+"."+w.key]
				if _, set := s[to]; ok && !set && name == w.name {
					s[to] = v
				}
			}
		})
	}
}
