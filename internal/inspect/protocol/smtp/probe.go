package smtp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// probe looks for a client's greeting, or a server's that names SMTP.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if d == packet.ToServer {
		return probeClient(data)
	}
	if len(data) < 4 {
		if bytes.HasPrefix([]byte("220 "), data) {
			return protocol.More
		}
		return protocol.No
	}
	if !bytes.HasPrefix(data, []byte("220")) || data[3] != ' ' && data[3] != '-' {
		return protocol.No
	}
	text := data[4:min(len(data), 512)]
	if line.Contains(text, "ftp") {
		return protocol.No
	}
	if line.Contains(text, "smtp") {
		return protocol.Yes
	}
	return protocol.Maybe
}

func probeClient(data []byte) protocol.Verdict {
	for _, word := range [...]string{"ehlo ", "helo ", "ehlo\r", "helo\r", "lhlo "} {
		switch {
		case line.Begins(data, word):
			return protocol.Yes
		case line.Opens(data, word):
			return protocol.More
		}
	}
	for _, word := range [...]string{"mail from:", "rcpt to:", "starttls\r"} {
		if line.Begins(data, word) {
			return protocol.Yes
		}
	}
	if line.Begins(data, "quit\r") || line.Begins(data, "quit\n") {
		return protocol.Maybe
	}
	return protocol.No
}
