package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Refused is the error of a call that the control plane refused: asking again
// the same way will not help.
type Refused struct {
	Status int
	Detail string
}

// Error says what was refused and why.
func (r *Refused) Error() string { return fmt.Sprintf("%s (%d)", r.Detail, r.Status) }

// maxAnswer bounds one answer, in bytes.
const maxAnswer = 64 << 20

// endpoint is where and as whom to call.
type endpoint struct {
	url, token, data string
	insecure         bool
}

// client calls the REST API.
type client struct {
	base  string
	token string
	http  *http.Client
}

// connect finds the control plane: by flags, then by MASUGATA_URL and
// MASUGATA_TOKEN, then by the data folder of one on this machine.
func (e *endpoint) connect() (*client, error) {
	base := strings.TrimSuffix(cmp.Or(e.url, os.Getenv("MASUGATA_URL"), "https://127.0.0.1:7080"), "/")
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%w: --url %q: want https://host:port", errUsage, base)
	}
	token := cmp.Or(e.token, os.Getenv("MASUGATA_TOKEN"))
	if token == "" {
		b, err := os.ReadFile(filepath.Join(e.data, "admin.token"))
		if err != nil {
			return nil, fmt.Errorf("%w: no API token: give --token or MASUGATA_TOKEN, or run on the control plane's machine as its user (%w)", errUsage, err)
		}
		token = strings.TrimSpace(string(b))
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: e.insecure}
	// The certificate that a local control plane made for itself is trusted
	// beside the system's authorities.
	if pem, err := os.ReadFile(filepath.Join(e.data, "console", "cert.pem")); err == nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM(pem)
		conf.RootCAs = pool
	}
	return &client{base: base, token: token, http: &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{TLSClientConfig: conf}}}, nil
}

// call sends body as JSON (none when nil) and reads the answer into out (left
// when nil). A refusal is a *Refused.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	return c.send(ctx, method, path, query, "application/json", send, out)
}

// send is call with a body of any type; none when nil.
func (c *client) send(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader, out any) error {
	full := c.base + "/api/v1" + path
	if len(query) > 0 {
		full += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, full, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", contentType)
	resp, err := c.http.Do(req)
	if err != nil {
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) {
			return fmt.Errorf("%w; give --data DIR of the control plane, or --insecure to trust it unseen", err)
		}
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode >= 500:
		return fmt.Errorf("the control plane could not do this: %w", errors.New(refusal(resp.StatusCode, answer).Error()))
	case resp.StatusCode >= 400:
		return refusal(resp.StatusCode, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.UseNumber()
	return dec.Decode(out)
}

// refusal reads a problem document (RFC 9457).
func refusal(status int, answer []byte) *Refused {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if json.Unmarshal(answer, &p) != nil {
		return &Refused{Status: status, Detail: strings.TrimSpace(string(answer[:min(len(answer), 200)]))}
	}
	text := cmp.Or(p.Detail, p.Title)
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n  %s: %s", e.Location, e.Message)
	}
	return &Refused{Status: status, Detail: text}
}
