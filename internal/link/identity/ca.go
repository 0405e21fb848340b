package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// CA is the control plane's certificate authority. Safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	server *tls.Certificate // the control plane's own, made anew at half of its life
}

const (
	caLife     = 20 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour
	// backdate lets certificates hold on parts whose clock is behind.
	backdate = time.Hour
	caFile   = "ca.pem"
)

// OpenCA loads the authority from dir, or makes it there (ECDSA P-256, mode
// 0600) when there is none.
func OpenCA(dir string, now time.Time) (*CA, error) {
	path := filepath.Join(dir, caFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeCA(dir, now)
	}
	if err != nil {
		return nil, fmt.Errorf("open certificate authority: %w", err)
	}
	ca := new(CA)
	if ca.key, b, err = readKey(b); err != nil {
		return nil, fmt.Errorf("open certificate authority %s: %w", path, err)
	}
	certs, err := readCerts(b)
	if err != nil || len(certs) != 1 || !certs[0].IsCA {
		return nil, fmt.Errorf("open certificate authority %s: want a key and one CA certificate: %v", path, err)
	}
	ca.cert = certs[0]
	return ca, nil
}

func makeCA(dir string, now time.Time) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	serial := newSerial()
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Masugata authority " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	text, err := appendKey(nil, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: der})...)
	if err := WriteFile(filepath.Join(dir, caFile), text); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// newSerial gives a positive serial number of 120 random bits.
func newSerial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[1:]) // never fails, see crypto/rand
	b[1] |= 0x40
	return new(big.Int).SetBytes(b[:])
}

// DER gives the authority's certificate.
func (ca *CA) DER() []byte { return ca.cert.Raw }

// Pool gives a pool with only the authority in it.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

// Issue signs a certificate for the key in a PKCS #10 request. Nothing else
// of the request is used: who gets it is the caller's decision. device is
// empty for gates.
func (ca *CA) Issue(csrDER []byte, part model.PartID, device model.DeviceID, now time.Time, life time.Duration) (*x509.Certificate, error) {
	csr, err := x509.ParseCertificateRequest(csrDER)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	pub, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("certificate request: the key must be ECDSA P-256")
	}
	uris := []*url.URL{{Scheme: uriScheme, Host: "part", Path: "/" + string(part)}}
	if device != "" {
		uris = append(uris, &url.URL{Scheme: uriScheme, Host: "device", Path: "/" + string(device)})
	}
	tmpl := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: string(part)},
		URIs:                  uris,
		NotBefore:             now.Add(-min(backdate, life/2)),
		NotAfter:              now.Add(life),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return ca.sign(tmpl, pub)
}

func (ca *CA) sign(tmpl *x509.Certificate, pub *ecdsa.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, pub, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return cert, nil
}

// ServerCertificate gives the control plane's own certificate for ServerName
// with the authority behind it in the chain, and makes a new one when half of
// its life is over. The key is only in memory.
func (ca *CA) ServerCertificate(now time.Time) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.server != nil && now.Before(ca.server.Leaf.NotAfter.Add(-serverLife/2)) {
		return ca.server, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	leaf, err := ca.sign(&x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: ServerName},
		DNSNames:              []string{ServerName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(serverLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	ca.server = &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return ca.server, nil
}
