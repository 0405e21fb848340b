package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/masugata/masugata/internal/model"
)

const (
	part   = model.PartID("agent-000000000001")
	device = model.DeviceID("mac-020000000a01")
)

func authority(t testing.TB) (*CA, *Signer, string) {
	t.Helper()
	dir := t.TempDir()
	ca, err := OpenCA(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca, s, dir
}

func material(t testing.TB, ca *CA, s *Signer, life time.Duration) Material {
	t.Helper()
	key, csr, err := NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(csr, part, device, time.Now(), life)
	if err != nil {
		t.Fatal(err)
	}
	return Material{Part: part, Endpoint: "192.0.2.1:7443", SigningKey: s.PublicKey().String(), Key: key, Cert: cert, CA: ca.cert}
}

func TestAuthorityIsKept(t *testing.T) {
	ca, s, dir := authority(t)
	again, err := OpenCA(dir, time.Now())
	if err != nil || !bytes.Equal(ca.DER(), again.DER()) || !ca.key.Equal(again.key) {
		t.Errorf("authority changed: %v", err)
	}
	s2, err := OpenSigner(dir)
	if err != nil || s2.PublicKey() != s.PublicKey() {
		t.Errorf("signing key changed: %v", err)
	}
	for _, f := range []string{caFile, signerFile} {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, caFile), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(dir, time.Now()); err == nil {
		t.Error("a broken authority was replaced or accepted: all parts would be lost")
	}
}

func TestCertificates(t *testing.T) {
	ca, s, _ := authority(t)
	m := material(t, ca, s, time.Hour)
	if p, d, err := Caller(m.Cert); p != part || d != device || err != nil {
		t.Errorf("caller %q %q %v", p, d, err)
	}
	if _, err := m.Cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	// A part must not be able to pass as the control plane.
	if _, err := m.Cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: ServerName}); err == nil {
		t.Error("a part's certificate serves as the control plane's")
	}
	sc, err := ca.ServerCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: ServerName}); err != nil {
		t.Error(err)
	}
	same, _ := ca.ServerCertificate(time.Now())
	later, _ := ca.ServerCertificate(time.Now().Add(serverLife * 2 / 3))
	if same != sc || later == sc {
		t.Error("the server's certificate must last half of its life, and no longer")
	}
	key, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	csr, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if _, err := ca.Issue(csr, part, "", time.Now(), time.Hour); err == nil {
		t.Error("a key of another curve was certified")
	}
	good, okCSR, _ := NewRequest()
	_ = good
	okCSR[len(okCSR)-1] ^= 1
	if _, err := ca.Issue(okCSR, part, "", time.Now(), time.Hour); err == nil {
		t.Error("a request with a broken signature was certified")
	}
}

