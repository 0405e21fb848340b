package control

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestConsoleCertificateHeals plays a start after a process that was killed
// while it wrote its certificate.
func TestConsoleCertificateHeals(t *testing.T) {
	cfg, now := Default(), time.Now()
	cfg.Data = t.TempDir()
	get := func(when time.Time) string {
		t.Helper()
		c, err := consoleTLS(&cfg, when)
		if err != nil {
			t.Fatal(err)
		}
		return c.Certificates[0].Leaf.SerialNumber.String()
	}
	first := get(now)
	if again := get(now); again != first {
		t.Error("a good certificate was made anew")
	}
	cert, key := filepath.Join(cfg.Data, "console", "cert.pem"), filepath.Join(cfg.Data, "console", "key.pem")
	old, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	second := get(now.Add(consoleLife * 5 / 6))
	if second == first {
		t.Error("the certificate was not made anew near its end")
	}
	for name, damage := range map[string]func() error{
		"new key, old certificate": func() error { return os.WriteFile(cert, old, 0o600) },
		"empty certificate":        func() error { return os.WriteFile(cert, nil, 0o600) },
		"half a key":               func() error { return os.Truncate(key, 40) },
		"no key":                   func() error { return os.Remove(key) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		before := get(now)
		if get(now) != before {
			t.Errorf("%s: made anew at every start", name)
		}
	}
}
