// Package quic reads what QUIC shows before its keys are secret: the client and
// server hello in the Initial packets of versions 1 and 2 (RFC 9000, 9001,
// 9369) and of the drafts from 17 on, and the client hello of Google's QUIC up
// to Q046. Hellos are taken apart by package tls. It knows nothing of rules. The
// inspection engine calls it through Spec.
package quic

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventFailedDecrypt uint8 = iota
	eventErrorOnData
	eventErrorOnHeader
	eventCryptoTooLong
)

// config is the parser's configuration.
type config struct {
	noJA3, noJA4 bool
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:         protocol.QUIC,
		Transport:  protocol.OverUDP,
		Ports:      []uint16{443, 80, 8443},
		Probe:      probe,
		Open:       open,
		Events:     []string{"failed_decrypt", "error_on_data", "error_on_header", "crypto_frag_too_long"},
		Record:     "quic",
		Packetwise: true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{}
	for name, no := range map[string]*bool{"ja3-fingerprints": &cfg.noJA3, "ja4-fingerprints": &cfg.noJA4} {
		v, ok := s.Lookup(name)
		if !ok {
			continue
		}
		switch strings.ToLower(v) {
		case "auto", "yes", "true", "on", "1":
		case "no", "false", "off", "0":
			*no = true
		default:
			return nil, fmt.Errorf("quic.%s: %q is none of auto, yes, no", name, v)
		}
	}
	return func() protocol.Parser {
		p := &parser{cfg: cfg}
		p.Reset()
		return p
	}, nil
}

// probe looks for a long header of a version that exists, or for a public
// header of Google's QUIC.
func probe(d packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if len(data) < 7 {
		return protocol.No
	}
	if data[0]&0x80 == 0 {
		version, ok := publicVersion(data)
		if d == packet.ToServer && ok && isGoogle(version) {
			return protocol.Yes
		}
		return protocol.No
	}
	version := binary.BigEndian.Uint32(data[1:])
	if isGoogle(version) {
		return protocol.Yes
	}
	to := int(data[5])
	if to > 20 || len(data) < 7+to || data[6+to] > 20 || len(data) < 7+to+int(data[6+to]) {
		return protocol.No
	}
	switch {
	case version == version1, version == version2, version>>8 == 0xff0000, version>>4 == 0xfaceb00, isGoogleSecret(version), version&0x0f0f0f0f == 0x0a0a0a0a:
		return protocol.Yes
	case version == 0 && d == packet.ToClient:
		return protocol.Maybe
	}
	return protocol.No
}
