package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// ServerName is the name in the control plane's certificate. Parts check it
// instead of the host name they dial, so that an address may change.
const ServerName = "control.masugata.internal"

const (
	uriScheme    = "masugata"
	identityFile = "identity.pem"
	pemKey       = "PRIVATE KEY"
	pemCert      = "CERTIFICATE"
	pemInfo      = "MASUGATA IDENTITY"
	maxIdentity  = 64 << 10
)

// ErrNotEnrolled is returned by Open when the folder holds no identity.
var ErrNotEnrolled = errors.New("not enrolled: run enroll with a token from masugata enroll")

// Material is everything that makes a part's identity.
type Material struct {
	Part       model.PartID
	Endpoint   string // where it enrolled
	SigningKey string // minisign public key of the signed sets
	Key        *ecdsa.PrivateKey
	Cert       *x509.Certificate
	CA         *x509.Certificate
}

// Store is a part's identity in a folder. It is one file that is replaced as
// a whole, so a process killed at any moment leaves the old or the new
// identity, both valid. Safe for concurrent use.
type Store struct {
	dir string

	mu  sync.RWMutex
	mat Material
}

// Open loads the identity in dir.
func Open(dir string) (*Store, error) {
	path := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("identity %s: %w", path, ErrNotEnrolled)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	m, err := readMaterial(b)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", path, err)
	}
	return &Store{dir: dir, mat: m}, nil
}

// Create writes a new identity into dir, replacing one that is there.
func Create(dir string, m Material) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	s := &Store{dir: dir, mat: m}
	if err := s.write(m); err != nil {
		return nil, err
	}
	return s, nil
}

// Exists says whether dir holds an identity, readable or not.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, identityFile))
	return err == nil
}

// Dir gives the folder of the store.
func (s *Store) Dir() string { return s.dir }

// Material gives the present identity.
func (s *Store) Material() Material {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mat
}

// Part gives the part's id.
func (s *Store) Part() model.PartID { return s.Material().Part }

// Device gives the device id in the certificate, empty for gates.
func (s *Store) Device() model.DeviceID {
	_, device, _ := Caller(s.Material().Cert) // was checked when the identity was read
	return device
}

// NotAfter gives the end of the present certificate.
func (s *Store) NotAfter() time.Time { return s.Material().Cert.NotAfter }

// RenewAt gives when two thirds of the certificate's life are over.
func (s *Store) RenewAt() time.Time {
	c := s.Material().Cert
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3)
}

// Renewed replaces key and certificate on disk, then in memory.
func (s *Store) Renewed(key *ecdsa.PrivateKey, certDER []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mat
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return fmt.Errorf("renewed certificate: %w", err)
	}
	m.Key, m.Cert = key, cert
	if err := m.check(); err != nil {
		return fmt.Errorf("renewed certificate: %w", err)
	}
	if err := s.write(m); err != nil {
		return err
	}
	s.mat = m
	return nil
}

// TLSCertificate gives key and certificate for a TLS handshake.
func (s *Store) TLSCertificate() *tls.Certificate {
	m := s.Material()
	return &tls.Certificate{Certificate: [][]byte{m.Cert.Raw}, PrivateKey: m.Key, Leaf: m.Cert}
}

func (s *Store) write(m Material) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	b, err := appendKey(nil, m.Key)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: m.Cert.Raw})...)
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: m.CA.Raw})...)
	info := "part=" + string(m.Part) + "\nendpoint=" + m.Endpoint + "\nsigning_key=" + m.SigningKey + "\n"
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemInfo, Bytes: []byte(info)})...)
	if err := WriteFile(filepath.Join(s.dir, identityFile), b); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	return nil
}

// check makes sure that the pieces belong together.
func (m *Material) check() error {
	part, _, err := Caller(m.Cert)
	switch {
	case err != nil:
		return err
	case part != m.Part:
		return fmt.Errorf("certificate is for part %s, not %s", part, m.Part)
	case !m.Key.PublicKey.Equal(m.Cert.PublicKey):
		return errors.New("certificate is not for the key")
	case strings.ContainsAny(m.Endpoint+m.SigningKey, "\n\r"):
		return errors.New("line break in endpoint or signing key")
	}
	if _, err := ParsePublicKey(m.SigningKey); err != nil {
		return err
	}
	if err := m.Cert.CheckSignatureFrom(m.CA); err != nil {
		return fmt.Errorf("certificate is not from the authority: %w", err)
	}
	return nil
}

func readMaterial(b []byte) (m Material, err error) {
	if len(b) > maxIdentity {
		return m, fmt.Errorf("larger than %d bytes", maxIdentity)
	}
	if m.Key, b, err = readKey(b); err != nil {
		return m, err
	}
	certs, err := readCerts(b)
	if err != nil {
		return m, err
	}
	if len(certs) != 2 {
		return m, fmt.Errorf("%d certificates, want the part's and the authority's", len(certs))
	}
	m.Cert, m.CA = certs[0], certs[1]
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemInfo {
			continue
		}
		for line := range strings.Lines(string(block.Bytes)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			switch name {
			case "part":
				m.Part = model.PartID(value)
			case "endpoint":
				m.Endpoint = value
			case "signing_key":
				m.SigningKey = value
			}
		}
	}
	return m, m.check()
}

// Caller reads who a certificate is for: its part and, for agents, its
// device. It does not verify the certificate.
func Caller(cert *x509.Certificate) (part model.PartID, device model.DeviceID, err error) {
	for _, u := range cert.URIs {
		if u.Scheme != uriScheme {
			continue
		}
		switch u.Host {
		case "part":
			part = model.PartID(strings.TrimPrefix(u.Path, "/"))
		case "device":
			device = model.DeviceID(strings.TrimPrefix(u.Path, "/"))
		}
	}
	if part == "" || string(part) != cert.Subject.CommonName {
		return "", "", errors.New("certificate names no part")
	}
	return part, device, nil
}

// NewRequest makes a key (ECDSA P-256) and a certificate request for it.
func NewRequest() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "masugata part"}}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate request: %w", err)
	}
	return key, der, nil
}

func appendKey(b []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(b, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})...), nil
}

// readKey reads the key that must come first and gives back what is after it.
func readKey(b []byte) (*ecdsa.PrivateKey, []byte, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemKey {
		return nil, nil, errors.New("does not begin with a private key")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("private key is not ECDSA")
	}
	return key, rest, nil
}

func readCerts(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemCert {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// WriteFile replaces a file atomically with mode 0600 and makes it durable:
// readers and a restart see the old or the new content, whole.
func WriteFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
