// Package websocket follows WebSocket (RFC 6455) after its upgrade from HTTP:
// frames, masks, fragments, and compressed messages (RFC 7692). Each frame is a
// transaction; the last frame of a message has the payload of all of it. It
// knows nothing of rules. The inspection engine calls it through Spec.
package websocket

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

// The events, by index in Spec.Events.
const (
	eventSkipEnd uint8 = iota
	eventReassembly
)

// config is the parser's configuration.
type config struct {
	maxPayload int
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.WebSocket,
		Transport: protocol.OverTCP,
		Probe:     func(packet.Direction, []byte, uint16, uint16) protocol.Verdict { return protocol.No },
		Open:      open,
		Keywords:  keywords(),
		Events:    []string{"skip_end_of_payload", "reassembly_limit_reached"},
		Record:    "websocket",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{maxPayload: 65535}
	if text, ok := s.Lookup("max-payload-size"); ok {
		n, err := parseSize(text)
		if err != nil {
			return nil, fmt.Errorf("websocket.max-payload-size: %q is not a size such as 64kb", text)
		}
		cfg.maxPayload = n
	}
	return func() protocol.Parser {
		p := &parser{cfg: cfg}
		p.Reset()
		return p
	}, nil
}

// parseSize reads bytes with a unit.
func parseSize(text string) (int, error) {
	text = strings.ToLower(strings.ReplaceAll(text, " ", ""))
	digits := strings.TrimRight(text, "kmgib")
	n, err := strconv.ParseUint(digits, 10, 24)
	if err != nil {
		return 0, err
	}
	switch {
	case strings.HasPrefix(text[len(digits):], "k"):
		n <<= 10
	case strings.HasPrefix(text[len(digits):], "m"):
		n <<= 20
	case strings.HasPrefix(text[len(digits):], "g"):
		return 0, strconv.ErrRange
	}
	return int(min(n, 64<<20)), nil
}

var opcodeNames = map[string]uint64{"continuation": 0, "text": 1, "binary": 2, "connection_close": 8, "ping": 9, "pong": 10}

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.WebSocket}
	keyword := func(f protocol.Field, name, doc string, parse func(string) (number.Test, error)) protocol.Keyword {
		return protocol.Keyword{Name: name, Dirs: protocol.BothWays, On: on, Stage: protocol.StageDone, Doc: doc, Compile: func(arg string) (protocol.Test, error) {
			test, err := parse(arg)
			if err != nil {
				return nil, err
			}
			return func(tx protocol.Tx, d packet.Direction) bool {
				v, ok := tx.Uint(f, d, 0)
				return ok && test.Match(v)
			}, nil
		}}
	}
	return []protocol.Keyword{
		keyword(protocol.WebSocketFlags, "websocket.flags", "upper four bits of a frame's first byte: a number, or a list of fin, comp with ! for unset", func(arg string) (number.Test, error) {
			return number.ParseFlags(arg, 8, map[string]uint64{"fin": 0x80, "comp": 0x40})
		}),
		keyword(protocol.WebSocketOpcode, "websocket.opcode", "opcode of a frame: a number, or continuation, text, binary, connection_close, ping, pong", func(arg string) (number.Test, error) {
			return number.Parse(arg, 8, opcodeNames)
		}),
	}
}
