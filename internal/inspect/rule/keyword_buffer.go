package rule

import (
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// packetBuffer is a part of the packet that contents can look at.
type packetBuffer uint8

const (
	bufferNone packetBuffer = iota
	bufferIPv4
	bufferIPv6
	bufferTCP
	bufferUDP
	bufferICMPv4
	bufferICMPv6
	bufferEther
	bufferARP
	bufferSCTP
	bufferSCTPData // sctpDataCheck
	bufferIGMP
	bufferIPSrc
	bufferIPDst
)

// bytes is the buffer in a packet, false when the packet has none.
func (n packetBuffer) bytes(p *packet.Packet) ([]byte, bool) {
	header := func(has uint16) ([]byte, bool) {
		if p.Has&has == 0 || len(p.L4) < p.L4Header {
			return nil, false
		}
		return p.L4[:p.L4Header], true
	}
	switch n {
	case bufferIPv4, bufferIPv6:
		if version := uint8(4) + 2*uint8(n-bufferIPv4); p.IPVersion != version || len(p.L3) < p.L3Header {
			return nil, false
		}
		return p.L3[:p.L3Header], true
	case bufferTCP:
		return header(packet.HasTCP)
	case bufferUDP:
		return header(packet.HasUDP)
	case bufferICMPv4:
		if p.Has&packet.HasICMPv4 == 0 {
			return nil, false
		}
		return p.L4[:min(icmpv4Header(p.L4), len(p.L4))], true
	case bufferICMPv6:
		return header(packet.HasICMPv6)
	case bufferEther:
		if p.Has&packet.HasEthernet == 0 || len(p.Data) < 14 {
			return nil, false
		}
		return p.Data[:14], true
	case bufferARP:
		return p.L3, p.Has&packet.HasARP != 0
	case bufferSCTP:
		return p.L4, p.Has&packet.HasSCTP != 0
	case bufferIGMP:
		if _, ok := igmpType(p); !ok {
			return nil, false
		}
		return p.Payload[:min(8, len(p.Payload))], true
	case bufferIPSrc:
		return addressBytes(&p.Src, p.IPVersion)
	case bufferIPDst:
		return addressBytes(&p.Dst, p.IPVersion)
	}
	return nil, false
}

// icmpv4Header is the length of an ICMPv4 header with the fields of its type
// (RFC 792, RFC 950, RFC 1256).
func icmpv4Header(b []byte) int {
	if len(b) < 8 {
		return len(b)
	}
	switch b[0] {
	case 9: // router advertisement: number and size in words of its entries
		return 8 + int(b[4])*int(b[5])*4
	case 13, 14: // timestamps
		return 20
	case 17, 18: // address mask
		return 12
	}
	return 8
}

func addressBytes(a *packet.Addr, version uint8) ([]byte, bool) {
	switch version {
	case 4:
		return a[12:], true
	case 6:
		return a[:], true
	}
	return nil, false
}

func bufferKeywords() []keyword {
	out := []keyword{
		{name: "pkt_data", family: "payload", arg: argNone, doc: "contents that follow look at the packet or stream again",
			run: func(b *builder, name, _ syntax.Token) error {
				return b.sticky(&use{kind: usePayload, at: name})
			}},
		{name: "base64_decode", family: "payload", arg: argMay, use: "[bytes N][, offset N][, relative]", doc: "decodes base64 in the buffer", run: (*builder).base64Decode},
		{name: "base64_data", family: "payload", arg: argNone, doc: "buffer: what base64_decode decoded", run: (*builder).base64Data},
		{name: "frame", family: "payload", use: "[PROTOCOL.]NAME", doc: "buffer: a part of the stream that the protocol's parser marks", run: (*builder).frame},
	}
	for _, h := range []struct {
		name, doc string
		buffer    packetBuffer
		over      transports
		version   uint8
	}{
		{"ipv4.hdr", "IPv4 header with options", bufferIPv4, overAnyIP, 4},
		{"ipv6.hdr", "IPv6 header with extension headers", bufferIPv6, overAnyIP, 6},
		{"tcp.hdr", "TCP header with options", bufferTCP, overTCP, 0},
		{"udp.hdr", "UDP header", bufferUDP, overUDP, 0},
		{"icmpv4.hdr", "ICMPv4 header", bufferICMPv4, overICMP4, 0},
		{"icmpv6.hdr", "ICMPv6 header", bufferICMPv6, overICMP6, 0},
		{"sctp.hdr", "SCTP header and all chunks", bufferSCTP, overSCTP, 0},
		{"igmp.hdr", "first 8 bytes of an IGMP message", bufferIGMP, overAnyIP, 4},
		{"ether.hdr", "Ethernet header", bufferEther, overAnyIP | overNothing, 0},
		{"ip.src", "source address, 4 or 16 bytes", bufferIPSrc, overAnyIP, 0},
		{"ip.dst", "destination address, 4 or 16 bytes", bufferIPDst, overAnyIP, 0},
	} {
		out = append(out, keyword{name: h.name, family: "header", arg: argNone, doc: "buffer: " + h.doc,
			run: func(b *builder, name, _ syntax.Token) error {
				if b.rule.over &= h.over; b.rule.over == 0 {
					return fail(name, "%s does not go with the rule's protocol", "use a header such as: alert ip any any -> any any", name.Text)
				}
				if h.version != 0 {
					b.rule.ipVersion = h.version
				}
				b.needsPkt = b.needsPkt || h.buffer < bufferIPSrc
				return b.sticky(&use{kind: useHeader, buffer: h.buffer, at: name})
			}})
	}
	for _, name := range payload.TransformNames() {
		out = append(out, keyword{name: name, family: "transform", arg: argMay, use: "…", doc: "changes the sticky buffer before it is inspected", run: (*builder).transform})
	}
	return out
}

// transform changes the sticky buffer named before it; behind a content, the
// contents that follow look at the changed buffer and those before do not.
func (b *builder) transform(name, value syntax.Token) error {
	if u := b.current; b.wanted == nil && u != nil {
		b.wanted = &use{kind: u.kind, spec: u.spec, buffer: u.buffer, frame: u.frame, chain: slices.Clone(u.chain), at: name}
	}
	if b.wanted == nil || b.wanted.kind != useField && b.wanted.kind != useHeader && b.wanted.kind != useFrame {
		return fail(name, "%s has no sticky buffer before it", "write http.uri; %s; content:…", name.Text, name.Text)
	}
	if len(b.wanted.chain) >= 16 {
		return fail(name, "more than 16 transforms of one buffer", "")
	}
	t, err := payload.ParseTransform(strings.ToLower(name.Text), strings.Clone(value.Unquote().Text), &b.c.o.Library)
	if err != nil {
		return fail(value, "%s: %s", "", name.Text, err.Error())
	}
	b.wanted.chain = append(b.wanted.chain, t)
	return nil
}

func (b *builder) base64Decode(_, value syntax.Token) error {
	op := payload.Op{Kind: payload.Base64Decode}
	for _, t := range value.Split(',') {
		word, rest, _ := strings.Cut(t.Text, " ")
		arg := syntax.Token{Text: strings.TrimSpace(rest), At: t.At}
		var err error
		switch word {
		case "bytes":
			op.Count, err = b.value(arg, 1, 65535)
		case "offset":
			op.Offset, err = b.value(arg, 0, 65535)
		case "relative":
			op.Relative = true
		case "":
		default:
			err = fail(t, "unknown option %q", "write bytes N, offset N or relative", t.Text)
		}
		if err != nil {
			return err
		}
	}
	b.add(op)
	return nil
}

func (b *builder) base64Data(name, _ syntax.Token) error {
	for i := len(b.uses) - 1; i >= 0; i-- {
		u := b.uses[i]
		for j := len(u.ops) - 1; j >= 0; j-- {
			if u.ops[j].Kind == payload.Base64Decode {
				return b.sticky(&use{kind: useBase64, parent: u, index: j, at: name})
			}
		}
	}
	return fail(name, "base64_data has no base64_decode before it", "write base64_decode; base64_data; content:…")
}

// frame is "http1.headers", or "headers" in a rule whose header names http1.
func (b *builder) frame(name, value syntax.Token) error {
	text := value.Unquote().Text
	proto, frame, dotted := strings.Cut(text, ".")
	ids := []protocol.ID(nil)
	if dotted {
		ids = b.c.protocolIDs(proto)
	}
	if ids == nil {
		if b.appsHere == 0 {
			return fail(value, "the frame %q does not say of which protocol", "write frame:http1.headers, or name the protocol in the rule's header", text)
		}
		frame = text
	} else if err := b.limitApps(name, appsOf(ids)); err != nil {
		return err
	}
	if frame == "stream" { // all of it, as it is put together
		if b.onlyRaw == inPacket {
			return fail(value, "the frame %q together with no_stream", "keep one of them", text)
		}
		b.onlyRaw, b.onlyRawAt = inStream, value
		return b.sticky(&use{kind: usePayload, at: name})
	}
	if names := b.frameNames(); !slices.Contains(names, frame) {
		return fail(value, "no parser marks the frame %q", didYouMean(frame, names), text)
	}
	return b.sticky(&use{kind: useFrame, frame: b.c.intern(frame), at: name})
}

// frameNames are the frames of the rule's protocols.
func (b *builder) frameNames() []string {
	var names []string
	for _, id := range b.c.appsIn(b.appsHere) {
		names = append(names, protocol.FrameNames(id)...)
	}
	return names
}
