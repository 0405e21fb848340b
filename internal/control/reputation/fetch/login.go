package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Login is how a feed's server knows us. Secrets stand in files of their own,
// which are read at each fetch.
type Login struct {
	User         string `yaml:"user"` // with password_file: RFC 7617
	PasswordFile string `yaml:"password_file"`
	TokenFile    string `yaml:"token_file"`  // bearer, or the value of header
	Header       string `yaml:"header"`      // such as Auth-Key, in the place of a bearer
	Certificate  string `yaml:"certificate"` // with key: files of a client certificate
	Key          string `yaml:"key"`
	Authorities  string `yaml:"authorities"` // file of certificates that the server is trusted by, in the place of the system's
}

// secret says whether something is sent that others must not read.
func (l *Login) secret() bool { return l.PasswordFile != "" || l.TokenFile != "" }

// problems tells what is wrong with the section; place is the feed's address.
func (l *Login) problems(place string) (out []string) {
	if *l == (Login{}) {
		return nil
	}
	check := func(ok bool, text string) {
		if !ok {
			out = append(out, "login: "+text)
		}
	}
	check(place != "", "is for feeds with an address")
	check((l.User == "") == (l.PasswordFile == ""), "user and password_file go together")
	check(l.User == "" || l.TokenFile == "", "want user or token_file, not both")
	check(!strings.Contains(l.User, ":"), "user: a name with a colon cannot be sent")
	check(l.Header == "" || l.TokenFile != "" && headerName(l.Header), "header: want the name of a header, with token_file")
	check((l.Certificate == "") == (l.Key == ""), "certificate and key go together")
	for _, path := range []string{l.PasswordFile, l.TokenFile, l.Certificate, l.Key, l.Authorities} {
		check(path == "" || filepath.IsAbs(path), fmt.Sprintf("%q: want an absolute path", path))
	}
	check(!l.secret() || Private(place), "secrets are only sent over https, or to this machine")
	return out
}

func headerName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Private says whether nobody on the way can read what is sent to an address: it
// is of HTTPS, or of this machine.
func Private(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && a.IsLoopback()
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 16 << 10

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" || len(b) > maxSecret || strings.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("%s: want one line with the secret", path)
	}
	return text, nil
}

// caller asks a feed's server, logged in.
type caller struct {
	client *http.Client
	name   string // header with the secret
	value  string
	home   string          // host that the secret is for
	own    *http.Transport // to be closed; nil when it is everybody's
}

// caller makes what asks this feed's server from what asks all others.
func (l *Login) caller(base *http.Client, address string) (*caller, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c := &caller{client: base, home: u.Host}
	switch {
	case l.PasswordFile != "":
		var password string
		if password, err = readSecret(l.PasswordFile); err == nil {
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(l.User, password)
			c.name, c.value = "Authorization", r.Header.Get("Authorization")
		}
	case l.TokenFile != "":
		if c.value, err = readSecret(l.TokenFile); l.Header == "" {
			c.value = "Bearer " + c.value
		}
		c.name = cmp.Or(l.Header, "Authorization")
	}
	if err != nil {
		return nil, err
	}
	if l.Certificate == "" && l.Authorities == "" && c.value == "" {
		return c, nil
	}
	own := *base
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if c.value != "" && req.URL.Host != via[0].URL.Host {
			return errors.New("redirects to " + req.URL.Host + ", which the login is not for")
		}
		return base.CheckRedirect(req, via)
	}
	c.client = &own
	if l.Certificate == "" && l.Authorities == "" {
		return c, nil
	}
	conf, err := l.tls()
	if err != nil {
		return nil, err
	}
	c.own = http.DefaultTransport.(*http.Transport).Clone()
	c.own.TLSClientConfig = conf
	own.Transport = c.own
	return c, nil
}

func (l *Login) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(l.Certificate, l.Key)
		if err != nil {
			return nil, fmt.Errorf("login.certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if l.Authorities != "" {
		pem, err := os.ReadFile(l.Authorities)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", l.Authorities)
		}
	}
	return conf, nil
}

// do sends a request with the login, wherever its address came from.
func (c *caller) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "masugata-reputation")
	if c.value != "" {
		if req.URL.Host != c.home || !Private(req.URL.String()) {
			return nil, fmt.Errorf("the server names %s://%s, which the login is not for", req.URL.Scheme, req.URL.Host)
		}
		req.Header.Set(c.name, c.value)
	}
	return c.client.Do(req)
}

// ask gets a file unless it is as it was. The caller closes the body of an answer
// without an error.
func (c *caller) ask(ctx context.Context, at string, last Copy) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	if last.ETag != "" {
		req.Header.Set("If-None-Match", last.ETag)
	}
	if last.Modified != "" {
		req.Header.Set("If-Modified-Since", last.Modified)
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return res, nil
	case http.StatusNotModified:
		err = ErrUnchanged
	default:
		err = fmt.Errorf("%s answered %s", req.URL.Host, res.Status)
	}
	res.Body.Close()
	return nil, err
}

func (c *caller) close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}
