package rule

import (
	"bytes"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// quoting says whether a keyword's argument stands in quotes.
type quoting uint8

const (
	quotesNever quoting = iota
	quotesMay
	quotesMust
)

// quotings are the keywords with quotes; all others take none.
var quotings = map[string]quoting{
	"content": quotesMust, "uricontent": quotesMust, "msg": quotesMust, "replace": quotesMust, "filemagic": quotesMust,
	"tls.subject": quotesMust, "tls.issuerdn": quotesMust, "tls.fingerprint": quotesMust, "pcrexform": quotesMust, "xor": quotesMust,
	"pcre": quotesMay, "filename": quotesMay, "fileext": quotesMay, "app-layer-protocol": quotesMay, "ip_proto": quotesMay,
	"tos": quotesMay, "ssh.protoversion": quotesMay, "ssh.softwareversion": quotesMay, "flowvar": quotesMay, "pktvar": quotesMay,
	"lua": quotesMay, "luajit": quotesMay, "luaxform": quotesMay,
}

// checkQuotes refuses quotes where there must be none, and the reverse.
func (k *keyword) checkQuotes(o *syntax.Option) error {
	text, _ := o.Value.Not()
	quoted := strings.HasPrefix(text.Text, `"`)
	switch q := quotings[k.name]; {
	case quoted && q == quotesNever:
		return fail(o.Value, "%s takes no quotes", "take the quotes away", o.Name.Text)
	case !quoted && q == quotesMust:
		return fail(o.Value, "the value of %s has no quotes around it", `write it as "…"`, o.Name.Text)
	}
	return nil
}

// perPacket are keywords that look at one packet's headers: streams and
// transactions come from many packets, so they do not go with those.
var perPacket = []string{
	"ttl", "tos", "id", "ipopts", "sameip", "fragbits", "fragoffset", "vlan.id", "vlan.layers", "tcp.flags", "tcp.seq", "tcp.ack", "tcp.window",
	"tcp.mss", "tcp.wscale", "itype", "icode", "icmp_id", "icmp_seq", "icmpv6.mtu", "igmp.type", "dsize", "rpc", "flow.age",
	"flow.pkts", "flow.pkts_toserver", "flow.pkts_toclient", "flow.bytes", "flow.bytes_toserver", "flow.bytes_toclient",
	"sctp.vtag", "sctp.chunk_type", "sctp.chunk_cnt", "sctp.chunk_data", "sctp.hdr", "igmp.hdr", "ipv4.hdr", "ipv6.hdr", "tcp.hdr", "udp.hdr", "icmpv4.hdr", "icmpv6.hdr",
}

// notePacket remembers the first keyword about single packets.
func (b *builder) notePacket(k *keyword, name syntax.Token) {
	if b.packetWord.Text == "" && slices.Contains(perPacket, k.name) {
		b.packetWord = name
	}
}

// together refuses a rule whose parts can never hold at once.
func (b *builder) together() error {
	packets := b.packetWord
	if packets.Text == "" && b.onlyRaw == inPacket {
		packets = b.onlyRawAt
	}
	if packets.Text != "" && b.onlyRaw == inStream {
		return fail(packets, "%s looks at single packets, and the rule only at the stream", "take only_stream or tcp-stream away", packets.Text)
	}
	if packets.Text != "" && len(b.rule.steps) > 0 {
		return fail(packets, "%s looks at single packets, and %s at what is put together from several", "write two rules and join them with flowbits", packets.Text, b.stateWord())
	}
	if b.rule.dirs == protocol.BothWays && !b.rule.twoWay {
		if u := b.fieldUse("http.header.raw"); u != nil {
			return fail(u.at, "%s is of requests and of responses", "write flow:to_server or flow:to_client", u.at.Text)
		}
	}
	for _, u := range b.uses {
		if err := u.fits(); err != nil {
			return err
		}
	}
	return nil
}

// stateWord names a keyword of the rule that looks at transactions or frames.
func (b *builder) stateWord() string {
	if b.mixed.Text != "" {
		return b.mixed.Text
	}
	for _, u := range b.uses {
		if u.kind == useFrame {
			return "frame"
		}
	}
	return "another keyword"
}

func (b *builder) fieldUse(keyword string) *use {
	for _, u := range b.uses {
		if u.kind == useField && u.spec.Keyword == keyword {
			return u
		}
	}
	return nil
}

// letters are buffers of digits and letters of one case: Suricata takes their
// contents in either, and so do we.
var letters = map[string]func([]byte) []byte{
	"ssh.hassh": bytes.ToLower, "ssh.hassh.server": bytes.ToLower, "ja3.hash": bytes.ToLower, "ja3s.hash": bytes.ToLower,
	"tls.cert_fingerprint": bytes.ToLower, "tls.cert_serial": bytes.ToUpper,
}

// adapt turns contents to the case of their buffer.
func (u *use) adapt() {
	if u.kind != useField || len(u.chain) > 0 {
		return
	}
	turn := letters[u.spec.Keyword]
	for i := range u.ops {
		if o := &u.ops[i]; turn != nil && o.Kind == payload.Content {
			o.Bytes = turn(o.Bytes)
		}
	}
}

// fits compares the contents of a buffer with its size and its letters.
func (u *use) fits() error {
	most := int64(-1)
	for i := range u.ops {
		if o := &u.ops[i]; o.Kind == payload.BSize {
			most = o.Most()
		}
	}
	lower, upper := u.kind == useField && u.spec.Keyword == "http.host", false
	if n := len(u.chain); n > 0 {
		last := u.chain[n-1].Name
		lower, upper = last == "to_lowercase", last == "to_uppercase"
	}
	for i := range u.ops {
		o := &u.ops[i]
		if o.Kind != payload.Content {
			continue
		}
		if o.NoCase && u.kind == useField && u.spec.Keyword == "http.host" {
			return fail(u.at, "nocase on %s, which is in lower case already", "take nocase away", u.at.Text)
		}
		if need := int64(len(o.Bytes)) + max(0, o.Offset.N); most >= 0 && o.Offset.Var == "" && need > most {
			return fail(u.at, "a content needs %d bytes, and the buffer has at most %d", "", need, most)
		}
		for _, c := range o.Bytes {
			if lower && 'A' <= c && c <= 'Z' || upper && 'a' <= c && c <= 'z' {
				return fail(u.at, "the content %q has letters that %s never has", "write it in the other case", o.Bytes, u.at.Text)
			}
		}
	}
	return nil
}
