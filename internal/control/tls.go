package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
)

// consoleLife is the life of the certificate that the console makes for
// itself; it is made anew at a start in the last third of it.
const consoleLife = 397 * 24 * time.Hour

// consoleTLS gives the console's certificate: the operator's, or one of its
// own, kept in the data folder.
func consoleTLS(c *Config, now time.Time) (*tls.Config, error) {
	certFile, keyFile := c.Console.TLSCert, c.Console.TLSKey
	if certFile == "" {
		dir := filepath.Join(c.Data, "console")
		certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := ensureOwn(dir, certFile, keyFile, c.Console.Listen, now); err != nil {
			return nil, fmt.Errorf("console certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("console certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

func ensureOwn(dir, certFile, keyFile, listen string, now time.Time) error {
	// Made anew also when the two do not fit: a process that was killed between
	// writing one and the other must not keep the console from ever starting.
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && now.Before(pair.Leaf.NotAfter.Add(-consoleLife/3)) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cert, key, err := selfSigned(names(listen), now)
	if err != nil {
		return err
	}
	if err := identity.WriteFile(keyFile, key); err != nil {
		return err
	}
	return identity.WriteFile(certFile, cert)
}

// names are the names and addresses that the console answers under.
func names(listen string) []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	if h, err := os.Hostname(); err == nil && h != "" {
		out = append(out, h)
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		out = append(out, host)
	}
	return out
}

func selfSigned(names []string, now time.Time) (cert, key []byte, err error) {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Masugata console"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(consoleLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, priv.Public(), priv)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
