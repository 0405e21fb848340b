package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Token is a one-time enrolment token. Its text form is
// mgt1.<base64url of 24 random bytes>.<first 16 hex digits of the SHA-256 of
// the CA certificate>, so a part can tell the right control plane by it alone.
type Token struct {
	secret [24]byte
	pin    [8]byte
}

var errToken = errors.New("token: want mgt1.SECRET.AUTHORITY as printed by masugata enroll; it may have been cut when it was copied")

// NewToken makes a token for parts of the control plane with the given CA
// certificate.
func NewToken(caDER []byte) Token {
	var t Token
	_, _ = rand.Read(t.secret[:]) // never fails, see crypto/rand
	sum := sha256.Sum256(caDER)
	copy(t.pin[:], sum[:])
	return t
}

// ParseToken reads the text form, tolerating space around it.
func ParseToken(s string) (Token, error) {
	var t Token
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) != 3 || parts[0] != "mgt1" || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return Token{}, errToken
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(t.secret[:], []byte(parts[1])); err != nil {
		return Token{}, errToken
	}
	if _, err := hex.Decode(t.pin[:], []byte(parts[2])); err != nil {
		return Token{}, errToken
	}
	return t, nil
}

// Text gives the text form, which is a secret.
func (t Token) Text() string {
	return "mgt1." + base64.RawURLEncoding.EncodeToString(t.secret[:]) + "." + hex.EncodeToString(t.pin[:])
}

// String redacts the token, so that it does not end up in logs.
func (t Token) String() string { return "mgt1.[redacted]." + hex.EncodeToString(t.pin[:]) }

// Hash gives the hex SHA-256 of the secret: what the control plane stores and
// looks tokens up by.
func (t Token) Hash() string {
	sum := sha256.Sum256(t.secret[:])
	return hex.EncodeToString(sum[:])
}

// Pins says whether the token is for the control plane with this CA
// certificate.
func (t Token) Pins(caDER []byte) bool {
	sum := sha256.Sum256(caDER)
	return [8]byte(sum[:8]) == t.pin
}
