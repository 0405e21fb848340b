package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// FlowConfig reads the settings of flows, streams and fragments. What is not
// set is as in Suricata's stock configuration. ips says whether packets can be
// dropped: exception policies that drop count only then. The error names every
// setting that is wrong.
func FlowConfig(s Settings, ips bool) (flow.Config, error) {
	r := reading{s: s, ips: ips}
	c := flow.Default()
	c.UseVLAN = s.Bool("vlan.use-for-tracking", c.UseVLAN)
	st := &c.Stream
	st.Midstream = s.Bool("stream.midstream", st.Midstream)
	st.AsyncOneside = s.Bool("stream.async-oneside", st.AsyncOneside)
	st.Inline = ips
	if v, ok := s["stream.inline"]; ok && v != "auto" {
		st.Inline = IsTrue(v)
	}
	st.DropInvalid = s.Bool("stream.drop-invalid", st.DropInvalid)
	st.BypassOnDepth = s.Bool("stream.bypass", st.BypassOnDepth)
	st.CheckOverlapDifferent = s.Bool("stream.reassembly.check-overlap-different-data", st.CheckOverlapDifferent)
	st.LiberalTimestamps = s.Bool("stream.liberal-timestamps", st.LiberalTimestamps)
	st.MaxSynQueued = int(r.size("stream.max-syn-queued", uint64(st.MaxSynQueued)))
	st.MaxSynackQueued = int(r.size("stream.max-synack-queued", uint64(st.MaxSynackQueued)))
	st.Depth = r.size("stream.reassembly.depth", st.Depth)
	st.ToServerChunk = int(r.size("stream.reassembly.toserver-chunk-size", uint64(st.ToServerChunk)))
	st.ToClientChunk = int(r.size("stream.reassembly.toclient-chunk-size", uint64(st.ToClientChunk)))
	st.NoRaw = !s.Bool("stream.reassembly.raw", true)
	r.memory(st)
	r.policies(&c)
	r.urgent(st)
	r.timeouts("default", &c.Other)
	r.timeouts("tcp", &c.TCP)
	r.timeouts("udp", &c.UDP)
	r.timeouts("icmp", &c.ICMP)
	r.hosts(&c)
	return c, errors.Join(r.bad...)
}

// reading collects what is wrong in settings.
type reading struct {
	s   Settings
	ips bool
	bad []error
}

func (r *reading) wrong(name, value, want string) {
	r.bad = append(r.bad, fmt.Errorf("%s: %q is not %s", name, value, want))
}

func (r *reading) size(name string, otherwise uint64) uint64 {
	v, ok := r.s[name]
	if !ok {
		return otherwise
	}
	n, ok := ParseSize(v)
	if !ok {
		r.wrong(name, v, `a size such as "1mb"`)
	}
	return n
}

// memory reads the bounds of memory: stream.memcap is of sessions,
// stream.reassembly.memcap of their bytes. 0 is no bound of sessions; bytes
// always have one.
func (r *reading) memory(st *flow.StreamConfig) {
	const sessions, data = "stream.memcap", "stream.reassembly.memcap"
	if n := r.size(sessions, 0); n > 0 {
		st.MaxSessions = int(min(max(n/flow.SessionBytes, 1), 1<<30))
	}
	n := r.size(data, uint64(st.Memory))
	switch {
	case n == 0:
	case n < 1<<16 || n > 1<<40 || uint64(int(n)) != n: // int may have 32 bits
		r.wrong(data, r.s[data], "from 64kb to 1024gb")
	default:
		st.Memory = int(n)
	}
}

// policies reads the exception policies: the general one holds for each that
// is not set. "auto" is drop-flow (midstream: as well) inline, ignore else.
func (r *reading) policies(c *flow.Config) {
	base, given := r.s["exception-policy"]
	for _, p := range []struct {
		name string
		to   *flow.Policy
	}{
		{"flow.memcap-policy", &c.MemcapPolicy}, {"defrag.memcap-policy", &c.Defrag.MemcapPolicy}, {"stream.memcap-policy", &c.Stream.MemcapPolicy},
		{"stream.reassembly.memcap-policy", &c.Stream.ReassemblyPolicy}, {"stream.midstream-policy", &c.Stream.MidstreamPolicy},
	} {
		v, ok := r.s[p.name]
		if !ok && given {
			v, ok = base, true
		}
		if !ok {
			continue
		}
		*p.to = r.policy(p.name, v)
	}
	if c.Stream.Midstream && !given && r.s["stream.midstream-policy"] == "" {
		c.Stream.MidstreamPolicy = flow.PolicyIgnore
	}
}

func (r *reading) policy(name, v string) flow.Policy {
	if v == "auto" {
		if r.ips && name != "stream.midstream-policy" {
			return flow.PolicyDropFlow
		}
		return flow.PolicyIgnore
	}
	p, ok := flow.PolicyByName(v)
	if !ok {
		r.wrong(name, v, "ignore, auto, bypass, pass-packet, pass-flow, drop-packet, drop-flow or reject")
	}
	return p
}

func (r *reading) urgent(c *flow.StreamConfig) {
	read := func(name string, to *flow.UrgentPolicy) {
		switch v := r.s[name]; v {
		case "":
		case "inline":
			*to = flow.UrgentInline
		case "oob":
			*to = flow.UrgentOOB
		case "gap":
			*to = flow.UrgentGap
		case "drop":
			*to = flow.UrgentDrop
		default:
			r.wrong(name, v, "inline, oob, gap or drop")
		}
	}
	read("stream.reassembly.urgent.policy", &c.Urgent)
	read("stream.reassembly.urgent.oob-limit-policy", &c.UrgentOOBPolicy)
}

func (r *reading) timeouts(name string, t *flow.Timeouts) {
	for key, to := range map[string]*time.Duration{"new": &t.New, "established": &t.Established, "closed": &t.Closed, "bypassed": &t.Bypassed} {
		full := "flow-timeouts." + name + "." + key
		v, ok := r.s[full]
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			r.wrong(full, v, "a number of seconds")
		}
		*to = time.Duration(n) * time.Second
	}
}

func (r *reading) hosts(c *flow.Config) {
	for _, name := range r.s.Children("host-os-policy") {
		os, ok := flow.OSByName(name)
		if !ok {
			r.wrong("host-os-policy", name, "a family of operating systems")
			continue
		}
		list, _ := r.s.Lookup("host-os-policy." + name)
		for text := range strings.SplitSeq(strings.Trim(list, "[]"), ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			p, err := prefix(text)
			if err != nil {
				r.wrong("host-os-policy."+name, text, "an address or prefix")
				continue
			}
			c.Hosts = append(c.Hosts, flow.HostPolicy{Prefix: p, OS: os})
		}
	}
}

func prefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// DecoderOptions reads the settings of the decoder; checksums says whether
// they are to be verified.
func DecoderOptions(s Settings, checksums bool) packet.Options {
	o := packet.DefaultOptions()
	if checksums {
		o.Checksums = packet.CheckAll
	}
	o.Teredo = s.Bool("decoder.teredo.enabled", o.Teredo)
	o.ERSPANTypeI = s.Bool("decoder.erspan.typeI.enabled", o.ERSPANTypeI)
	if !s.Bool("decoder.vxlan.enabled", true) {
		o.VXLANPorts = nil
	}
	if !s.Bool("decoder.geneve.enabled", true) {
		o.GenevePorts = nil
	}
	return o
}
