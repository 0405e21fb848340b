// Package smb follows SMB 1, 2 and 3 over TCP (MS-CIFS, MS-SMB, MS-SMB2):
// negotiation, sessions with their NTLM names, shares, files both ways and
// remote procedure calls through named pipes, which package dcerpc reads. A
// transaction is a request with its response, a file, or a call. It does not
// decrypt. The inspection engine calls it through Spec.
package smb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventInternal uint8 = iota
	eventMalformed
	eventRecordOverflow
	eventNTLMRequest
	eventNTLMResponse
	eventDuplicateNegotiate
	eventDialects
	eventOverlap
	eventRequestToClient
	eventResponseToServer
	eventMaxReadSize
	eventMaxWriteSize
	eventReadRequest
	eventReadResponse
	eventReadQueueSize
	eventReadQueueCount
	eventWriteRequest
	eventWriteQueueSize
	eventWriteQueueCount
	eventNTLMOrder
	eventTransactions
)

func eventNames() []string {
	return []string{
		"internal_error", "malformed_data", "record_overflow", "malformed_ntlmssp_request", "malformed_ntlmssp_response",
		"duplicate_negotiate", "negotiate_malformed_dialects", "file_overlap", "request_to_client", "response_to_server",
		"negotiate_max_read_size_too_large", "negotiate_max_write_size_too_large", "read_request_too_large", "read_response_too_large",
		"read_queue_size_exceeded", "read_queue_cnt_exceeded", "write_request_too_large", "write_queue_size_exceeded", "write_queue_cnt_exceeded",
		"unusual_ntlmssp_order", "too_many_transactions",
	}
}

// config bounds what clients and servers may do before an event is raised.
type config struct {
	maxRead, maxWrite     uint64
	readQueue, writeQueue uint64
	readCount, writeCount uint64
	maxTx                 uint64
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.SMB,
		Transport: protocol.OverTCP,
		Ports:     []uint16{445, 139},
		Probe:     probe,
		Open:      open,
		Events:    eventNames(),
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Reversed: func(d packet.Direction, data []byte, _ bool) bool {
			response, ok := isResponse(data)
			return ok && response == (d == packet.ToServer)
		},
		StreamDepth: func(s protocol.Settings) uint64 {
			depth := uint64(0)
			if size(s, "stream-depth", &depth) != nil {
				return 0
			}
			return depth
		},
		Record: "smb",
		Files:  true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{maxRead: 16 << 20, maxWrite: 16 << 20, readQueue: 64 << 20, writeQueue: 64 << 20, readCount: 64, writeCount: 64, maxTx: 1024}
	for name, v := range map[string]*uint64{
		"max-read-size": &cfg.maxRead, "max-write-size": &cfg.maxWrite, "max-read-queue-size": &cfg.readQueue, "max-write-queue-size": &cfg.writeQueue,
		"max-read-queue-cnt": &cfg.readCount, "max-write-queue-cnt": &cfg.writeCount, "max-tx": &cfg.maxTx,
	} {
		if err := size(s, name, v); err != nil {
			return nil, err
		}
	}
	return func() protocol.Parser { return &parser{cfg: cfg} }, nil
}

// size reads a number of bytes such as 16777216, 16mb or 16 MiB.
func size(s protocol.Settings, name string, v *uint64) error {
	text, ok := s.Lookup(name)
	if !ok {
		return nil
	}
	number, unit := strings.ToLower(strings.ReplaceAll(text, " ", "")), uint64(1)
	for i, suffix := range []string{"kib", "mib", "gib", "kb", "mb", "gb", "k", "m", "g"} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = rest, 1<<(10*(i%3+1))
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 40)
	if err != nil {
		return fmt.Errorf("smb.%s: %q is not a size in bytes", name, text)
	}
	*v = n * unit
	return nil
}

// probe looks for a NetBIOS session header with SMB behind it.
func probe(_ packet.Direction, data []byte, _, dstPort uint16) protocol.Verdict {
	if len(data) < 8 {
		if len(data) > 0 && (data[0] == 0 || data[0] == nbssRequest) {
			return protocol.More
		}
		return protocol.No
	}
	switch {
	case data[0] == nbssMessage && isMagic(data[4:]):
		return protocol.Yes
	case data[0] == nbssRequest && data[1] == 0 && data[2] == 0 && data[4] == 32:
		return protocol.Yes
	case data[0] == nbssPositive && data[1] == 0 && data[2] == 0 && data[3] == 0 && (len(data) == 4 || isMagic(data[8:])):
		return protocol.Yes
	case data[0] == nbssKeepAlive && len(data) > 8 && isMagic(data[8:]):
		return protocol.Yes
	}
	return protocol.No
}

// isResponse says whether a message is a response, ok false when it does not tell.
func isResponse(data []byte) (response, ok bool) {
	if len(data) < nbssSize+smb1HeaderSize || data[0] != nbssMessage || !isMagic(data[nbssSize:]) {
		return false, false
	}
	switch r := record(data[nbssSize:]); r[0] {
	case 0xff:
		return r[9]&0x80 != 0, true
	case 0xfe:
		return r[16]&1 != 0, true
	}
	return false, false
}
