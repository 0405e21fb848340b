package smtp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
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
	if contains(text, "ftp") {
		return protocol.No
	}
	if contains(text, "smtp") {
		return protocol.Yes
	}
	return protocol.Maybe
}

func probeClient(data []byte) protocol.Verdict {
	for _, word := range [...]string{"ehlo ", "helo ", "ehlo\r", "helo\r", "lhlo "} {
		switch {
		case len(data) >= len(word) && fold(data[:len(word)], word):
			return protocol.Yes
		case len(data) < len(word) && fold(data, word[:len(data)]):
			return protocol.More
		}
	}
	for _, word := range [...]string{"mail from:", "rcpt to:", "starttls\r"} {
		if len(data) >= len(word) && fold(data[:len(word)], word) {
			return protocol.Yes
		}
	}
	if len(data) >= 5 && (fold(data[:5], "quit\r") || fold(data[:5], "quit\n")) {
		return protocol.Maybe
	}
	return protocol.No
}

// fold compares b with lower, which is lower case, without regard to case.
func fold(b []byte, lower string) bool {
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// contains looks for lower in b without regard to case.
func contains(b []byte, lower string) bool {
	for i := 0; i+len(lower) <= len(b); i++ {
		if fold(b[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}
