package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// PublicKey verifies minisign signatures.
type PublicKey struct {
	id  [8]byte
	key [ed25519.PublicKeySize]byte
}

// ParsePublicKey reads the base64 line of a minisign public key.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 42 || string(b[:2]) != "Ed" {
		return k, errors.New("signing key is not a minisign public key")
	}
	copy(k.id[:], b[2:])
	copy(k.key[:], b[10:])
	return k, nil
}

// String gives the base64 line that ParsePublicKey reads.
func (k PublicKey) String() string {
	return base64.StdEncoding.EncodeToString(append(append([]byte("Ed"), k.id[:]...), k.key[:]...))
}

const (
	untrustedPrefix = "untrusted comment: "
	trustedPrefix   = "trusted comment: "
	maxMinisig      = 4096
)

var errMinisig = errors.New("signature is not in minisign's format")

// Verify checks a minisign signature file (prehashed form, "ED") over payload
// and gives its trusted comment.
func (k PublicKey) Verify(payload []byte, minisig string) (comment string, err error) {
	if len(minisig) > maxMinisig {
		return "", errMinisig
	}
	lines := strings.Split(strings.TrimSuffix(minisig, "\n"), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], untrustedPrefix) {
		return "", errMinisig
	}
	comment, ok := strings.CutPrefix(lines[2], trustedPrefix)
	sig, err1 := base64.StdEncoding.DecodeString(lines[1])
	global, err2 := base64.StdEncoding.DecodeString(lines[3])
	if !ok || err1 != nil || err2 != nil || len(sig) != 74 || len(global) != ed25519.SignatureSize || string(sig[:2]) != "ED" {
		return "", errMinisig
	}
	if [8]byte(sig[2:10]) != k.id {
		return "", fmt.Errorf("signed with key %x, the control plane's is %x", sig[2:10], k.id)
	}
	sum := blake2b.Sum512(payload)
	if !ed25519.Verify(k.key[:], sum[:], sig[10:]) {
		return "", errors.New("signature does not fit the payload")
	}
	if !ed25519.Verify(k.key[:], append(sig[10:74:74], comment...), global) {
		return "", errors.New("signature does not fit the trusted comment")
	}
	return comment, nil
}
