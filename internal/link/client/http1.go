package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// dialer makes POST requests over HTTP/1.1 (RFC 9112) with TLS and keeps
// connections for the next ones: what the link needs of HTTP and no more.
// net/http would cost agents 1.2 MB. Safe for concurrent use.
type dialer struct {
	endpoint string
	tls      *tls.Config

	mu     sync.Mutex
	idle   []*connection
	closed bool // connections are not kept any more
}

// connection is one kept connection; one request at a time is on it.
type connection struct {
	net.Conn
	r *bufio.Reader
}

// answer is one response.
type answer struct {
	status int
	line   string            // such as "404 Not Found"
	header map[string]string // lower-case names
	body   []byte
}

const (
	dialTimeout = 10 * time.Second
	maxIdle     = 2
	maxLine     = 4 << 10 // one line of a response's head
	maxHeader   = 64      // lines
)

func newDialer(endpoint string, t *tls.Config) *dialer {
	t.NextProtos = []string{"http/1.1"}
	return &dialer{endpoint: endpoint, tls: t}
}

// post sends one request and reads the answer, with a body of at most limit
// bytes (of a refusal: maxError). A kept connection that turns out to be
// closed by the other side is replaced once: link calls may be repeated.
func (d *dialer) post(ctx context.Context, path string, header [][2]string, body []byte, limit int64) (*answer, error) {
	req := make([]byte, 0, 512+len(body))
	req = append(req, "POST "+path+" HTTP/1.1\r\nHost: "+d.endpoint+"\r\n"...)
	for _, h := range header {
		req = append(req, h[0]+": "+h[1]+"\r\n"...)
	}
	req = append(req, "Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"...)
	req = append(req, body...)
	for {
		c, kept, err := d.get(ctx)
		if err != nil {
			return nil, err
		}
		a, stale, err := d.exchange(ctx, c, req, limit)
		if err != nil && kept && stale && ctx.Err() == nil {
			continue
		}
		return a, err
	}
}

// get takes a kept connection or makes one.
func (d *dialer) get(ctx context.Context) (c *connection, kept bool, err error) {
	d.mu.Lock()
	if n := len(d.idle); n > 0 {
		c, d.idle = d.idle[n-1], d.idle[:n-1]
	}
	d.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	td := tls.Dialer{Config: d.tls, NetDialer: &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3, // finds peers that went without a word
	}}}
	conn, err := td.DialContext(ctx, "tcp", d.endpoint)
	if err != nil {
		return nil, false, err
	}
	return &connection{conn, bufio.NewReaderSize(conn, maxLine)}, false, nil
}

// exchange makes one request on a connection, which it keeps or closes. stale
// says that nothing at all came back.
func (d *dialer) exchange(ctx context.Context, c *connection, req []byte, limit int64) (a *answer, stale bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // wakes reads and writes
	keep := false
	defer func() {
		if !stop() || !keep || !d.put(c) {
			_ = c.Close() // its end tells nothing new
		}
		if cause := ctx.Err(); err != nil && cause != nil {
			err = cause
		}
	}()
	if _, err := c.Write(req); err != nil {
		// The other side may have answered before it closed, as with alerts.
		if _, perr := c.r.Peek(1); perr != nil {
			return nil, true, betterOf(perr, err)
		}
	}
	if _, err := c.r.Peek(1); err != nil {
		return nil, true, err
	}
	a, keep, err = readAnswer(c.r, limit)
	keep = keep && err == nil // or the rest of this answer would be taken for the next one
	return a, false, err
}

// betterOf prefers a TLS alert to a mere broken pipe.
func betterOf(read, write error) error {
	var alert tls.AlertError
	if errors.As(read, &alert) || strings.Contains(read.Error(), "tls:") {
		return read
	}
	return write
}

func (d *dialer) put(c *connection) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.idle) >= maxIdle {
		return false
	}
	d.idle = append(d.idle, c)
	return true
}

// close closes kept connections now and busy ones behind their requests.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.idle {
		_ = c.Close() // its end tells nothing new
	}
	d.idle, d.closed = nil, true
}

// readAnswer reads a response; keep says that the connection may be used again.
func readAnswer(r *bufio.Reader, limit int64) (a *answer, keep bool, err error) {
	for {
		if a, err = readHead(r); err != nil {
			return nil, false, err
		}
		if a.status >= 200 {
			break // before it come answers such as 100 Continue
		}
	}
	if a.status != 200 {
		limit = maxError
	}
	keep = !strings.EqualFold(a.header["connection"], "close")
	if strings.EqualFold(a.header["transfer-encoding"], "chunked") {
		a.body, err = readChunks(r, limit)
		return a, keep, err
	}
	n, err := strconv.ParseInt(a.header["content-length"], 10, 64)
	switch {
	case err != nil || n < 0:
		return nil, false, errors.New("the answer says no length")
	case n > limit:
		return nil, false, fmt.Errorf("an answer of %d bytes, at most %d are taken", n, limit)
	}
	// The buffer grows with what comes, not with what was announced.
	var b bytes.Buffer
	_, err = io.CopyN(&b, r, n)
	a.body = b.Bytes()
	return a, keep, err
}

func readHead(r *bufio.Reader) (*answer, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(rest) < 3 {
		return nil, errNotHTTP
	}
	a := &answer{line: rest, header: make(map[string]string, 8)}
	if a.status, err = strconv.Atoi(rest[:3]); err != nil || a.status < 100 {
		return nil, errNotHTTP
	}
	for range maxHeader {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line == "" {
			return a, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, errNotHTTP
		}
		a.header[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	return nil, errors.New("the answer has too many header lines")
}

var errNotHTTP = errors.New("the other side does not answer as HTTP/1.1: it is not a Masugata control plane")

func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errNotHTTP
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// readChunks reads a chunked body (RFC 9112, section 7.1).
func readChunks(r *bufio.Reader, limit int64) ([]byte, error) {
	var b bytes.Buffer
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil {
			return nil, errNotHTTP
		}
		if int64(b.Len())+int64(n) > limit {
			return nil, fmt.Errorf("an answer of more than %d bytes", limit)
		}
		if n == 0 {
			return b.Bytes(), skipTrailer(r)
		}
		if _, err := io.CopyN(&b, r, int64(n)); err != nil {
			return nil, err
		}
		if line, err = readLine(r); err != nil || line != "" {
			return nil, errNotHTTP
		}
	}
}

func skipTrailer(r *bufio.Reader) error {
	for range maxHeader {
		line, err := readLine(r)
		if err != nil || line == "" {
			return err
		}
	}
	return errNotHTTP
}
