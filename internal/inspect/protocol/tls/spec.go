// Package tls follows TLS 1.0 to 1.3, SSL 3.0 and SSL 2.0 hellos over TCP up to
// the point where everything is encrypted: hellos with their fingerprints (JA3,
// JA3S, JA4), certificate chains, alerts and heartbeats. It also takes hellos
// apart for QUIC. It checks no signature and knows nothing of rules. The
// inspection engine calls it through Spec.
package tls

import (
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventSSLv2Header uint8 = iota
	eventTLSHeader
	eventRecordVersion
	eventRecordType
	eventHandshakeMessage
	eventHandshakeLength
	eventHeartbeat
	eventInvalidHeartbeat
	eventOverflowHeartbeat
	eventLeakHeartbeat
	eventManyNames
	eventNameType
	eventNameLength
	eventManyRecords
	eventCertificate
	eventCertElement
	eventCertUnknown
	eventCertLength
	eventCertVersion
	eventCertSerial
	eventCertAlgorithm
	eventCertName
	eventCertDate
	eventCertExtensions
	eventCertDER
	eventCertSubject
	eventCertIssuer
	eventCertValidity
	eventCertString
	eventErrorMessage
	eventSSLRecord
	eventNone
)

func eventNames() []string {
	return []string{
		"invalid_sslv2_header", "invalid_tls_header", "invalid_record_version", "invalid_record_type",
		"invalid_handshake_message", "handshake_invalid_length",
		"heartbeat_message", "invalid_heartbeat_message", "overflow_heartbeat_message", "dataleak_heartbeat_mismatch",
		"multiple_sni_extensions", "invalid_sni_type", "invalid_sni_length", "too_many_records_in_packet",
		"invalid_certificate", "certificate_missing_element", "certificate_unknown_element", "certificate_invalid_length",
		"certificate_invalid_version", "certificate_invalid_serial", "certificate_invalid_algorithmidentifier", "certificate_invalid_x509name",
		"certificate_invalid_date", "certificate_invalid_extensions", "certificate_invalid_der", "certificate_invalid_subject",
		"certificate_invalid_issuer", "certificate_invalid_validity", "certificate_invalid_string",
		"error_message_encountered", "invalid_ssl_record",
	}
}

// handling is what to do once a flow is encrypted.
type handling uint8

const (
	handleDefault handling = iota // give up unless heartbeats were agreed on
	handleBypass                  // give up at once
	handleFull                    // go on
)

// config is the parser's configuration.
type config struct {
	handling   handling
	ja3, ja4   bool // always, not only when asked for
	noJA3      bool
	noJA4      bool
	resumption bool
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.TLS,
		Transport: protocol.OverTCP,
		Ports:     []uint16{443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 5061, 6514, 8443, 8883},
		Probe:     probe,
		Reversed:  reversed,
		Open:      open,
		Keywords:  keywords(),
		Events:    eventNames(),
		Hooks: map[string]protocol.Stage{
			"client_in_progress": protocol.StageStart, "client_hello_done": protocol.StageLine, "client_cert_done": protocol.StageHeaders,
			"client_handshake_done": protocol.StageDone, "client_finished": protocol.StageDone,
			"server_in_progress": protocol.StageStart, "server_hello": protocol.StageLine, "server_cert_done": protocol.StageHeaders,
			"server_hello_done": protocol.StageBody, "server_handshake_done": protocol.StageDone, "server_finished": protocol.StageDone,
		},
		Record: "tls",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{}
	if v, ok := s.Lookup("encryption-handling"); ok {
		switch strings.ToLower(v) {
		case "default", "track-only":
		case "bypass":
			cfg.handling = handleBypass
		case "full":
			cfg.handling = handleFull
		default:
			return nil, fmt.Errorf("tls.encryption-handling: %q is none of default, track-only, bypass, full", v)
		}
	}
	for name, set := range map[string][2]*bool{"ja3-fingerprints": {&cfg.ja3, &cfg.noJA3}, "ja4-fingerprints": {&cfg.ja4, &cfg.noJA4}} {
		v, ok := s.Lookup(name)
		if !ok {
			continue
		}
		switch strings.ToLower(v) {
		case "auto":
		case "yes", "true", "on", "1":
			*set[0] = true
		case "no", "false", "off", "0":
			*set[1] = true
		default:
			return nil, fmt.Errorf("tls.%s: %q is none of auto, yes, no", name, v)
		}
	}
	return func() protocol.Parser {
		p := &parser{cfg: cfg}
		p.tx.cfg = cfg
		p.Reset()
		return p
	}, nil
}
