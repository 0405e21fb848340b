package client_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
)

// adding is a part whose differences are what is added at the end.
type adding struct {
	mu       sync.Mutex
	payload  []byte // in force
	version  uint64
	applied  int // differences
	refusing bool
}

func (a *adding) config(cfg *client.Config) {
	cfg.Sets = map[string]func(uint64, []byte) error{"reputation": a.take, "policy": func(uint64, []byte) error { return nil }}
	cfg.Differences = map[string]func(payload, difference []byte) ([]byte, error){"reputation": a.add}
}

func (a *adding) take(version uint64, payload []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version, a.payload = version, bytes.Clone(payload)
	return nil
}

func (a *adding) add(payload, difference []byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusing {
		return nil, errors.New("another base")
	}
	a.applied++
	return append(bytes.Clone(payload), difference...), nil
}

func (a *adding) counts() (applied int, version uint64, payload []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.applied, a.version, a.payload
}

// TestSetsComeAsDifferences: a difference is used when it gives what was
// signed; whatever is wrong with it the whole is fetched, and what is wrong with
// the outcome is refused.
func TestSetsComeAsDifferences(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	part := new(adding)
	p := run(t, dir, part.config)
	whole := bytes.Repeat([]byte("x"), server.InlineSet+1)
	send := func(version uint64, payload, difference []byte) {
		info := identity.SetInfo{Name: "reputation", Version: version, Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
		s := c.signer.SignSet(info, payload)
		c.mu.Lock()
		c.differences = map[string][]byte{"reputation": difference}
		c.mu.Unlock()
		c.publishSet(s)
	}
	var applied, wholes int
	expect := func(what string, version uint64, moreApplied, moreWholes int) {
		t.Helper()
		applied, wholes = applied+moreApplied, wholes+moreWholes
		waitFor(t, what, func() bool { _, v, _ := part.counts(); return v == version })
		n, _, payload := part.counts()
		c.mu.Lock()
		defer c.mu.Unlock()
		if n != applied || c.wholes != wholes || !bytes.Equal(payload, whole) {
			t.Fatalf("%s: %d differences, %d wholes, want %d and %d; %d bytes in force", what, n, c.wholes, applied, wholes, len(payload))
		}
	}
	grow := func(by []byte) { whole = append(bytes.Clone(whole), by...) }
	send(1, whole, nil)
	expect("the first", 1, 0, 1)
	grow([]byte("two"))
	send(2, whole, []byte("two"))
	expect("inline", 2, 1, 0)
	large := bytes.Repeat([]byte("y"), server.InlineSet+1)
	grow(large)
	send(3, whole, large)
	expect("fetched", 3, 1, 0)
	grow([]byte("four"))
	send(4, whole, []byte("another"))
	expect("with another outcome", 4, 1, 1)
	part.mu.Lock()
	part.refusing = true
	part.mu.Unlock()
	grow([]byte("five"))
	send(5, whole, []byte("five"))
	expect("refused by the part", 5, 0, 1)
	part.mu.Lock()
	part.refusing = false
	part.mu.Unlock()
	waitFor(t, "the fifth on disk", func() bool {
		kept, err := identity.LoadSet(dir, "reputation")
		return err == nil && kept.Version == 5
	})
	if err := os.Remove(filepath.Join(dir, "sets", "reputation")); err != nil {
		t.Fatal(err)
	}
	grow([]byte("six"))
	send(6, whole, []byte("six"))
	expect("without a base on disk", 6, 0, 1)
	p.stop()
	grow([]byte("seven"))
	send(7, whole, []byte("seven"))
	run(t, dir, part.config)
	expect("after a restart", 7, 1, 0)
	c.mu.Lock()
	if last := c.asked[len(c.asked)-1]; last != 6 {
		t.Errorf("asked for the difference from %d", last)
	}
	c.mu.Unlock()
	t.Run("outcome that is not signed", func(t *testing.T) { badOutcome(t, c, part, whole, 7) })
}

// badOutcome sends differences whose outcome carries no good signature, and a
// good one after each.
func badOutcome(t *testing.T, c *control, part *adding, whole []byte, held uint64) {
	other, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	soon := now.Add(time.Hour)
	info := func(version uint64, expires time.Time) identity.SetInfo {
		return identity.SetInfo{Name: "reputation", Version: version, Issued: now, Expires: expires}
	}
	for what, sign := range map[string]func(version uint64, next []byte) *wire.SignedSet{
		"signed by another":  func(v uint64, next []byte) *wire.SignedSet { return other.SignSet(info(v, soon), next) },
		"of another content": func(v uint64, _ []byte) *wire.SignedSet { return c.signer.SignSet(info(v, soon), whole) },
		"replayed":           func(v uint64, next []byte) *wire.SignedSet { return c.signer.SignSet(info(v-1, soon), next) },
		"rolled back":        func(_ uint64, next []byte) *wire.SignedSet { return c.signer.SignSet(info(2, soon), next) },
		"past its life": func(v uint64, next []byte) *wire.SignedSet {
			return c.signer.SignSet(info(v, now.Add(-time.Second)), next)
		},
		"of another set": func(v uint64, next []byte) *wire.SignedSet {
			return c.signer.SignSet(identity.SetInfo{Name: "policy", Version: v, Issued: now, Expires: soon}, next)
		},
	} {
		next := append(bytes.Clone(whole), what...)
		sum := sha256.Sum256(next)
		s := sign(held+1, next)
		s.Name, s.Version, s.SHA256, s.Size, s.Payload = "reputation", held+1, sum[:], uint64(len(next)), next
		c.mu.Lock()
		c.differences = map[string][]byte{"reputation": []byte(what)}
		asked := len(c.asked)
		c.mu.Unlock()
		c.publishSet(s)
		waitFor(t, what, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.asked) >= asked+2 })
		if _, v, b := part.counts(); v != held || !bytes.Equal(b, whole) {
			t.Fatalf("%s: version %d with %d bytes is in force", what, v, len(b))
		}
		whole, held = next, held+2
		c.publishSet(c.signer.SignSet(info(held, soon), whole))
		waitFor(t, "a good one after one "+what, func() bool { _, v, _ := part.counts(); return v == held })
	}
}
