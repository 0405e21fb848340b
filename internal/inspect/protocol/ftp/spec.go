// Package ftp follows FTP sessions (RFC 959, RFC 2428): commands with their
// replies, the data connections they agree on, and what those carry. A
// transaction of a session is one command; a data connection is one
// transaction with one file. The inspection engine calls it through Spec and
// DataSpec; it knows nothing of rules but its own keywords.
package ftp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventRequestTooLong uint8 = iota
	eventResponseTooLong
)

// Spec describes the parser of sessions.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.FTP,
		Transport: protocol.OverTCP,
		Ports:     []uint16{21, 2121},
		Probe:     probe,
		Tells: func(d packet.Direction, first []byte) bool {
			return d == packet.ToServer || bytes.HasPrefix(first, []byte("220 ("))
		},
		Open:     open,
		Keywords: keywords(),
		Events:   []string{"request_command_too_long", "response_command_too_long"},
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Record: "ftp",
	}
}

// DataSpec describes the parser of data connections. They are announced by
// sessions (Env.Expect) and never told by their content.
func DataSpec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.FTPData,
		Transport: protocol.OverTCP,
		Probe: func(packet.Direction, []byte, uint16, uint16) protocol.Verdict {
			return protocol.No
		},
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(dataParser) }, nil
		},
		Keywords: dataKeywords(),
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Record: "ftp_data",
		Files:  true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	limit := 4096
	if text, ok := s.Lookup("max-line-length"); ok {
		n, err := lineLength(text)
		if err != nil {
			return nil, err
		}
		limit = n
	}
	return func() protocol.Parser { return &parser{limit: limit} }, nil
}

func lineLength(text string) (int, error) {
	number, unit := strings.ToLower(strings.TrimSpace(text)), 1
	for _, suffix := range []string{"kib", "kb", "k"} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = strings.TrimSpace(rest), 1024
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 16 || n*unit > 1<<20 {
		return 0, fmt.Errorf("ftp.max-line-length: %q is not a size from 16 bytes to 1 MiB", text)
	}
	return n * unit, nil
}

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.FTP}
	return []protocol.Keyword{
		{Name: "ftpbounce", Dirs: protocol.ToServerOnly, On: on, Stage: protocol.StageStart, Optional: true, Doc: "a PORT command that names another host than the client", Compile: compileBounce},
		{Name: "ftp.mode", Dirs: protocol.BothWays, On: on, Stage: protocol.StageStart, Doc: "active or passive: who opens the data connection", Compile: compileMode},
		{Name: "ftp.reply_received", Dirs: protocol.BothWays, On: on, Stage: protocol.StageStart, Doc: "yes or no: whether the command was replied to", Compile: compileReceived},
	}
}

func compileBounce(arg string) (protocol.Test, error) {
	if arg != "" {
		return nil, fmt.Errorf("ftpbounce takes no argument")
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.bounce
	}, nil
}

func compileMode(arg string) (protocol.Test, error) {
	want := strings.ToLower(strings.TrimSpace(arg))
	if want != "active" && want != "passive" {
		return nil, fmt.Errorf("ftp.mode: %q is neither active nor passive", arg)
	}
	active := want == "active"
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.known && t.port != 0 && t.active == active
	}, nil
}

func compileReceived(arg string) (protocol.Test, error) {
	var want bool
	switch strings.ToLower(strings.TrimSpace(arg)) {
	case "yes", "on":
		want = true
	case "no", "off":
	default:
		return nil, fmt.Errorf("ftp.reply_received: %q is not yes, on, no or off", arg)
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.known && (len(t.replyEnds) > 0) == want
	}, nil
}

func dataKeywords() []protocol.Keyword {
	return []protocol.Keyword{{
		Name: "ftpdata_command", Aliases: []string{"ftpdata.command"}, Dirs: protocol.BothWays, On: []protocol.ID{protocol.FTPData}, Stage: protocol.StageStart,
		Doc: "retr or stor: the command that asked for the data connection", Compile: compileDataCommand,
	}}
}

func compileDataCommand(arg string) (protocol.Test, error) {
	want := strings.ToLower(strings.TrimSpace(arg))
	if want != "retr" && want != "stor" {
		return nil, fmt.Errorf("ftpdata_command: %q is neither retr nor stor", arg)
	}
	retr := want == "retr"
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*dataTx)
		return ok && t.download == retr
	}, nil
}
