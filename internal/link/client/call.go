package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
)

// servicePath is where the calls of the Connect protocol are.
const servicePath = "/masugata.link.v1.LinkService/"

// maxError bounds the body of a refusal, in bytes.
const maxError = 64 << 10

// tlsConfig trusts the authority of the part's own identity and nothing else.
func tlsConfig(id *identity.Store) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: identity.ServerName,
		InsecureSkipVerify: true, // checked by VerifyConnection, with mercy for clocks that are behind
		VerifyConnection: func(s tls.ConnectionState) error {
			return verifyServer(s.PeerCertificates[0], id.Material().CA, time.Now())
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return id.TLSCertificate(), nil },
	}
}

// verifyServer checks the control plane's certificate against one authority.
// A clock that is behind (devices without a battery start in 1970) is taken
// as being at the certificate's beginning.
func verifyServer(leaf, ca *x509.Certificate, now time.Time) error {
	if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore.Add(time.Second)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, DNSName: identity.ServerName, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return plain(err)
}

// reconnect makes further calls use new connections, which show the present
// certificate. Calls under way go on with the old ones, which end behind them.
func (c *Client) reconnect() {
	if old := c.dial.Swap(newDialer(c.cfg.Endpoint, tlsConfig(c.cfg.Identity))); old != nil {
		old.close()
	}
}

// call makes one unary call. A refusal is a *Refused.
func (c *Client) call(ctx context.Context, name string, req, res wire.Message, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := call(ctx, c.dial.Load(), c.cfg.Protocol, name, req, res, int64(c.cfg.MaxSet)+1<<20)
	if ctx.Err() == nil || err == nil {
		c.noteCall(err)
	} else if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer from %s within %v", c.cfg.Endpoint, timeout)
		c.noteCall(err)
	}
	return err
}

// noteCall keeps how the last call went for Status. A refusal of what was
// sent, not of who sent it, shows that the link is up, and so does a control
// plane that is too busy for it.
func (c *Client) noteCall(err error) {
	var r *Refused
	var u *unable
	refused := errors.As(err, &r)
	answered := err == nil || refused || errors.As(err, &u)
	c.mu.Lock()
	defer c.mu.Unlock()
	if up := answered && !lasting(err); up != c.status.Up {
		c.status.Up, c.status.Since = up, c.cfg.Now()
		c.log.Info("link", "up", up, "endpoint", c.cfg.Endpoint)
		if up {
			close(c.again)
			c.again = make(chan struct{})
		}
	}
	c.status.LastErr, c.status.Reason = "", ""
	if err != nil {
		c.status.LastErr = err.Error()
	}
	if refused {
		c.status.Reason = r.Reason
	}
}

func call(ctx context.Context, d *dialer, v wire.Version, name string, req, res wire.Message, maxAnswer int64) error {
	a, err := d.post(ctx, servicePath+name, [][2]string{
		{"Content-Type", "application/proto"}, {"Connect-Protocol-Version", "1"}, {wire.HeaderProtocol, v.String()},
	}, req.AppendTo(nil), maxAnswer)
	if err != nil {
		return fmt.Errorf("%s: %w", d.endpoint, plain(err))
	}
	if a.status != 200 {
		return refusal(a)
	}
	if err := wire.Compatible(v, a.header[protocolHeader], "part", "control plane"); err != nil {
		return &Refused{Reason: wire.ReasonProtocol, Code: "failed_precondition", Message: err.Error()}
	}
	return res.Decode(a.body)
}

// Names of headers as answers have them.
const (
	protocolHeader = "masugata-protocol"
	reasonHeader   = "masugata-reason"
)

// refusal reads the error of a call (Connect protocol, unary errors).
func refusal(a *answer) error {
	code, message := readError(a.body)
	if code == "" {
		return fmt.Errorf("the other side answered %.60q: it is not a Masugata control plane", a.line)
	}
	reason := wire.Reason(a.header[reasonHeader])
	if reason == "" || reason == wire.ReasonBusy {
		return &unable{code, message, reason == wire.ReasonBusy} // passing: try again
	}
	return &Refused{Reason: reason, Code: code, Message: message}
}

// plain says what is wrong with a connection in words that help.
func plain(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &host) {
		return fmt.Errorf("%w: another control plane answers at this address, or someone is in between (%w)", ErrWrongCA, err)
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("%w: is this machine's clock right?", err)
	}
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return err
	}
	switch remote.Err.Error() { // an alert of RFC 8446, section 6.2; crypto/tls does not export its type
	case "tls: bad certificate", "tls: unknown certificate authority":
		return fmt.Errorf("the control plane does not know the authority of this part's certificate: the part enrolled elsewhere, enrol again (%w)", err)
	case "tls: expired certificate":
		return fmt.Errorf("the control plane says that this part's certificate has ended: enrol again with a new token (%w)", err)
	}
	return err
}

// readError takes code and message out of {"code":"…","message":"…"}. It is
// not a JSON parser: parts on small devices link none for this alone.
func readError(b []byte) (code, message string) {
	s := string(b)
	return jsonString(s, `"code"`), jsonString(s, `"message"`)
}

// jsonString gives the string value behind the first occurrence of a key.
func jsonString(s, key string) string {
	_, s, ok := strings.Cut(s, key)
	if !ok {
		return ""
	}
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t\r\n"), ":")
	if !ok {
		return ""
	}
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t\r\n"), `"`)
	if !ok {
		return ""
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return out.String()
		case '\\':
			if i++; i == len(s) {
				return ""
			}
			i += unescape(&out, s[i:])
		default:
			out.WriteByte(s[i])
		}
	}
	return ""
}

// unescape writes what a JSON escape stands for; s begins behind the
// backslash. It returns how many bytes more than one it took.
func unescape(out *strings.Builder, s string) int {
	switch s[0] {
	case 'n', 't', 'r', 'b', 'f':
		out.WriteByte(' ')
	case 'u':
		if len(s) < 5 {
			return 0
		}
		var r rune
		for _, c := range []byte(s[1:5]) {
			r = r<<4 | rune(unhex(c))
		}
		if r < ' ' || r >= 0xd800 && r < 0xe000 {
			r = '\ufffd'
		}
		out.WriteRune(r)
		return 4
	default:
		out.WriteByte(s[0])
	}
	return 0
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0
}
