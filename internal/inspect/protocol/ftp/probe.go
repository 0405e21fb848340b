package ftp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// probe looks for a client's first command or a server's greeting.
func probe(d packet.Direction, data []byte, _, dstPort uint16) protocol.Verdict {
	if d == packet.ToServer {
		return probeClient(data, dstPort)
	}
	if len(data) < 4 {
		if bytes.HasPrefix([]byte("220"), data[:min(3, len(data))]) {
			return protocol.More
		}
		return protocol.No
	}
	if !bytes.HasPrefix(data, []byte("220")) || data[3] != ' ' && data[3] != '-' {
		return protocol.No
	}
	if line.Contains(data[4:min(len(data), 512)], "ftp") {
		return protocol.Yes
	}
	return protocol.Maybe
}

func probeClient(data []byte, dstPort uint16) protocol.Verdict {
	for _, word := range [...]string{"user ", "pass ", "port ", "eprt ", "auth tls", "auth ssl"} {
		n := min(len(word), len(data))
		if !line.Opens(data[:n], word) {
			continue
		}
		switch {
		case n < len(word):
			return protocol.More
		case dstPort == 110 || bytes.Contains(data, []byte(" :")): // POP3, IRC
			return protocol.Maybe
		}
		return protocol.Yes
	}
	for _, word := range [...]string{"syst\r", "feat\r", "quit\r", "help\r", "opts ", "noop\r"} {
		if line.Begins(data, word) {
			return protocol.Maybe
		}
	}
	return protocol.No
}
