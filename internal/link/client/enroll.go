package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// enrollTimeout bounds Enroll as a whole.
const enrollTimeout = 30 * time.Second

// ErrEnrolled is returned by Enroll when the folder holds an identity already.
var ErrEnrolled = errors.New("enrolled already: remove the identity or ask to replace it")

// Enroll makes a key, turns the token into an identity, and writes it to
// cfg.Dir. The token's secret is only sent to a control plane that holds the
// authority named by the token; ErrWrongCA otherwise. A *Refused says why the
// control plane would not.
func Enroll(ctx context.Context, cfg EnrollConfig) error {
	token, err := identity.ParseToken(cfg.Token)
	if err != nil {
		return err
	}
	if !cfg.Replace && identity.Exists(cfg.Dir) {
		return fmt.Errorf("%s: %w", cfg.Dir, ErrEnrolled)
	}
	if cfg.Name == "" {
		cfg.Name, _ = os.Hostname() // a name for people; empty is fine
	}
	if cfg.Protocol == (wire.Version{}) {
		cfg.Protocol = wire.Protocol()
	}
	// The folder is tried first: an identity that cannot be kept would cost
	// the token.
	if err := tryFolder(cfg.Dir); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	key, csr, err := identity.NewRequest()
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, enrollTimeout)
	defer cancel()
	d := newDialer(cfg.Endpoint, pinnedTLS(token))
	defer d.close()
	var res wire.EnrollResponse
	req := &wire.EnrollRequest{Token: strings.TrimSpace(cfg.Token), CSR: csr, Role: cfg.Role, Name: cfg.Name, Device: cfg.Device, Software: cfg.Software}
	if err := call(ctx, d, cfg.Protocol, "Enroll", req, &res, 1<<20); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	if !token.Pins(res.CA) {
		return fmt.Errorf("enrol at %s: %w", cfg.Endpoint, ErrWrongCA)
	}
	cert, err := x509.ParseCertificate(res.Certificate)
	if err != nil {
		return fmt.Errorf("enrol: certificate: %w", err)
	}
	ca, err := x509.ParseCertificate(res.CA)
	if err != nil {
		return fmt.Errorf("enrol: authority: %w", err)
	}
	if err := identity.DropSets(cfg.Dir); err != nil { // of a former control plane
		return fmt.Errorf("enrol: %w", err)
	}
	_, err = identity.Create(cfg.Dir, identity.Material{Part: model.PartID(res.Part), Endpoint: cfg.Endpoint, SigningKey: res.SigningKey,
		Key: key, Cert: cert, CA: ca})
	return err
}

func tryFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// pinnedTLS trusts whoever shows a certificate of the authority that the token
// names. The authority stands behind the certificate in the chain.
func pinnedTLS(token identity.Token) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: identity.ServerName,
		InsecureSkipVerify: true, // checked by VerifyConnection, against the pin
		VerifyConnection: func(s tls.ConnectionState) error {
			for _, ca := range s.PeerCertificates {
				if token.Pins(ca.Raw) {
					return verifyServer(s.PeerCertificates[0], ca, time.Now())
				}
			}
			return fmt.Errorf("%w of the token: the endpoint is another control plane, or someone is in between", ErrWrongCA)
		},
	}
}
