package replica

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
)

// Config says where a look-up node takes its snapshots from. It counts
// for `masugata reputation replica` only.
type Config struct {
	From      string        `yaml:"from"`       // https://host:port of a service, or the path of a file
	Key       string        `yaml:"key"`        // that signs the snapshots
	TokenFile string        `yaml:"token_file"` // an API token for from
	CAFile    string        `yaml:"ca_file"`    // certificates that from is trusted by, beside the system's
	Every     time.Duration `yaml:"every"`
	MaxMB     int           `yaml:"max_mb"`
	MaxAge    time.Duration `yaml:"max_age"` // a node that reached nobody for so long is not healthy
}

// MaxMB bounds what Config.MaxMB may be.
const MaxMB = 4096

// Limits bounds the snapshots that are taken: by the objects that the ledger may
// hold, and by their packed size.
func Limits(maxObjects, maxMB int) snapshot.Limits {
	most := int64(maxMB) << 20
	return snapshot.Limits{Entries: 4 * maxObjects, Packed: most, Size: unpackedTimes * most}
}

// unpackedTimes bounds how much larger parts may be unpacked.
const unpackedTimes = 8

// Default is the complete section of a new installation.
func Default() Config {
	return Config{Every: 30 * time.Second, MaxMB: 512, MaxAge: time.Hour}
}

// Check records all that is wrong with the section, which stands at key.
func (c *Config) Check(f *configfile.File, key string) {
	f.Check(c.From == "" || filepath.IsAbs(c.From) || c.url() != nil, key+".from", "%q: want https://host:port of a control plane, or the absolute path of a file", c.From)
	if c.Key != "" {
		_, err := identity.ParsePublicKey(c.Key)
		f.Check(err == nil, key+".key", "%v; `masugata reputation snapshot` prints it", err)
	}
	f.Check(c.From == "" || c.Key != "", key+".key", "want the key that signs the snapshots; `masugata reputation snapshot` prints it")
	f.Check(c.TokenFile == "" || filepath.IsAbs(c.TokenFile), key+".token_file", "%q: want an absolute path", c.TokenFile)
	f.Check(c.TokenFile == "" || c.url() == nil || fetch.Private(c.From), key+".token_file", "the token is only sent over https, or to this machine")
	f.Check(c.CAFile == "" || filepath.IsAbs(c.CAFile), key+".ca_file", "%q: want an absolute path", c.CAFile)
	f.Check(c.Every >= time.Second, key+".every", "%v is under 1s", c.Every)
	f.Check(c.MaxMB > 0 && c.MaxMB <= MaxMB, key+".max_mb", "%d: want 1 to %d", c.MaxMB, MaxMB)
	f.Check(c.MaxAge >= c.Every, key+".max_age", "%v is under every (%v)", c.MaxAge, c.Every)
}

// url is the address that From is; nil when it is none.
func (c *Config) url() *url.URL {
	u, err := url.Parse(c.From)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	return u
}

// client asks the control plane.
func (c *Config) client() (*http.Client, error) {
	client := fetch.NewClient()
	if c.CAFile == "" {
		return client, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("replica.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("replica.ca_file: %s holds no certificate in PEM form", c.CAFile)
	}
	client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, IdleConnTimeout: 90 * time.Second}
	return client, nil
}

// token reads the API token; the file may be replaced while the node runs.
func (c *Config) token() (string, error) {
	if c.TokenFile == "" {
		return "", nil
	}
	b, err := readBounded(c.TokenFile, 4<<10)
	if err != nil {
		return "", fmt.Errorf("replica.token_file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
