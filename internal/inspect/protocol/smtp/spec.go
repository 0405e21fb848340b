// Package smtp follows SMTP sessions (RFC 5321): commands and replies with
// pipelining, DATA and BDAT, STARTTLS, and the mail inside, which smtp/mime
// reads. A transaction is one mail, or the commands before the first. It knows
// nothing of rules. The inspection engine calls it through Spec.
package smtp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp/mime"
)

// The events, by index in Spec.Events.
const (
	eventInvalidReply uint8 = iota
	eventUnmatchedReply
	eventCommandTooLong
	eventReplyTooLong
	eventPipelining
	eventBdatLength
	eventNoWelcome
	eventTLSRejected
	eventDataRejected
	eventProtocolChange
	eventDuplicate
	eventUnparsable
	eventTruncatedLine
	eventMIME // the first of mime's, in the order of package mime
)

func eventNames() []string {
	return []string{
		"invalid_reply", "unable_to_match_reply_with_request", "max_command_line_len_exceeded", "max_reply_line_len_exceeded",
		"invalid_pipelined_sequence", "bdat_chunk_len_exceeded", "no_server_welcome_message", "tls_rejected", "data_command_rejected",
		"failed_protocol_change", "duplicate_fields", "unparsable_content", "truncated_line",
		"mime_parse_failed", "mime_malformed_msg", "mime_invalid_base64", "mime_invalid_qp", "mime_long_line", "mime_long_enc_line",
		"mime_long_header_name", "mime_long_header_value", "mime_long_boundary", "mime_long_filename",
	}
}

// config is the parser's configuration.
type config struct {
	mime    mime.Config
	decode  bool // read the mail inside
	raw     bool // take the whole message as one file, "rawmsg"
	limit   uint64
	minSize uint64
	window  uint64
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.SMTP,
		Transport: protocol.OverTCP,
		Ports:     []uint16{25, 465, 587, 2525},
		Probe:     probe,
		Tells:     func(d packet.Direction, _ []byte) bool { return d == packet.ToServer },
		Open:      open,
		Events:    eventNames(),
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Record: "smtp",
		Files:  true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{decode: true, limit: 100000, minSize: 32768, window: 4096}
	cfg.mime = mime.Config{Base64: true, QuotedPrintable: true, URLs: true, HeaderDepth: 2000, Schemes: [][]byte{[]byte("http://")}}
	r := reader{s: s}
	r.flag("raw-extraction", &cfg.raw)
	r.flag("mime.decode-mime", &cfg.decode)
	r.flag("mime.decode-base64", &cfg.mime.Base64)
	r.flag("mime.decode-quoted-printable", &cfg.mime.QuotedPrintable)
	r.flag("mime.extract-urls", &cfg.mime.URLs)
	r.flag("mime.log-url-scheme", &cfg.mime.URLScheme)
	r.flag("mime.body-md5", &cfg.mime.BodyMD5)
	r.schemes("mime.extract-urls-schemes", &cfg.mime.Schemes)
	depth := uint64(cfg.mime.HeaderDepth)
	r.size("mime.header-value-depth", &depth)
	r.size("inspected-tracker.content-limit", &cfg.limit)
	r.size("inspected-tracker.content-inspect-min-size", &cfg.minSize)
	r.size("inspected-tracker.content-inspect-window", &cfg.window)
	if r.err != nil {
		return nil, r.err
	}
	cfg.window = min(max(cfg.window, 1024), 1<<20)
	cfg.mime.HeaderDepth = int(min(max(depth, 64), 65536))
	if cfg.raw {
		cfg.decode = false
	}
	return func() protocol.Parser { return newParser(cfg) }, nil
}

// reader reads settings and keeps the first error.
type reader struct {
	s   protocol.Settings
	err error
}

func (r *reader) flag(name string, v *bool) {
	text, ok := r.s.Lookup(name)
	if !ok {
		return
	}
	switch strings.ToLower(text) {
	case "yes", "true", "on", "1":
		*v = true
	case "no", "false", "off", "0":
		*v = false
	default:
		r.fail(name, text, "yes or no")
	}
}

func (r *reader) size(name string, v *uint64) {
	text, ok := r.s.Lookup(name)
	if !ok {
		return
	}
	number, unit := strings.TrimRight(strings.ToLower(strings.TrimSpace(text)), "kmgib "), uint64(1)
	switch suffix := strings.TrimSpace(strings.ToLower(text)[len(number):]); {
	case strings.HasPrefix(suffix, "k"):
		unit = 1 << 10
	case strings.HasPrefix(suffix, "m"):
		unit = 1 << 20
	case strings.HasPrefix(suffix, "g"):
		unit = 1 << 30
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	if err != nil {
		r.fail(name, text, "a size in bytes")
		return
	}
	*v = n * unit
}

func (r *reader) schemes(name string, v *[][]byte) {
	text, ok := r.s.Lookup(name)
	if !ok {
		return
	}
	*v = nil
	for scheme := range strings.SplitSeq(text, ",") {
		scheme = strings.ToLower(strings.Trim(scheme, " []\"'"))
		if scheme != "" {
			*v = append(*v, []byte(strings.TrimSuffix(scheme, "://")+"://"))
		}
	}
}

func (r *reader) fail(name, text, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("smtp.%s: %q is not %s", name, text, want)
	}
}
