// Package rtsp knows the form of RTSP 1.0 messages (RFC 2326) and of packets
// interleaved in the same connection: reading them from and writing them to a
// stream, within bounds. It knows nothing of sessions or media; the lab's
// cameras and viewers call it.
package rtsp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// Bounds of what is read.
const (
	maxLine    = 4096
	maxHeaders = 64
	maxBody    = 64 << 10
)

// Message is a request or a response, or, when Interleaved is set, one packet
// of the channel Channel in Body.
type Message struct {
	Interleaved bool
	Channel     uint8

	First  [3]string // request: method, URL, version; response: version, status, reason
	Header map[string]string
	Body   []byte
}

// Status gives the status code of a response, 0 for a request.
func (m *Message) Status() int {
	if !strings.HasPrefix(m.First[0], "RTSP/") {
		return 0
	}
	n, err := strconv.Atoi(m.First[1])
	if err != nil {
		return 0
	}
	return n
}

// Read reads the next message. The body is a copy and the caller's.
func Read(r *bufio.Reader) (*Message, error) {
	first, err := r.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] == '$' {
		return readInterleaved(r)
	}
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) < 3 && !(len(parts) == 2 && strings.HasPrefix(parts[0], "RTSP/")) {
		return nil, fmt.Errorf("rtsp: first line %.60q is neither a request nor a response", line)
	}
	m := &Message{Header: map[string]string{}}
	copy(m.First[:], parts)
	if err := m.readHeaders(r); err != nil {
		return nil, err
	}
	return m, m.readBody(r)
}

func readInterleaved(r *bufio.Reader) (*Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	m := &Message{Interleaved: true, Channel: head[1], Body: make([]byte, binary.BigEndian.Uint16(head[2:]))}
	_, err := io.ReadFull(r, m.Body)
	return m, err
}

func (m *Message) readHeaders(r *bufio.Reader) error {
	for n := 0; ; n++ {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		if line == "" {
			return nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || n >= maxHeaders {
			return fmt.Errorf("rtsp: header line %.60q is malformed or one too many", line)
		}
		m.Header[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
}

func (m *Message) readBody(r *bufio.Reader) error {
	text, ok := m.Header["Content-Length"]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxBody {
		return fmt.Errorf("rtsp: content length %.20q, want 0 to %d", text, maxBody)
	}
	m.Body = make([]byte, n)
	_, err = io.ReadFull(r, m.Body)
	return err
}

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return "", fmt.Errorf("rtsp: a line is longer than %d bytes", maxLine)
		}
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if err != bufio.ErrBufferFull {
			return "", err
		}
	}
}

// Append writes the message in its wire form behind b. Header lines come in
// the order of keys; the others follow in no order.
func (m *Message) Append(b []byte) []byte {
	if m.Interleaved {
		b = append(b, '$', m.Channel)
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.Body)))
		return append(b, m.Body...)
	}
	b = append(b, strings.TrimRight(strings.Join(m.First[:], " "), " ")...)
	b = append(b, "\r\n"...)
	for k, v := range m.Header {
		b = append(append(append(append(b, k...), ": "...), v...), "\r\n"...)
	}
	if len(m.Body) > 0 {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(m.Body))
	}
	b = append(b, "\r\n"...)
	return append(b, m.Body...)
}
