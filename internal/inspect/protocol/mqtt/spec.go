package mqtt

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
)

// Events, by their number in Spec.Events.
const (
	eventMissingConnect = iota
	eventMissingPublish
	eventMissingSubscribe
	eventMissingUnsubscribe
	eventDoubleConnect
	eventUnintroduced
	eventInvalidQoS
	eventMissingID
	eventUnassignedType
	eventTooManyTransactions
	eventMalformed
)

// Spec describes MQTT. Settings: max-msg-length (1mb), max-tx (1024),
// subscribe-topic-match-limit and unsubscribe-topic-match-limit (100; 0 for
// all), eve.passwords (no).
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.MQTT, Transport: protocol.OverTCP, Ports: []uint16{1883}, Probe: probe, Open: open,
		Keywords: keywords(),
		Events: []string{
			"missing_connect", "missing_publish", "missing_subscribe", "missing_unsubscribe", "double_connect",
			"unintroduced_message", "invalid_qos_level", "missing_msg_id", "unassigned_msg_type",
			"too_many_transactions", "malformed_traffic",
		},
		Record: "mqtt",
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	o := options{maxMessage: 1 << 20, maxTx: 1024, limits: limits{100, 100}}
	if s == nil {
		return func() protocol.Parser { return &parser{options: o} }, nil
	}
	for _, n := range []struct {
		name string
		to   *int
	}{
		{"max-msg-length", &o.maxMessage}, {"max-tx", &o.maxTx},
		{"subscribe-topic-match-limit", &o.limits.subscribe}, {"unsubscribe-topic-match-limit", &o.limits.unsubscribe},
	} {
		v, ok := s.Lookup(n.name)
		if !ok {
			continue
		}
		size, err := memory(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.name, err)
		}
		*n.to = size
	}
	o.maxMessage = min(o.maxMessage, 1<<24)
	v, _ := s.Lookup("eve.passwords")
	o.passwords = v == "yes" || v == "true" || v == "1"
	return func() protocol.Parser { return &parser{options: o} }, nil
}

// memory reads a size such as 1mb.
func memory(text string) (int, error) {
	s, times := strings.ToLower(strings.TrimSpace(text)), 1
	for _, u := range []struct {
		unit  string
		times int
	}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}} {
		if rest, ok := strings.CutSuffix(s, u.unit); ok {
			s, times = strings.TrimSpace(rest), u.times
		}
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > uint64(1<<31)/uint64(times) {
		return 0, fmt.Errorf("%q is not a size such as 1mb", text)
	}
	return int(n) * times, nil
}

// probe tells MQTT by the packet that begins a connection; on its port by any
// fixed header that fits, and the others may be MQTT too.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	onPort := dstPort == 1883
	if d == packet.ToClient {
		onPort = srcPort == 1883
	}
	first, length, size, state := fixedHeader(data)
	switch {
	case state == headerMore:
		if len(data) == 0 || data[0] == typeConnect<<4 || onPort && plausible(data[0]) {
			return protocol.More
		}
		return protocol.No
	case state == headerBad || !plausible(first):
		return protocol.No
	case first == typeConnect<<4:
		if v := probeConnect(data[size:], length); v != protocol.No {
			return v
		}
	}
	switch {
	case !onPort:
		return protocol.No
	case fits(first, length):
		return protocol.Yes
	}
	return protocol.Maybe
}

// fits says whether flags and length are those that the type of packet has
// (MQTT 5, 2.1.3 and chapter 3).
func fits(first byte, length int) bool {
	flags := first & 15
	switch first >> 4 {
	case typePublish:
		return length >= 2
	case typePubrel, typeSubscribe, typeUnsubscribe:
		return flags == 2 && length >= 2
	case typePingreq, typePingresp:
		return flags == 0 && length == 0
	case typeDisconnect, typeAuth:
		return flags == 0 && length < 1024
	}
	return flags == 0 && length >= 2 && length < 1024
}

// plausible says whether a message may begin with this byte.
func plausible(first byte) bool { return first>>4 != typeUnassigned && first>>1&3 != 3 }

// probeConnect looks for the protocol name of CONNECT.
func probeConnect(body []byte, length int) protocol.Verdict {
	if length < 10 {
		return protocol.No
	}
	for _, name := range [...]string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
		n := min(len(name), len(body))
		if string(body[:n]) == name[:n] {
			if n == len(name) {
				return protocol.Yes
			}
			return protocol.More
		}
	}
	return protocol.No
}

func keywords() []protocol.Keyword {
	types := make(map[string]uint64, len(typeNames))
	for i, name := range typeNames {
		types[name] = uint64(i)
	}
	connect := map[string]uint64{
		"username": connectUser, "password": connectPassword, "will": connectWill,
		"will_retain": connectWillRetain, "clean_session": connectClean,
	}
	return []protocol.Keyword{
		number.Keyword(protocol.MQTT, protocol.MQTTType, "mqtt.type", 8, types, protocol.BothWays, "type of a control packet"),
		number.Keyword(protocol.MQTT, protocol.MQTTReasonCode, "mqtt.reason_code", 8, nil, protocol.BothWays,
			"reason code of version 5, or return code", "mqtt.connack.return_code"),
		flagKeyword("mqtt.flags", map[string]uint64{"dup": 8, "retain": 1}, "flags of the fixed header, all of which must hold",
			func(m *message) (uint64, bool) { return uint64(m.flags & 9), true }),
		flagKeyword("mqtt.connect.flags", connect, "flags of CONNECT, all of which must hold",
			func(m *message) (uint64, bool) { return uint64(m.connect), m.kind == typeConnect && !m.truncated }),
		sessionPresent(),
	}
}

// flagKeyword makes a keyword that holds when the flags of some message do.
func flagKeyword(name string, names map[string]uint64, doc string, flags func(*message) (uint64, bool)) protocol.Keyword {
	return messageKeyword(name, doc, func(arg string) (func(*message) bool, error) {
		t, err := number.ParseFlags(arg, 8, names)
		return func(m *message) bool {
			v, ok := flags(m)
			return ok && t.Match(v)
		}, err
	})
}

func sessionPresent() protocol.Keyword {
	return messageKeyword("mqtt.connack.session_present", "flag of CONNACK: yes or no", func(arg string) (func(*message) bool, error) {
		var want bool
		switch strings.ToLower(arg) {
		case "yes", "true", "on", "1":
			want = true
		case "no", "false", "off", "0":
		default:
			return nil, fmt.Errorf("%q is neither yes nor no", arg)
		}
		return func(m *message) bool { return m.kind == typeConnack && !m.truncated && m.present == want }, nil
	})
}

// messageKeyword makes a keyword that tests the messages of a transaction.
func messageKeyword(name, doc string, compile func(string) (func(*message) bool, error)) protocol.Keyword {
	return protocol.Keyword{
		Name: name, Dirs: protocol.BothWays, On: []protocol.ID{protocol.MQTT}, Stage: protocol.StageDone, Doc: doc,
		Compile: func(arg string) (protocol.Test, error) {
			match, err := compile(arg)
			if err != nil {
				return nil, err
			}
			return func(tx protocol.Tx, d packet.Direction) bool {
				t, ok := tx.(*Tx)
				if !ok || d != t.dir {
					return false
				}
				for i := range t.messages {
					if match(&t.messages[i]) {
						return true
					}
				}
				return false
			}, nil
		},
	}
}
