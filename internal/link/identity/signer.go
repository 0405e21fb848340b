package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/blake2b"

	"github.com/masugata/masugata/internal/link/wire"
)

const signerFile = "sets.pem"

// Signer signs sets in minisign's format. Safe for concurrent use.
type Signer struct {
	key ed25519.PrivateKey
	id  [8]byte
}

// OpenSigner loads the signing key from dir (the authority's folder), or
// makes it there (Ed25519, mode 0600) when there is none.
func OpenSigner(dir string) (*Signer, error) {
	path := filepath.Join(dir, signerFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSigner(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemKey {
		return nil, fmt.Errorf("open signing key %s: no private key in it", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", path, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("open signing key %s: not an Ed25519 key", path)
	}
	return newSigner(key), nil
}

func makeSigner(dir string) (*Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, signerFile), pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})); err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return newSigner(key), nil
}

// newSigner derives the key id from the public key, so that it need not be
// stored beside it.
func newSigner(key ed25519.PrivateKey) *Signer {
	s := &Signer{key: key}
	sum := blake2b.Sum256(key.Public().(ed25519.PublicKey))
	copy(s.id[:], sum[:])
	return s
}

// PublicKey gives the key that parts verify with.
func (s *Signer) PublicKey() PublicKey {
	k := PublicKey{id: s.id}
	copy(k.key[:], s.key.Public().(ed25519.PublicKey))
	return k
}

// Sign gives a minisign signature file over payload.
func (s *Signer) Sign(payload []byte, trustedComment string) string {
	sum := blake2b.Sum512(payload)
	sig := ed25519.Sign(s.key, sum[:])
	global := ed25519.Sign(s.key, append(sig[:len(sig):len(sig)], trustedComment...))
	enc := base64.StdEncoding.EncodeToString
	head := append(append([]byte("ED"), s.id[:]...), sig...)
	return untrustedPrefix + "masugata signed set\n" + enc(head) + "\n" + trustedPrefix + trustedComment + "\n" + enc(global) + "\n"
}

// SignSet makes a signed set with the payload inline.
func (s *Signer) SignSet(i SetInfo, payload []byte) *wire.SignedSet {
	sum := sha256.Sum256(payload)
	return &wire.SignedSet{
		Name: i.Name, Version: i.Version, Payload: payload,
		Minisig: s.Sign(payload, i.Comment()), SHA256: sum[:], Size: uint64(len(payload)),
	}
}
