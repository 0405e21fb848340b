// Package ssh follows SSH (RFC 4253) over TCP until its keys are in use: the
// banners of both sides and their key exchange offers with the hassh
// fingerprints. It decrypts nothing and knows nothing of rules. The inspection
// engine calls it through Spec.
package ssh

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventInvalidBanner uint8 = iota
	eventLongBanner
	eventInvalidRecord
	eventLongKexRecord
)

// config is the parser's configuration.
type config struct {
	hassh   bool // always, not only when asked for
	noHassh bool
	full    bool // go on when encrypted
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.SSH,
		Transport: protocol.OverTCP,
		Ports:     []uint16{22, 2222},
		Probe:     probe,
		Open:      open,
		Keywords:  keywords(),
		Events:    []string{"invalid_banner", "long_banner", "invalid_record", "long_kex_record"},
		Hooks: map[string]protocol.Stage{
			"request_in_progress": protocol.StageStart, "request_banner_wait_eol": protocol.StageStart, "request_banner_done": protocol.StageLine, "request_finished": protocol.StageDone,
			"response_in_progress": protocol.StageStart, "response_banner_wait_eol": protocol.StageStart, "response_banner_done": protocol.StageLine, "response_finished": protocol.StageDone,
		},
		Record: "ssh",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{}
	if v, ok := s.Lookup("hassh"); ok {
		switch strings.ToLower(v) {
		case "auto":
		case "yes", "true", "on", "1":
			cfg.hassh = true
		case "no", "false", "off", "0":
			cfg.noHassh = true
		default:
			return nil, fmt.Errorf("ssh.hassh: %q is none of auto, yes, no", v)
		}
	}
	if v, ok := s.Lookup("encryption-handling"); ok {
		switch strings.ToLower(v) {
		case "default", "track-only", "bypass":
		case "full":
			cfg.full = true
		default:
			return nil, fmt.Errorf("ssh.encryption-handling: %q is none of default, track-only, bypass, full", v)
		}
	}
	return func() protocol.Parser {
		p := &parser{cfg: cfg}
		p.tx.cfg = cfg
		p.Reset()
		return p
	}, nil
}

var prefix = []byte("SSH-")

func probe(_ packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if n := min(len(data), len(prefix)); !bytes.Equal(data[:n], prefix[:n]) {
		return protocol.No
	} else if n < len(prefix) {
		return protocol.More
	}
	return protocol.Yes
}

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.SSH}
	return []protocol.Keyword{
		{Name: "ssh.protoversion", Dirs: protocol.BothWays, On: on, Stage: protocol.StageLine, Compile: compileProto, Doc: "protocol version of the sender's banner: 2.0, 1.5 …, or 2_compat for 2.0 and 1.99"},
		{Name: "ssh.softwareversion", Dirs: protocol.BothWays, On: on, Stage: protocol.StageLine, Compile: compileSoftware, Doc: "software of the sender's banner, the whole of it"},
	}
}

func unquote(arg string) string {
	arg = strings.TrimSpace(arg)
	if n := len(arg); n >= 2 && arg[0] == '"' && arg[n-1] == '"' {
		return arg[1 : n-1]
	}
	return arg
}

func compileProto(arg string) (protocol.Test, error) {
	text := unquote(arg)
	if text == "" || strings.Trim(text, "0123456789.") != "" && text != "2_compat" {
		return nil, fmt.Errorf("%q is no version; write 2.0, 1.99 or 2_compat", text)
	}
	want := []byte(text)
	compat := text == "2_compat"
	return func(tx protocol.Tx, d packet.Direction) bool {
		v, ok := tx.Bytes(protocol.SSHProto, d, 0)
		if !ok {
			return false
		}
		if compat {
			return string(v) == "2" || string(v) == "2.0" || string(v) == "1.99"
		}
		return bytes.Equal(v, want)
	}, nil
}

func compileSoftware(arg string) (protocol.Test, error) {
	text := unquote(arg)
	if text == "" {
		return nil, fmt.Errorf("a text is missing")
	}
	want := []byte(text)
	return func(tx protocol.Tx, d packet.Direction) bool {
		v, ok := tx.Bytes(protocol.SSHSoftware, d, 0)
		return ok && bytes.Equal(v, want)
	}, nil
}