func TestStore(t *testing.T) {
	ca, s, _ := authority(t)
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("empty folder: %v", err)
	}
	st, err := Create(dir, material(t, ca, s, 3*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(st.RenewAt()); left < 50*time.Minute || left > 2*time.Hour {
		t.Errorf("renewal in %v", left)
	}
	other, _, _ := authority(t)
	foreign := material(t, other, s, time.Hour)
	if err := st.Renewed(foreign.Key, foreign.Cert.Raw); err == nil {
		t.Error("a certificate of another authority was kept")
	}
	if err := st.Renewed(foreign.Key, st.Material().Cert.Raw); err == nil {
		t.Error("a certificate for another key was kept")
	}
	next := material(t, ca, s, 9*time.Hour)
	if err := st.Renewed(next.Key, next.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil || !again.NotAfter().Equal(next.Cert.NotAfter) || again.Device() != device || again.Material().Endpoint != "192.0.2.1:7443" {
		t.Errorf("after reopening: %v", err)
	}
}

// TestRenewalSurvivesSIGKILL kills a child that renews without end.
func TestRenewalSurvivesSIGKILL(t *testing.T) {
	if dir := os.Getenv("IDENTITY_CHILD"); dir != "" {
		renewForever(t, dir)
		return
	}
	ca, s, caDir := authority(t)
	dir := t.TempDir()
	if _, err := Create(dir, material(t, ca, s, time.Hour)); err != nil {
		t.Fatal(err)
	}
	changed := 0
	last := ""
	for i := range 25 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRenewalSurvivesSIGKILL$")
		cmd.Env = append(os.Environ(), "IDENTITY_CHILD="+dir, "IDENTITY_CA="+caDir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+3*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		st, err := Open(dir)
		if err != nil {
			t.Fatalf("after kill %d: %v", i+1, err)
		}
		if serial := st.Material().Cert.SerialNumber.String(); serial != last {
			changed++
			last = serial
		}
	}
	if changed < 3 {
		t.Errorf("the identity changed in %d of 25 rounds: the test did not test", changed)
	}
}

func renewForever(t *testing.T, dir string) {
	ca, err := OpenCA(os.Getenv("IDENTITY_CA"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	st, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for {
		key, csr, err := NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ca.Issue(csr, part, device, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Renewed(key, cert.Raw); err != nil {
			t.Fatal(err)
		}
	}
}

func TestToken(t *testing.T) {
	ca, _, _ := authority(t)
	other, _, _ := authority(t)
	tok := NewToken(ca.DER())
	got, err := ParseToken(" " + tok.Text() + "\n")
	if err != nil || got != tok || got.Hash() != tok.Hash() || !got.Pins(ca.DER()) || got.Pins(other.DER()) {
		t.Errorf("round trip: %v", err)
	}
	if secret := strings.Split(tok.Text(), ".")[1]; strings.Contains(fmt.Sprint(tok), secret) || strings.Contains(fmt.Sprintf("%v", &tok), secret) {
		t.Error("printing a token shows its secret")
	}
	for _, bad := range []string{"", "mgt1", tok.Text()[1:], tok.Text() + "0", strings.Replace(tok.Text(), "mgt1", "mgt2", 1), tok.Text()[:len(tok.Text())-1]} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMinisignBothWays(t *testing.T) {
	_, s, _ := authority(t)
	payload := []byte("payload")
	var theirs minisign.PublicKey
	if err := theirs.UnmarshalText([]byte(s.PublicKey().String())); err != nil {
		t.Fatal(err)
	}
	if !minisign.Verify(theirs, payload, []byte(s.Sign(payload, "a comment"))) {
		t.Error("minisign refuses our signature")
	}
	pub, priv, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := minisign.NewReader(bytes.NewReader(payload))
	if _, err := r.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	sig := r.SignWithComments(priv, "trusted words", "untrusted")
	text := pub.String()
	k, err := ParsePublicKey(text[strings.LastIndexByte(strings.TrimSpace(text), '\n')+1:])
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	comment, err := k.Verify(payload, string(sig))
	if err != nil || comment != "trusted words" {
		t.Errorf("minisign's signature: %q %v", comment, err)
	}
}

func TestVerifySet(t *testing.T) {
	_, s, _ := authority(t)
	_, evil, _ := authority(t)
	now := time.Now()
	set := s.SignSet(SetInfo{Name: "policy", Version: 7, Issued: now, Expires: now.Add(time.Hour)}, []byte("p"))
	key := s.PublicKey()
	if info, err := VerifySet(key, "policy", 6, []byte("p"), set.Minisig, now); err != nil || info.Version != 7 {
		t.Error(info, err)
	}
	tampered := strings.Replace(set.Minisig, "version=7", "version=8", 1)
	for name, f := range map[string]func() error{
		"payload": func() error { _, err := VerifySet(key, "policy", 6, []byte("q"), set.Minisig, now); return err },
		"name":    func() error { _, err := VerifySet(key, "rules", 6, []byte("p"), set.Minisig, now); return err },
		"old":     func() error { _, err := VerifySet(key, "policy", 7, []byte("p"), set.Minisig, now); return err },
		"expired": func() error {
			_, err := VerifySet(key, "policy", 6, []byte("p"), set.Minisig, now.Add(time.Hour))
			return err
		},
		"comment": func() error { _, err := VerifySet(key, "policy", 7, []byte("p"), tampered, now); return err },
		"key": func() error {
			_, err := VerifySet(evil.PublicKey(), "policy", 6, []byte("p"), set.Minisig, now)
			return err
		},
		"unsigned": func() error { _, err := VerifySet(key, "policy", 6, []byte("p"), "", now); return err },
	} {
		if err := f(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := VerifySet(key, "policy", 7, []byte("p"), set.Minisig, now); !errors.Is(err, ErrSetOld) {
		t.Error(err)
	}
	if _, err := VerifySet(key, "policy", 6, []byte("p"), set.Minisig, now.Add(time.Hour)); !errors.Is(err, ErrSetExpired) {
		t.Error(err)
	}
}

func TestSetsOnDisk(t *testing.T) {
	_, s, _ := authority(t)
	dir := t.TempDir()
	set := s.SignSet(SetInfo{Name: "policy", Version: 7, Issued: time.Now(), Expires: time.Now().Add(time.Hour)}, []byte("p"))
	if got, err := LoadSet(dir, "policy"); got != nil || err != nil {
		t.Errorf("no set: %v %v", got, err)
	}
	if err := SaveSet(dir, set); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadSet(dir, "policy"); err != nil || string(got.Payload) != "p" || got.Minisig != set.Minisig {
		t.Errorf("%+v %v", got, err)
	}
	set.Name = "../evil"
	if err := SaveSet(dir, set); err == nil {
		t.Error("a name left the folder")
	}
}

func FuzzToken(f *testing.F) {
	f.Add(NewToken([]byte("ca")).Text())
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := ParseToken(s); err == nil && tok.Text() != strings.ToLower(strings.TrimSpace(s)) && tok.Text() != strings.TrimSpace(s) {
			if again, err := ParseToken(tok.Text()); err != nil || again != tok {
				t.Errorf("%q reads as %q", s, tok.Text())
			}
		}
	})
}

func FuzzMinisig(f *testing.F) {
	dir := f.TempDir()
	s, err := OpenSigner(dir)
	if err != nil {
		f.Fatal(err)
	}
	good := s.Sign([]byte("p"), "masugata set=policy version=1 issued=1 expires=2")
	f.Add(good)
	f.Fuzz(func(t *testing.T, sig string) {
		comment, err := s.PublicKey().Verify([]byte("p"), sig)
		if err == nil && comment != "masugata set=policy version=1 issued=1 expires=2" {
			t.Errorf("a forged comment was accepted: %q", comment)
		}
		_, _ = parseComment(sig)
	})
}
